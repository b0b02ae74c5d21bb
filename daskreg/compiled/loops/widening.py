"""Rows in a type that takes less room, or that are to be shifted, on their way into cache."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from .arrays import Array
from .values import Number, Truth, Whole
from .writing import Code

#: Moves the exponent of a half precision number to where float32 has it.
HALF_SCALE = 2.0**112

_BITS, _SHORT, _FLOAT = ir.IntType(32), ir.IntType(16), ir.FloatType()


def stored_number(X: Array, i: Whole, j: Whole, half: Truth | None) -> Number:
    """Return a number of X; ``half`` is None unless that holds the bits of short floats."""
    return X.as_number(i, j) if half is None else Number(X.code, _widened(X, i, j))


def _widened(X: Array, i: Whole, j: Whole) -> Any:
    """Return the float32 of the bits of a float16, unsigned, or of a bfloat16, signed."""
    code, bits = X.code, X.raw(i, j)
    if X.dtype.kind == "i":
        upper = code.shl(code.zext(bits, _BITS), _BITS(16))
        return code.bitcast(upper, _FLOAT)
    raw = code.shl(code.zext(code.and_(bits, _SHORT(0x7FFF)), _BITS), _BITS(13))
    finite = code.fmul(code.bitcast(raw, _FLOAT), _FLOAT(HALF_SCALE))
    larger = code.or_(raw, _BITS(0x7F800000))
    small = code.icmp_unsigned("<", raw, _BITS(0x0F800000))
    size = code.select(small, code.bitcast(finite, _BITS), larger)
    sign = code.shl(code.zext(code.and_(bits, _SHORT(0x8000)), _BITS), _BITS(16))
    return code.bitcast(code.or_(size, sign), _FLOAT)


def widen(
    code: Code, X: Array, m: Whole, half: Truth | None, shift: Array | None, out: Array
) -> None:
    """Copy m rows of X, less ``shift`` (p,) if there is one, to the first rows of ``out``."""
    for i in code.each(m):
        for j in code.apart(X.shape[1]):
            u = stored_number(X, i, j, half)
            out[i, j] = u if shift is None else u - shift[j]
