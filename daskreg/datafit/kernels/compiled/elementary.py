"""Exponential and logarithm without branches, so that loops over them become vector code.

The scalar functions of the C library are called one number at a time.  These ones are inlined;
both are within two units of the last place.  They must not be reassociated.
"""

from __future__ import annotations

import math

import numba  # noqa: TID253 - this package is loaded only for large data
import numpy as np

LOG2_E = 1.0 / math.log(2.0)
#: The logarithm of two in two parts, of which multiples up to 2048 of the first are exact.
LN2_HIGH = 6.93147180369123816490e-01
LN2_LOW = 1.90821492927058770002e-10
#: Adding it to a number below 2^51 leaves the nearest integer in the last bits.
TO_INTEGER = 6755399441055744.0
#: Beyond it the exponential of minus the number is no normal float64.
LARGEST = 708.0
#: Bits of the root of one half: what splits mantissas evenly about one.
ROOT_HALF = 0x3FE6A09E667F3BCD

_E2, _E3, _E4, _E5, _E6, _E7 = (1.0 / math.factorial(n) for n in range(2, 8))
_E8, _E9, _E10, _E11, _E12 = (1.0 / math.factorial(n) for n in range(8, 13))
_L3, _L5, _L7, _L9, _L11 = (2.0 / n for n in (3, 5, 7, 9, 11))
_L13, _L15, _L17, _L19, _L21 = (2.0 / n for n in (13, 15, 17, 19, 21))


@numba.njit(cache=True, fastmath={"contract"}, forceinline=True, error_model="numpy")
def exp_minus(a: float) -> float:
    """Return ``exp(-a)`` of ``a >= 0``; beyond 708 what it is there."""
    a = a if a < LARGEST else LARGEST
    shifted = TO_INTEGER - a * LOG2_E
    k = shifted - TO_INTEGER
    r = (-a - k * LN2_HIGH) - k * LN2_LOW
    tail = _E8 + r * (_E9 + r * (_E10 + r * (_E11 + r * _E12)))
    tail = _E3 + r * (_E4 + r * (_E5 + r * (_E6 + r * (_E7 + r * tail))))
    power = 1.0 + (r + r * r * (_E2 + r * tail))
    scale = (np.float64(shifted).view(np.int64) + 1023) << 52
    return power * np.int64(scale).view(np.float64)


@numba.njit(cache=True, fastmath={"contract"}, forceinline=True, error_model="numpy")
def _log_near_one(f: float) -> float:
    """Return ``log(1 + f)`` for ``1 + f`` between the roots of one half and of two.

    With ``s = f / (2 + f)`` it is ``2 atanh(s)``, an odd series.
    """
    s = f / (2.0 + f)
    z = s * s
    series = _L13 + z * (_L15 + z * (_L17 + z * (_L19 + z * _L21)))
    series = _L3 + z * (_L5 + z * (_L7 + z * (_L9 + z * (_L11 + z * series))))
    # f - s f is 2 s with the digits that the division lost.
    return f - s * (f - z * series)


@numba.njit(cache=True, fastmath={"contract"}, forceinline=True, error_model="numpy")
def log1p_unit(u: float) -> float:
    """Return ``log(1 + u)`` for u from 0 to 1."""
    above = u > 0.41421356237309503
    f = 0.5 * (u - 1.0) if above else u
    return (LN2_HIGH + LN2_LOW if above else 0.0) + _log_near_one(f)


@numba.njit(cache=True, fastmath={"contract"}, forceinline=True, error_model="numpy")
def log(x: float) -> float:
    """Return the natural logarithm of a normal positive number."""
    bits = np.float64(x).view(np.int64)
    k = (bits - ROOT_HALF) >> 52
    f = np.int64(bits - (k << 52)).view(np.float64) - 1.0
    return k * LN2_HIGH + (_log_near_one(f) + k * LN2_LOW)
