"""Exponential and logarithm without branches, so that loops over them become vector code.

The scalar functions of the C library are called one number at a time.  These ones become part of
the loop; both are within two units of the last place.
"""

from __future__ import annotations

import math

from .values import Number

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

# Polynomials through Chebyshev points, found in 50 digits: of (exp(r) - 1 - r) / r^2 for r between
# -log(2) / 2 and log(2) / 2, which leaves 2e-17 of the exponential, and of
# (2 artanh(s) / s - 2) / s^2 for s up to that of root two, which leaves 5e-18 of the logarithm.
_E2, _E3, _E4 = 0.5000000000000001, 0.16666666666666669, 0.04166666666662413
_E5, _E6, _E7 = 0.008333333333330062, 0.0013888888917213717, 0.00019841269863053618
_E8, _E9 = 2.4801521295954376e-05, 2.7557268459997064e-06
_E10, _E11 = 2.7620088445409746e-07, 2.510038549551032e-08
_L3, _L5, _L7 = 0.666666666666667, 0.39999999999899444, 0.2857142862600327
_L9, _L11 = 0.22222211130259878, 0.18182889455674947
_L13, _L15 = 0.15331710618210773, 0.14616585424888623


def exp_minus(a: Number) -> Number:
    """Return ``exp(-a)`` of ``a >= 0``; beyond 708 what it is there."""
    a = a.above(LARGEST, LARGEST, a)
    shifted = TO_INTEGER - a * LOG2_E
    k = shifted - TO_INTEGER
    r = (-1.0 * a - k * LN2_HIGH) - k * LN2_LOW
    tail = _E7 + r * (_E8 + r * (_E9 + r * (_E10 + r * _E11)))
    tail = _E3 + r * (_E4 + r * (_E5 + r * (_E6 + r * tail)))
    power = 1.0 + (r + r * r * (_E2 + r * tail))
    return power * shifted.power()


def log_near_one(f: Number, inverse: Number) -> Number:
    """Return ``log(1 + f)`` for ``1 + f`` between the roots of one half and of two.

    With ``s = f / (2 + f)`` it is ``2 artanh(s)``, an odd series; ``inverse`` is ``1 / (2 + f)``,
    to some units of the last place.
    """
    s = f * inverse
    z = s * s
    series = _L9 + z * (_L11 + z * (_L13 + z * _L15))
    series = _L3 + z * (_L5 + z * (_L7 + z * series))
    # f - s f is 2 s with the digits that the division lost.
    return f - s * (f - z * series)


def halved(u: Number) -> tuple[Number, Number]:
    """Return h and f with ``log(1 + u) = h + log(1 + f)``, and f near zero, for u from 0 to 1."""
    root_two = 0.41421356237309503
    return u.above(root_two, LN2_HIGH + LN2_LOW, 0.0), u.above(root_two, 0.5 * (u - 1.0), u)


def split(x: Number) -> tuple[Number, Number]:
    """Return a whole k and f near zero with ``x = 2^k (1 + f)``, of a normal positive number."""
    k, rest = x.exponent(ROOT_HALF)
    return k, rest - 1.0


def joined(k: Number, near: Number) -> Number:
    """Return ``log(2^k) + near``."""
    return k * LN2_HIGH + (near + k * LN2_LOW)


def inverses(*numbers: Number) -> tuple[Number, ...]:
    """Return the reciprocals of five numbers near two with one division, which is the slow part.

    They are within five units of the last place.
    """
    a, b, c, d, e = numbers
    ab, de = a * b, d * e
    abc = ab * c
    rest = 1.0 / (abc * de)
    of_de, of_abc = rest * abc, rest * de
    of_ab = of_abc * c
    return of_ab * b, of_ab * a, of_abc * ab, of_de * e, of_de * d
