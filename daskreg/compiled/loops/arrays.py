"""Arrays of a function that is being written."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir

from daskreg.compiled.code import ARRAY_HEAD, ARRAY_PARTS, ArrayKind

from .values import FLOAT, SIZE, Number, Truth, Whole, size_of

_BYTE = ir.IntType(8)
_FLOATS = {2: ir.HalfType(), 4: ir.FloatType(), 8: FLOAT}


class Array:
    """An array, whose numbers are loaded and stored by the brackets of Python.

    Parameters
    ----------
    code : Code
    kind : ArrayKind
    data
        Pointer to the first number.
    shape, strides : tuple of Whole
        Strides in bytes.
    """

    def __init__(
        self,
        code: Any,
        kind: ArrayKind,
        data: Any,
        shape: tuple[Whole, ...],
        strides: tuple[Whole, ...],
    ) -> None:
        self.code, self._strides = code, strides
        self.kind, self.data, self.shape = kind, data, shape
        self.dtype = np.dtype(kind.dtype)
        self.number = number_type(self.dtype)
        self._align = self.dtype.itemsize if kind.aligned else 1

    @property
    def size(self) -> Whole:
        """How many numbers an array of one axis has."""
        (size,) = self.shape
        return size

    def place(self, *where: Whole | int) -> Any:
        """Return a pointer to a number."""
        places = [Whole(self.code, size_of(one)) for one in where]
        if self.kind.layout == "A":
            steps = (one * stride for one, stride in zip(places, self._strides, strict=True))
            first = self.code.bitcast(self.data, _BYTE.as_pointer())
            found = self.code.gep(first, [_sum(steps).value])
            return self.code.bitcast(found, self.number.as_pointer())
        axes = list(zip(places, self.shape, strict=True))
        (at, _), *rest = axes if self.kind.layout == "C" else axes[::-1]
        for one, length in rest:
            at = at * length + one
        return self.code.gep(self.data, [at.value])

    def rows(self, first: Whole) -> Array:
        """Return the rows from one on; nobody asks how many there are."""
        data = self.place(first, *[0] * (len(self.shape) - 1))
        return Array(self.code, self.kind, data, self.shape, self._strides)

    def raw(self, *where: Whole | int) -> Any:
        """Return what is stored at a place, in its own type."""
        return self.code.load(self.place(*where), align=self._align)

    def set_raw(self, value: Any, *where: Whole | int) -> None:
        """Store something in the type of the array."""
        self.code.store(value, self.place(*where), align=self._align)

    def as_number(self, *where: Whole | int) -> Number:
        """Return the number at a place, whatever its type, as a float64."""
        found = self.raw(*where)
        if self.dtype.kind != "f":
            turned = self.code.sitofp if self.dtype.kind == "i" else self.code.uitofp
            found = turned(found, FLOAT)
        return Number(self.code, found)

    def __getitem__(self, where: Any) -> Any:
        places = where if isinstance(where, tuple) else (where,)
        if self.dtype.kind == "f":
            return self.as_number(*places)
        found = self.raw(*places)
        if self.dtype.kind == "b":
            return Truth(self.code, self.code.icmp_unsigned("!=", found, _BYTE(0)))
        if self.dtype.itemsize < 8:
            widened = self.code.sext if self.dtype.kind == "i" else self.code.zext
            found = widened(found, SIZE)
        return Whole(self.code, found)

    def __setitem__(self, where: Any, given: Any) -> None:
        places = where if isinstance(where, tuple) else (where,)
        self.set_raw(self._stored(given), *places)

    def _stored(self, given: Any) -> Any:
        if isinstance(given, int | float):
            return ir.Constant(self.number, given)
        if isinstance(given, Truth):
            return self.code.zext(given.value, self.number)
        value = given.value
        if value.type == self.number:
            return value
        shortened = self.code.fptrunc if isinstance(given, Number) else self.code.trunc
        return shortened(value, self.number)


def given_array(code: Any, kind: ArrayKind, given: Any) -> Array:
    """Return an array that a function is called with, from the address of its object."""
    data, sizes, strides = (
        code.load(_moved(code, given, ARRAY_HEAD + at, number))
        for at, number in zip(
            ARRAY_PARTS,
            (number_type(np.dtype(kind.dtype)).as_pointer(), *[SIZE.as_pointer()] * 2),
            strict=True,
        )
    )
    shape, steps = (
        tuple(Whole(code, code.load(code.gep(one, [SIZE(axis)]))) for axis in range(kind.ndim))
        for one in (sizes, strides)
    )
    return Array(code, kind, data, shape, steps)


def number_type(dtype: np.dtype[Any]) -> Any:
    """Return what LLVM calls numbers of a type.

    Raises
    ------
    TypeError
        If processors know no such numbers.
    """
    if dtype.kind not in "fiub" or not dtype.isnative or dtype.itemsize > 8:
        raise TypeError(f"expected numbers that processors know in machine code, got {dtype}")
    return _FLOATS[dtype.itemsize] if dtype.kind == "f" else ir.IntType(8 * dtype.itemsize)


def _moved(code: Any, given: Any, by: int, kind: Any) -> Any:
    return code.bitcast(code.gep(given, [SIZE(by)]), kind.as_pointer())


def _sum(parts: Any) -> Whole:
    first, *rest = parts
    for one in rest:
        first = first + one
    return first
