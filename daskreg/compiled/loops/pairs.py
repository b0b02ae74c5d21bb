"""Products of all pairs of columns of a few rows."""

from __future__ import annotations

from daskreg.compiled.layout import LEFT, RIGHT, VECTOR

from .arrays import Array
from .registers import Rows, add_products
from .values import Whole
from .writing import Code


def add_pairs(code: Code, A: Array, m: Whole, C: Array) -> None:
    """Add ``A' A`` of m rows to the upper triangle of C; below it anything may change.

    Parameters
    ----------
    code : Code
    A : Array, shape (m or more, n)
        n is a number of columns that is :func:`~daskreg.compiled.layout.padded`.
    m : Whole
    C : Array, shape (n, n)
        In the type of A.
    """
    n, length = C.shape[0], VECTOR // C.dtype.itemsize
    for i in code.each(0, n, LEFT):
        begin = i - i % length
        rest = (n - begin) % (RIGHT * length)
        for j in code.each(begin, n - rest, RIGHT * length):
            _add_tile(code, A, m, i, j, C, RIGHT)
        for count in range(1, RIGHT):
            with code.when(rest.equals(count * length)):
                _add_tile(code, A, m, i, n - rest, C, count)


def _add_tile(code: Code, A: Array, m: Whole, i: Whole, j: Whole, C: Array, n_vectors: int) -> None:
    """Add the products of columns ``i : i + LEFT`` with as many vectors from column j on."""
    a, c = Rows(code, A), Rows(code, C)

    def left(row: Whole) -> list[object]:
        first = a.place(row, i)
        return [a.after(first, r) for r in range(LEFT)]

    places = [c.place(i + r, j) for r in range(LEFT)]
    add_products(code, m, left, lambda row: a.place(row, j), (a, a, c), n_vectors, places)
