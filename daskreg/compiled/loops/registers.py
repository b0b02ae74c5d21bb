"""Matrices whose rows are multiplied in the registers of the processor, as wide as it has them.

BLAS arranges both matrices anew before it multiplies them, which takes as long as the products
where one of them has some hundred rows or columns.  Here rows are few enough to stay in the first
caches, and are read where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

from llvmlite import ir

from daskreg.compiled.layout import VECTOR

from .arrays import Array
from .values import SIZE, Truth, Whole, size_of
from .writing import Code

_CONTRACT = ("contract",)
_PLACE = ir.IntType(32)


class Rows:
    """An array of a function that is being compiled; its rows lie one after the other."""

    def __init__(self, code: Code, array: Array) -> None:
        if array.kind.layout != "C":
            raise TypeError(f"expected rows that lie one after the other, got {array.kind}")
        self._code, self._array = code, array
        self.n_rows, self.n_columns = array.shape
        self._itemsize = array.dtype.itemsize
        self.length = VECTOR // self._itemsize
        self.vector = ir.VectorType(array.number, self.length)
        self._align, self._zeros = _PLACE(self._itemsize), ir.Constant(self.vector, None)

    def place(self, i: Whole | int, j: Whole | int) -> Any:
        """Return where ``[i, j]`` is."""
        return self._array.place(i, j)

    def steps(self, n_vectors: int) -> range:
        """Return where vectors begin that follow one another."""
        return range(0, n_vectors * self.length, self.length)

    def after(self, place: Any, by: Whole | int) -> Any:
        """Return the place so many numbers later."""
        return self._code.gep(place, [size_of(by)])

    def first(self, count: Whole) -> Any:
        """Return a mask of so many numbers of a vector."""
        kind = ir.VectorType(SIZE, self.length)
        places = ir.Constant(kind, list(range(self.length)))
        return self._code.icmp_unsigned("<", places, self._spread(count.value, kind))

    def load(self, place: Any, mask: Any = None) -> Any:
        """Return the vector that begins at a place; zeros where a mask leaves numbers out."""
        several = self._code.bitcast(place, self.vector.as_pointer())
        if mask is None:
            return self._code.load(several, align=self._itemsize)
        return self._masked("load", self.vector, several, self._align, mask, self._zeros)

    def fetch(self, place: Any) -> None:
        """Ask for the numbers around a place, which need not be there, to be in the first cache."""
        given = place, _PLACE(0), _PLACE(3), _PLACE(1)  # to read, to stay, and no code
        kind = ir.FunctionType(ir.VoidType(), [one.type for one in given])
        self._code.call(self._code.external("llvm.prefetch.p0", kind), given)

    def store(self, place: Any, numbers: Any, mask: Any = None) -> None:
        """Set the numbers from a place on to a vector of any length, or to what a mask leaves."""
        several = self._code.bitcast(place, numbers.type.as_pointer())
        if mask is None:
            self._code.store(numbers, several, align=self._itemsize)
        else:
            self._masked("store", ir.VoidType(), numbers, several, self._align, mask)

    def spread(self, place: Any, inside: Truth | None = None) -> Any:
        """Return a vector of nothing but the number at a place, or of zeros if not ``inside``."""
        one = self._code.load(place)
        if inside is not None:
            one = self._code.select(inside.value, one, ir.Constant(one.type, 0.0))
        return self._spread(one, self.vector)

    def add(self, place: Any, sums: Any) -> None:
        """Add a vector of any length to the numbers from a place on."""
        several = self._code.bitcast(place, sums.type.as_pointer())
        self.store(place, self._code.fadd(self._code.load(several, align=self._itemsize), sums))

    def zeros(self, count: int) -> list[Any]:
        """Return so many sums, vectors that become registers.

        They begin anew for each tile: added on to those before, they would be chains of thousands.
        """
        sums = [self._code.room(self.vector) for _ in range(count)]
        for one in sums:
            self._code.store(self._zeros, one)
        return sums

    def add_product(self, one: Any, left: Any, right: Any) -> None:
        """Add the products of two vectors to one of the sums."""
        product = self._code.fmul(left, right, flags=_CONTRACT)
        self._code.store(self._code.fadd(self._code.load(one), product, flags=_CONTRACT), one)

    def product_sum(self, left: list[Any], right: list[Any]) -> Any:
        """Return the sum of the products of pairs of vectors."""
        products = [
            self._code.fmul(one, other, flags=_CONTRACT)
            for one, other in zip(left, right, strict=True)
        ]
        return reduce(lambda a, b: self._code.fadd(a, b, flags=_CONTRACT), products)

    def _spread(self, one: Any, kind: Any) -> Any:
        nothing = ir.Constant(kind, ir.Undefined)
        one = self._code.insert_element(nothing, one, _PLACE(0))
        return shuffled(self._code, one, nothing, [0] * self.length)

    def _masked(self, name: str, result: Any, *given: Any) -> Any:
        kind = ir.FunctionType(result, [one.type for one in given])
        name = f"llvm.masked.{name}.v{self.length}f{8 * self._itemsize}.p0"
        return self._code.call(self._code.external(name, kind), given)


def add_products(
    code: Code,
    m: Whole,
    left: Callable[[Whole], Sequence[Any]],
    right: Callable[[Whole], Any],
    arrays: tuple[Rows, Rows, Rows],
    n_vectors: int,
    out: Sequence[Any],
) -> None:
    """Add sums over m rows of products of single numbers with vectors, which stay in registers.

    Parameters
    ----------
    code : Code
    m : Whole
    left, right : callable
        Of a row: where the numbers are, and where the first vector is.
    arrays : tuple of Rows
        Of the numbers, the vectors and the products.
    n_vectors : int
    out : sequence
        Where the products of each number belong.
    """
    of_left, of_right, of_out = arrays
    sums = [of_right.zeros(n_vectors) for _ in out]
    for i in code.each(m):
        begin = right(i)
        vectors = [
            of_right.load(of_right.after(begin, place)) for place in of_right.steps(n_vectors)
        ]
        for place, own in zip(left(i), sums, strict=True):
            one = of_left.spread(place)
            for total, vector in zip(own, vectors, strict=True):
                of_right.add_product(total, one, vector)
    for begin, own in zip(out, sums, strict=True):
        for place, total in zip(of_right.steps(n_vectors), own, strict=True):
            of_out.add(of_out.after(begin, place), code.load(total))


def shuffled(code: Code, first: Any, second: Any, places: list[int]) -> Any:
    """Return the numbers of two vectors that are at some places, counted through both."""
    kind = ir.VectorType(_PLACE, len(places))
    return code.shuffle_vector(first, second, ir.Constant(kind, places))


def added_up(code: Code, vectors: list[Any]) -> list[Any]:
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
                code.fadd(shuffled(code, one, other, lower), shuffled(code, one, other, upper))
            )
        vectors, run = found, half
    return vectors
