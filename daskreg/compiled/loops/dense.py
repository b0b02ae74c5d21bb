"""Both products of a dense tile with columns of coefficients, while it is in cache.

To compile takes longer than a small fit.  Parts that one loop alone is made of are therefore
inlined before types are known, ``inline="always"``: what is compiled on its own is optimised once
by itself and once more where it is called.  And a choice is an array that is there or is None, one
test for each: only such a test is decided before its branch is compiled, and only if it is None.
"""

from __future__ import annotations

from typing import Any

from daskreg._typing import AnyArray, Float

from .column import add_one_column, set_one_column
from .compiler import compiled
from .native import add_gemm, set_gemm, widest_vectors
from .pointwise import SUMS, residuals
from .products import add_columns, set_columns
from .widening import widen


@compiled(inline="always")
def _set_products(
    one: Any, few: Any, routine: Any, X: AnyArray, start: int, m: int, coef: AnyArray, eta: AnyArray
) -> None:
    if one is not None:
        set_one_column(X, start, m, coef, eta)
    if few is not None:
        set_columns(X, start, m, coef, eta)
    if routine is not None:
        C, n = coef.shape
        set_gemm(routine, (m, C, n), X[start : start + m], coef, eta, (n, n, eta.shape[1]))


@compiled(inline="always")
def _add_products(
    one: Any, few: Any, routine: Any, X: AnyArray, start: int, m: int, r: AnyArray, part: AnyArray
) -> None:
    if one is not None:
        add_one_column(X, start, m, r, part)
    if few is not None:
        add_columns(X, start, m, r, part)
    if routine is not None:
        C, n = part.shape
        add_gemm(routine, (n, C, m), X[start : start + m], r, part, (n, r.shape[1], n))


@compiled(fastmath=SUMS)
def dense_rows(
    X: Any,
    stored: Any,
    half: Any,
    one: Any,
    few: Any,
    routine: Any,
    coef: AnyArray,
    shift: Any,
    intercept: Float,
    target: AnyArray,
    y: Float,
    offset: Float,
    weight: Float,
    flush: int,
    scratch: Any,
    room: AnyArray,
    part: AnyArray,
    of_numbers: Any,
    of_labels: Any,
    grad: Float,
) -> None:
    """Add the sums of C columns of coefficients over all rows of X, tile by tile.

    The caller makes the arrays: to compile what makes them takes longer than all runs.

    Parameters
    ----------
    X : ndarray, shape (m, n), or None
        In the type of ``coef``.
    stored : ndarray, shape (m, p), or None
        X in any type and any order, if it is to be widened, shifted or laid out anew.
    half : bool or None
        See :func:`widen`.
    one, few, routine
        What makes the products: not None for one column, see `column`, for few, see `products`, or
        the address of gemm.
    coef : ndarray, shape (C, n)
        C and n as the products need them; zeros fill them up.
    shift : ndarray, shape (p,), or None
    intercept, target, y, offset, weight, of_numbers, of_labels
        See :func:`residuals`.
    flush : int
        Tiles whose products may be added up in the type of the products.
    scratch : ndarray, shape (rows, n), or None
        Where a tile of ``stored`` is widened and shifted; zeros follow its columns.
    room : ndarray, shape (C, rows)
        Of any content, for the products of one tile; as long as these need it.
    part : ndarray, shape (C, n)
        Zeros, as it is left.
    grad : ndarray, shape (C, n)
    """
    widest_vectors()
    rows, n_rows = room.shape[1], y.shape[1]
    waiting = 0
    for start in range(0, n_rows, rows):
        m = rows if rows < n_rows - start else n_rows - start
        if X is not None:
            _set_products(one, few, routine, X, start, m, coef, room)
        if stored is not None:
            widen(stored[start : start + m], half, shift, scratch)
            _set_products(one, few, routine, scratch, 0, m, coef, room)
        residuals(room, m, intercept, target, y, offset, weight, start, of_numbers, of_labels)
        if X is not None:
            _add_products(one, few, routine, X, start, m, room, part)
        if stored is not None:
            _add_products(one, few, routine, scratch, 0, m, room, part)
        waiting += 1
        if waiting == flush or start + rows >= n_rows:
            for k in range(part.shape[0]):
                for j in range(part.shape[1]):
                    grad[k, j] += part[k, j]
                    part[k, j] = 0
            waiting = 0
