"""Both products of a dense tile with several columns of coefficients, while it is in cache."""

from __future__ import annotations

from typing import Any

from daskreg._typing import AnyArray, Float

from .compiler import compiled
from .dense import widen
from .native import add_gemm, set_gemm, widest_vectors
from .pointwise import SUMS, residuals
from .products import add_products, set_products


@compiled(inline="always")
def _set_products(
    X: AnyArray, start: int, m: int, routine: Any, coef: AnyArray, eta: AnyArray
) -> None:
    if routine is None:
        set_products(X, start, m, coef, eta)
    if routine is not None:
        C, n = coef.shape
        set_gemm(routine, (m, C, n), X[start : start + m], coef, eta, (n, n, eta.shape[1]))


@compiled(inline="always")
def _add_products(
    X: AnyArray, start: int, m: int, routine: Any, r: AnyArray, part: AnyArray
) -> None:
    if routine is None:
        add_products(X, start, m, r, part)
    if routine is not None:
        C, n = part.shape
        add_gemm(routine, (n, C, m), X[start : start + m], r, part, (n, r.shape[1], n))


@compiled(fastmath=SUMS)
def batch_rows(
    X: Any,
    stored: Any,
    half: Any,
    routine: Any,
    coef: AnyArray,
    shift: AnyArray,
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
    """Add the sums of several columns of coefficients over all rows of X, tile by tile.

    Parameters
    ----------
    X : ndarray, shape (m, n), or None
        In the type of ``coef``.
    stored : ndarray, shape (m, p), or None
        X in any type, if it is to be widened or shifted.
    half : bool or None
        See :func:`widen`.
    routine : int or None
        Address of gemm; None: products are made in registers.
    coef : ndarray, shape (C, n)
        In registers C and n are as :func:`add_products` needs them; zeros fill them up.
    shift : ndarray, shape (p,)
    intercept, target, y, offset, weight, of_numbers, of_labels
        See :func:`residuals`.
    flush : int
        Tiles whose products may be added up in the type of the products.
    scratch : ndarray, shape (rows, n), or None
        Where a tile of ``stored`` is widened and shifted; zeros follow its columns.
    room : ndarray, shape (C, rows)
        Of any content, for the products of one tile; see :func:`set_products`.
    part : ndarray, shape (C, n)
        Zeros, as it is left.
    grad : ndarray, shape (C, n)
    """
    widest_vectors()
    rows = room.shape[1]
    n_rows = y.shape[1]
    waiting = 0
    for start in range(0, n_rows, rows):
        m = rows if rows < n_rows - start else n_rows - start
        if X is not None:
            _set_products(X, start, m, routine, coef, room)
        if stored is not None:
            widen(stored[start : start + m], half, shift, scratch)
            _set_products(scratch, 0, m, routine, coef, room)
        residuals(room, m, intercept, target, y, offset, weight, start, of_numbers, of_labels)
        if X is not None:
            _add_products(X, start, m, routine, room, part)
        if stored is not None:
            _add_products(scratch, 0, m, routine, room, part)
        waiting += 1
        if waiting == flush or start + rows >= n_rows:
            for k in range(part.shape[0]):
                for j in range(part.shape[1]):
                    grad[k, j] += part[k, j]
                    part[k, j] = 0
            waiting = 0
