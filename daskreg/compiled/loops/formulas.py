"""Formulas whose code is written by running them once on the numbers of a function to come.

A call of a compiled function has its types inferred statement by statement, wherever it is inlined:
for a hundred additions that takes longer than all the rest of a loop.  Here Python's operators
write one instruction each, and that is all.  Products and sums may be contracted, not reassociated,
whatever the loop around them allows for its own.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

_FLAGS = ("contract",)
_FLOAT, _INT = ir.DoubleType(), ir.IntType(64)


class Number:
    """A float64 of a function that is being compiled, or a constant beside one.

    Parameters
    ----------
    builder, value
        Of llvmlite; the value is a float of any length.
    """

    def __init__(self, builder: Any, value: Any) -> None:
        self._builder = builder
        self.value = value if value.type == _FLOAT else builder.fpext(value, _FLOAT)

    def __add__(self, other: Number | float) -> Number:
        return self._by("fadd", self, other)

    def __radd__(self, other: float) -> Number:
        return self._by("fadd", other, self)

    def __sub__(self, other: Number | float) -> Number:
        return self._by("fsub", self, other)

    def __rsub__(self, other: float) -> Number:
        return self._by("fsub", other, self)

    def __mul__(self, other: Number | float) -> Number:
        return self._by("fmul", self, other)

    def __rmul__(self, other: float) -> Number:
        return self._by("fmul", other, self)

    def __truediv__(self, other: Number | float) -> Number:
        return self._by("fdiv", self, other)

    def __rtruediv__(self, other: float) -> Number:
        return self._by("fdiv", other, self)

    def __abs__(self) -> Number:
        kind = ir.FunctionType(_FLOAT, [_FLOAT])
        absolute = self._builder.module.declare_intrinsic("llvm.fabs", [_FLOAT], kind)
        return Number(self._builder, self._builder.call(absolute, [self.value]))

    def above(self, limit: float, this: Number | float, other: Number | float) -> Number:
        """Return ``this`` where the number is larger than ``limit``, else ``other``."""
        larger = self._builder.fcmp_ordered(">", self.value, _FLOAT(limit), flags=_FLAGS)
        chosen = self._builder.select(larger, self._of(this), self._of(other))
        return Number(self._builder, chosen)

    def exponent(self, bits: int) -> tuple[Number, Number]:
        """Return a whole k and what remains of a normal positive number divided by 2^k.

        ``bits`` are those of the least that may remain.
        """
        whole = self._builder.bitcast(self.value, _INT)
        k = self._builder.ashr(self._builder.sub(whole, _INT(bits)), _INT(52))
        rest = self._builder.sub(whole, self._builder.shl(k, _INT(52)))
        number = self._builder.sitofp(k, _FLOAT), self._builder.bitcast(rest, _FLOAT)
        return Number(self._builder, number[0]), Number(self._builder, number[1])

    def power(self) -> Number:
        """Return two to the power that the last bits of the number are, as an integer."""
        bits = self._builder.add(self._builder.bitcast(self.value, _INT), _INT(1023))
        moved = self._builder.shl(bits, _INT(52))
        return Number(self._builder, self._builder.bitcast(moved, _FLOAT))

    def _of(self, number: Number | float) -> Any:
        return number.value if isinstance(number, Number) else _FLOAT(number)

    def _by(self, name: str, left: Number | float, right: Number | float) -> Number:
        write = getattr(self._builder, name)
        return Number(self._builder, write(self._of(left), self._of(right), flags=_FLAGS))
