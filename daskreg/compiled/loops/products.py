"""Products of a tile of rows with several columns of coefficients, and with their residuals."""

from __future__ import annotations

from typing import Any

from numba.core import cgutils, types  # noqa: TID253 - as the compiler
from numba.extending import intrinsic  # noqa: TID253

from daskreg._typing import AnyArray
from daskreg.compiled.layout import FOURS, LEFT, RIGHT, VECTOR

from .compiler import compiled
from .registers import Rows, added_up

#: Bytes of the part of a row that is multiplied at a time: eight of them stay in the first cache.
PANEL_BYTES = 2**11


def _dots(n_coef: int) -> Any:
    """Return a function that multiplies ``LEFT`` rows with so many columns of coefficients."""

    def typed(  # type: ignore[no-untyped-def]
        typing: Any,
        X: Any,
        i: Any,
        last: Any,
        coef: Any,
        k: Any,
        begin: Any,
        end: Any,
        eta: Any,
        e: Any,
    ):
        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            rows, i, last, columns, k, begin, end, products, e = given
            x, c = Rows(context, builder, X, rows), Rows(context, builder, coef, columns)
            out = Rows(context, builder, eta, products)
            size = i.type
            sums = x.zeros(n_coef * LEFT)
            places = []
            for r in range(LEFT):
                own = builder.add(i, size(r))
                inside = builder.icmp_signed("<=", own, last)
                places.append(x.place(builder.select(inside, own, last), size(0)))
            of_coef = [c.place(builder.add(k, size(q)), size(0)) for q in range(n_coef)]
            steps = cgutils.for_range_slice(builder, begin, end, size(x.length), inc=True)
            with steps as (j, _):
                several = [c.load(c.after(place, j)) for place in of_coef]
                for r in range(LEFT):
                    row = x.load(x.after(places[r], j))
                    for q in range(n_coef):
                        x.add_product(sums[q * LEFT + r], row, several[q])
            for q in range(n_coef):
                own = [builder.load(one) for one in sums[q * LEFT : (q + 1) * LEFT]]
                place = out.place(builder.add(k, size(q)), e)
                for total in added_up(builder, own):
                    out.add(place, total)
                    place = out.after(place, total.type.count)
            return context.get_dummy_value()

        size = types.intp
        return types.void(X, size, size, coef, size, size, size, eta, size), generate

    return intrinsic(typed)


def _tile(n_left: int, n_vectors: int) -> Any:
    """Return a function for tiles of so many columns of residuals and vectors of X."""

    def typed(typing: Any, r: Any, k: Any, m: Any, X: Any, i: Any, j: Any, part: Any):  # type: ignore[no-untyped-def]
        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            residuals, k, m, rows, i, j, products = given
            left, x = Rows(context, builder, r, residuals), Rows(context, builder, X, rows)
            out = Rows(context, builder, part, products)
            sums = x.zeros(n_left * n_vectors)
            own = [builder.add(k, k.type(q)) for q in range(n_left)]
            with cgutils.for_range(builder, m) as loop:
                row = x.place(builder.add(i, loop.index), j)
                others = [x.load(x.after(row, v * x.length)) for v in range(n_vectors)]
                for q in range(n_left):
                    one = left.spread(left.place(own[q], loop.index))
                    for v, other in enumerate(others):
                        x.add_product(sums[q * n_vectors + v], one, other)
            for q in range(n_left):
                begin = out.place(own[q], j)
                for v in range(n_vectors):
                    out.add(out.after(begin, v * x.length), builder.load(sums[q * n_vectors + v]))
            return context.get_dummy_value()

        size = types.intp
        return types.void(r, size, size, X, size, size, part), generate

    return intrinsic(typed)


#: ``dots(X, i, last, coef, k, begin, end, eta, e)`` adds the products of rows i ... of X, none of
#: them beyond the last one, with columns k ... of coefficients, (C, n), to ``eta[k, e]`` ..., as
#: far as columns ``begin : end`` of X go.
_one_column, _two_columns, _three_columns = _dots(1), _dots(2), _dots(3)
#: ``tile(r, k, m, X, i, j, part)`` adds the products of residuals k ..., (C, m or more), with
#: columns j ... of m rows of X to ``part``, (C, n).
_four_by_one, _four_by_three = _tile(FOURS, 1), _tile(FOURS, 3)
_eight_by_one, _eight_by_three = _tile(2 * FOURS, 1), _tile(2 * FOURS, 3)
assert RIGHT == 3


@compiled(inline="always")
def set_columns(X: AnyArray, start: int, m: int, coef: AnyArray, eta: AnyArray) -> None:
    """Set ``eta`` to the products of m rows with ``coef``, and what follows them to anything.

    Parameters
    ----------
    X : ndarray, shape (start + m or more, n)
        n is a number of columns that is :func:`~.registers.padded`.
    start, m : int
    coef : ndarray, shape (C, n)
    eta : ndarray, shape (C, m or more)
        Its rows have a multiple of ``LEFT`` numbers.
    """
    C, n = coef.shape
    panel = PANEL_BYTES // X.itemsize
    for k in range(C):
        for e in range(eta.shape[1]):
            eta[k, e] = 0
    for begin in range(0, n, panel):
        end = begin + panel if begin + panel < n else n
        for e in range(0, m, LEFT):
            for k in range(0, C, 3):
                if C - k >= 3:
                    _three_columns(X, start + e, start + m - 1, coef, k, begin, end, eta, e)
                elif C - k == 2:
                    _two_columns(X, start + e, start + m - 1, coef, k, begin, end, eta, e)
                else:
                    _one_column(X, start + e, start + m - 1, coef, k, begin, end, eta, e)


@compiled(inline="always")
def add_columns(X: AnyArray, start: int, m: int, r: AnyArray, part: AnyArray) -> None:
    """Add the products of ``r`` with m rows of X to ``part``.

    Parameters
    ----------
    X : ndarray, shape (start + m or more, n)
        See :func:`set_columns`.
    start, m : int
    r : ndarray, shape (C, m or more)
        C is a multiple of ``FOURS``.
    part : ndarray, shape (C, n)
    """
    C, n = part.shape
    length = VECTOR // X.itemsize
    j = 0
    while j < n:
        wide = n - j >= 3 * length
        k = 0
        while k < C:
            if LEFT > FOURS and C - k >= 2 * FOURS:
                if wide:
                    _eight_by_three(r, k, m, X, start, j, part)
                else:
                    _eight_by_one(r, k, m, X, start, j, part)
                k += 2 * FOURS
            else:
                if wide:
                    _four_by_three(r, k, m, X, start, j, part)
                else:
                    _four_by_one(r, k, m, X, start, j, part)
                k += FOURS
        j += 3 * length if wide else length
