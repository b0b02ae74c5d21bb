"""Numbers of a function that is being written: Python's operators write one instruction each."""

from __future__ import annotations

from typing import Any, TypeVar

from llvmlite import ir

FLOAT, SIZE = ir.DoubleType(), ir.IntType(64)

#: Sums may be taken in any order, which makes vectors of them; not finite stays not finite.
ANY_ORDER = ("contract", "reassoc", "nsz")

_Some = TypeVar("_Some", "Number", "Whole")


class _Value:
    """Something that is known when the function runs.

    Parameters
    ----------
    code : Code
    value
        Of llvmlite.
    """

    def __init__(self, code: Any, value: Any) -> None:
        self._code, self.value = code, value

    def __bool__(self) -> bool:
        raise TypeError("a choice of the function is written by Code.when, or by Truth.choose")

    __hash__ = None  # type: ignore[assignment]


class Truth(_Value):
    """A condition."""

    def __and__(self, other: Truth) -> Truth:
        return Truth(self._code, self._code.and_(self.value, other.value))

    def __or__(self, other: Truth) -> Truth:
        return Truth(self._code, self._code.or_(self.value, other.value))

    def __invert__(self) -> Truth:
        return Truth(self._code, self._code.not_(self.value))

    def choose(self, this: _Some, other: _Some) -> _Some:
        """Return ``this`` where it holds, else ``other``; both are there in any case."""
        return type(this)(self._code, self._code.select(self.value, this.value, other.value))

    def whole(self) -> Whole:
        """Return one where it holds, else zero."""
        return Whole(self._code, self._code.zext(self.value, SIZE))


class Whole(_Value):
    """A place or a size, of 64 bits."""

    def __add__(self, other: Whole | int) -> Whole:
        return self._by("add", self, other)

    def __radd__(self, other: int) -> Whole:
        return self._by("add", other, self)

    def __sub__(self, other: Whole | int) -> Whole:
        return self._by("sub", self, other)

    def __mul__(self, other: Whole | int) -> Whole:
        return self._by("mul", self, other)

    def __mod__(self, other: int) -> Whole:
        """Return the rest of what is not negative."""
        return Whole(self._code, self._code.urem(self.value, SIZE(other)))

    def __lt__(self, other: Whole | int) -> Truth:
        return self._compared("<", other)

    def __le__(self, other: Whole | int) -> Truth:
        return self._compared("<=", other)

    def __gt__(self, other: Whole | int) -> Truth:
        return self._compared(">", other)

    def __ge__(self, other: Whole | int) -> Truth:
        return self._compared(">=", other)

    def equals(self, other: Whole | int) -> Truth:
        """Return whether they are the same."""
        return self._compared("==", other)

    def at_most(self, most: Whole | int) -> Whole:
        """Return the smaller of two."""
        other = Whole(self._code, size_of(most))
        return (self < other).choose(self, other)

    def _by(self, name: str, left: Whole | int, right: Whole | int) -> Whole:
        write = getattr(self._code, name)
        return Whole(self._code, write(size_of(left), size_of(right), flags=("nsw",)))

    def _compared(self, how: str, other: Whole | int) -> Truth:
        return Truth(self._code, self._code.icmp_signed(how, self.value, size_of(other)))


def size_of(one: Whole | int) -> Any:
    """Return what LLVM calls a size."""
    if isinstance(one, int):
        return SIZE(one)
    if not isinstance(one, Whole):
        raise TypeError(f"expected a size, got {one!r}")
    return one.value


class Number(_Value):
    """A float64, or a constant beside one.

    Products and sums may be contracted, where its function says so, and are not reassociated.

    Parameters
    ----------
    code : Code
    value
        A float of any length.
    """

    def __init__(self, code: Any, value: Any) -> None:
        super().__init__(code, value if value.type == FLOAT else code.fpext(value, FLOAT))

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

    def __neg__(self) -> Number:
        return Number(self._code, self._code.fneg(self.value))

    def __abs__(self) -> Number:
        return self._called("llvm.fabs")

    def __lt__(self, other: Number | float) -> Truth:
        return self._compared("<", other)

    def __le__(self, other: Number | float) -> Truth:
        return self._compared("<=", other)

    def __gt__(self, other: Number | float) -> Truth:
        return self._compared(">", other)

    def differs(self, other: Number | float) -> Truth:
        """Return whether they are not the same; what is no number differs."""
        different = self._code.fcmp_unordered("!=", self.value, self._of(other))
        return Truth(self._code, different)

    def root(self) -> Number:
        """Return the square root."""
        return self._called("llvm.sqrt")

    def above(self, limit: float, this: Number | float, other: Number | float) -> Number:
        """Return ``this`` where the number is larger than ``limit``, else ``other``."""
        first, second = (Number(self._code, self._of(one)) for one in (this, other))
        return (self > limit).choose(first, second)

    def exponent(self, bits: int) -> tuple[Number, Number]:
        """Return a whole k and what remains of a normal positive number divided by 2^k.

        ``bits`` are those of the least that may remain.
        """
        whole = self._code.bitcast(self.value, SIZE)
        k = self._code.ashr(self._code.sub(whole, SIZE(bits)), SIZE(52))
        rest = self._code.sub(whole, self._code.shl(k, SIZE(52)))
        number = self._code.sitofp(k, FLOAT), self._code.bitcast(rest, FLOAT)
        return Number(self._code, number[0]), Number(self._code, number[1])

    def power(self) -> Number:
        """Return two to the power that the last bits of the number are, as an integer."""
        bits = self._code.add(self._code.bitcast(self.value, SIZE), SIZE(1023))
        moved = self._code.shl(bits, SIZE(52))
        return Number(self._code, self._code.bitcast(moved, FLOAT))

    def _of(self, number: Number | float) -> Any:
        return number.value if isinstance(number, Number) else FLOAT(number)

    def _by(self, name: str, left: Number | float, right: Number | float) -> Number:
        write = getattr(self._code, name)
        flags = self._code.float_flags
        return Number(self._code, write(self._of(left), self._of(right), flags=flags))

    def _compared(self, how: str, other: Number | float) -> Truth:
        return Truth(self._code, self._code.fcmp_ordered(how, self.value, self._of(other)))

    def _called(self, name: str) -> Number:
        kind = ir.FunctionType(FLOAT, [FLOAT])
        known = self._code.module.declare_intrinsic(name, [FLOAT], kind)
        return Number(self._code, self._code.call(known, [self.value]))
