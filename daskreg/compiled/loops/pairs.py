"""Products of all pairs of columns of a few rows."""

from __future__ import annotations

from typing import Any

from numba.core import cgutils, types  # noqa: TID253 - as the compiler
from numba.extending import intrinsic  # noqa: TID253

from daskreg._typing import AnyArray
from daskreg.compiled.layout import LEFT, RIGHT, VECTOR

from .compiler import compiled
from .native import widest_vectors
from .registers import Rows


def _tile(n_vectors: int) -> Any:
    """Return a function for tiles of so many vectors of right columns."""

    def typed(typing: Any, A: Any, m: Any, i: Any, j: Any, C: Any):  # type: ignore[no-untyped-def]
        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            rows, m, i, j, products = given
            a, c = Rows(context, builder, A, rows), Rows(context, builder, C, products)
            sums = a.zeros(LEFT * n_vectors)
            with cgutils.for_range(builder, m) as loop:
                left, right = a.place(loop.index, i), a.place(loop.index, j)
                others = [a.load(a.after(right, v * a.length)) for v in range(n_vectors)]
                for r in range(LEFT):
                    one = a.spread(a.after(left, r))
                    for v, other in enumerate(others):
                        a.add_product(sums[r * n_vectors + v], one, other)
            for r in range(LEFT):
                begin = c.place(builder.add(i, i.type(r)), j)
                for v in range(n_vectors):
                    c.add(c.after(begin, v * c.length), builder.load(sums[r * n_vectors + v]))
            return context.get_dummy_value()

        return types.void(A, types.intp, types.intp, types.intp, C), generate

    return intrinsic(typed)


#: ``tile(A, m, i, j, C)`` adds the products of columns i ... of A, (m or more, n), with columns
#: j ... to C, (n, n).
_one, _two, _three = _tile(1), _tile(2), _tile(3)
assert RIGHT == 3


@compiled()
def add_pairs(A: AnyArray, m: int, C: AnyArray) -> None:
    """Add ``A' A`` of m rows to the upper triangle of C; below it anything may change.

    Parameters
    ----------
    A : ndarray, shape (m or more, n)
        n is a number of columns that is :func:`~.registers.padded`.
    m : int
    C : ndarray, shape (n, n)
        In the type of A.
    """
    widest_vectors()
    n, length = len(C), VECTOR // C.itemsize
    for i in range(0, n, LEFT):
        for j in range(i // length * length, n, RIGHT * length):
            left = n - j
            if left >= 3 * length:
                _three(A, m, i, j, C)
            elif left >= 2 * length:
                _two(A, m, i, j, C)
            else:
                _one(A, m, i, j, C)
