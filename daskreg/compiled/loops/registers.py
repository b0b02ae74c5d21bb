"""Matrices whose rows are multiplied in the registers of the processor, as wide as it has them.

BLAS arranges both matrices anew before it multiplies them, which takes as long as the products
where one of them has some hundred rows or columns.  Here rows are few enough to stay in the first
caches, and are read where they are.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

from llvmlite import ir
from numba.core import cgutils  # noqa: TID253 - as the compiler

from daskreg.compiled.layout import VECTOR

_CONTRACT = ("contract",)
_PLACE = ir.IntType(32)


class Rows:
    """An array of a function that is being compiled; its rows lie one after the other."""

    def __init__(self, context: Any, builder: Any, kind: Any, array: Any) -> None:
        if kind.layout != "C":
            raise TypeError(f"expected rows that lie one after the other, got {kind}")
        parts = context.make_array(kind)(context, builder, array)
        self._builder, self._data = builder, parts.data
        #: Of an array of one axis its length, both.
        self.n_rows, *_, self.n_columns = 2 * cgutils.unpack_tuple(builder, parts.shape, kind.ndim)
        self._itemsize = kind.dtype.bitwidth // 8
        self.length = VECTOR // self._itemsize
        self.vector = ir.VectorType(context.get_value_type(kind.dtype), self.length)
        self._align, self._zeros = _PLACE(self._itemsize), ir.Constant(self.vector, None)

    def place(self, i: Any, j: Any) -> Any:
        """Return where ``[i, j]`` is."""
        builder = self._builder
        return builder.gep(self._data, [builder.add(builder.mul(i, self.n_columns), j)])

    def after(self, place: Any, by: Any) -> Any:
        """Return the place so many numbers later."""
        by = by if isinstance(by, ir.Value) else self.n_columns.type(by)
        return self._builder.gep(place, [by])

    def first(self, count: Any) -> Any:
        """Return a mask of so many numbers of a vector."""
        kind = ir.VectorType(count.type, self.length)
        places = ir.Constant(kind, list(range(self.length)))
        return self._builder.icmp_unsigned("<", places, self._spread(count, kind))

    def load(self, place: Any, mask: Any = None) -> Any:
        """Return the vector that begins at a place; zeros where a mask leaves numbers out."""
        several = self._builder.bitcast(place, self.vector.as_pointer())
        if mask is None:
            return self._builder.load(several, align=self._itemsize)
        return self._masked("load", self.vector, several, self._align, mask, self._zeros)

    def store(self, place: Any, numbers: Any, mask: Any = None) -> None:
        """Set the numbers from a place on to a vector of any length, or to what a mask leaves."""
        several = self._builder.bitcast(place, numbers.type.as_pointer())
        if mask is None:
            self._builder.store(numbers, several, align=self._itemsize)
        else:
            self._masked("store", ir.VoidType(), numbers, several, self._align, mask)

    def spread(self, place: Any, inside: Any = None) -> Any:
        """Return a vector of nothing but the number at a place, or of zeros if not ``inside``."""
        one = self._builder.load(place)
        if inside is not None:
            one = self._builder.select(inside, one, ir.Constant(one.type, 0.0))
        return self._spread(one, self.vector)

    def add(self, place: Any, sums: Any) -> None:
        """Add a vector of any length to the numbers from a place on."""
        builder = self._builder
        several = builder.bitcast(place, sums.type.as_pointer())
        self.store(place, builder.fadd(builder.load(several, align=self._itemsize), sums))

    def zeros(self, count: int) -> list[Any]:
        """Return so many sums, vectors that become registers.

        They begin anew for each tile: added on to those before, they would be chains of thousands.
        """
        sums = [cgutils.alloca_once(self._builder, self.vector) for _ in range(count)]
        for one in sums:
            self._builder.store(self._zeros, one)
        return sums

    def add_product(self, one: Any, left: Any, right: Any) -> None:
        """Add the products of two vectors to one of the sums."""
        builder = self._builder
        product = builder.fmul(left, right, flags=_CONTRACT)
        builder.store(builder.fadd(builder.load(one), product, flags=_CONTRACT), one)

    def product_sum(self, left: list[Any], right: list[Any]) -> Any:
        """Return the sum of the products of pairs of vectors."""
        builder = self._builder
        products = [
            builder.fmul(one, other, flags=_CONTRACT)
            for one, other in zip(left, right, strict=True)
        ]
        return reduce(lambda a, b: builder.fadd(a, b, flags=_CONTRACT), products)

    def _spread(self, one: Any, kind: Any) -> Any:
        nothing = ir.Constant(kind, ir.Undefined)
        one = self._builder.insert_element(nothing, one, _PLACE(0))
        return shuffled(self._builder, one, nothing, [0] * self.length)

    def _masked(self, name: str, result: Any, *given: Any) -> Any:
        builder = self._builder
        kind = ir.FunctionType(result, [one.type for one in given])
        name = f"llvm.masked.{name}.v{self.length}f{8 * self._itemsize}.p0"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), given)


def shuffled(builder: Any, first: Any, second: Any, places: list[int]) -> Any:
    """Return the numbers of two vectors that are at some places, counted through both."""
    kind = ir.VectorType(_PLACE, len(places))
    return builder.shuffle_vector(first, second, ir.Constant(kind, places))


def added_up(builder: Any, vectors: list[Any]) -> list[Any]:
    """Return the sum of each vector, in order, in as few vectors as they fit in.

    Halves of two vectors are added to one another, and what results once more, until each number
    is the sum of a vector.
    """
    run = vectors[0].type.count
    while run > 1:
        half, pairs = run // 2, len(vectors) > 1
        found = []
        for first in range(0, len(vectors), 2 if pairs else 1):
            one, other = vectors[first], vectors[first + 1 if pairs else first]
            begins = range(0, (2 if pairs else 1) * one.type.count, run)
            lower = [begin + place for begin in begins for place in range(half)]
            upper = [place + half for place in lower]
            found.append(
                builder.fadd(
                    shuffled(builder, one, other, lower), shuffled(builder, one, other, upper)
                )
            )
        vectors, run = found, half
    return vectors
