"""Both products of a dense tile with several columns of coefficients, while it is in cache.

Few columns are multiplied four by four here, where BLAS would take longer to arrange the rows than
to multiply them; more of them by BLAS.
"""

from __future__ import annotations

from typing import Any

import numba  # noqa: TID253 - this package is loaded only for large data

from daskreg._typing import AnyArray, Float

from .dense import widen
from .native import gemm, gemm_transposed
from .pointwise import SUMS, residuals


@numba.njit(cache=True, nogil=True, fastmath=SUMS, error_model="numpy")
def few_products(X: AnyArray, coef: AnyArray, eta: AnyArray) -> None:
    """Set ``eta`` (C, m) to ``coef @ X.T``; C, the rows of ``coef`` (C, p), is a multiple of 4."""
    m, p = X.shape
    zero = coef.dtype.type(0)
    for k in range(0, coef.shape[0], 4):
        for i in range(0, m - 3, 4):
            a0, a1, a2, a3 = zero, zero, zero, zero
            b0, b1, b2, b3 = zero, zero, zero, zero
            c0, c1, c2, c3 = zero, zero, zero, zero
            d0, d1, d2, d3 = zero, zero, zero, zero
            for j in range(p):
                x0, x1, x2, x3 = X[i, j], X[i + 1, j], X[i + 2, j], X[i + 3, j]
                u = coef[k, j]
                a0, a1, a2, a3 = a0 + x0 * u, a1 + x1 * u, a2 + x2 * u, a3 + x3 * u
                u = coef[k + 1, j]
                b0, b1, b2, b3 = b0 + x0 * u, b1 + x1 * u, b2 + x2 * u, b3 + x3 * u
                u = coef[k + 2, j]
                c0, c1, c2, c3 = c0 + x0 * u, c1 + x1 * u, c2 + x2 * u, c3 + x3 * u
                u = coef[k + 3, j]
                d0, d1, d2, d3 = d0 + x0 * u, d1 + x1 * u, d2 + x2 * u, d3 + x3 * u
            eta[k, i], eta[k, i + 1], eta[k, i + 2], eta[k, i + 3] = a0, a1, a2, a3
            eta[k + 1, i], eta[k + 1, i + 1], eta[k + 1, i + 2], eta[k + 1, i + 3] = b0, b1, b2, b3
            eta[k + 2, i], eta[k + 2, i + 1], eta[k + 2, i + 2], eta[k + 2, i + 3] = c0, c1, c2, c3
            eta[k + 3, i], eta[k + 3, i + 1], eta[k + 3, i + 2], eta[k + 3, i + 3] = d0, d1, d2, d3
        for i in range(m // 4 * 4, m):
            a0, b0, c0, d0 = zero, zero, zero, zero
            for j in range(p):
                x0 = X[i, j]
                a0, b0 = a0 + x0 * coef[k, j], b0 + x0 * coef[k + 1, j]
                c0, d0 = c0 + x0 * coef[k + 2, j], d0 + x0 * coef[k + 3, j]
            eta[k, i], eta[k + 1, i], eta[k + 2, i], eta[k + 3, i] = a0, b0, c0, d0


@numba.njit(cache=True, nogil=True, fastmath=SUMS, error_model="numpy")
def add_few(X: AnyArray, r: AnyArray, part: AnyArray) -> None:
    """Add ``r @ X`` to ``part`` (C, p); C, the rows of ``r`` (C, m), is a multiple of 4."""
    m, p = X.shape
    for k in range(0, part.shape[0], 4):
        for i in range(0, m - 3, 4):
            a0, a1, a2, a3 = r[k, i], r[k, i + 1], r[k, i + 2], r[k, i + 3]
            b0, b1, b2, b3 = r[k + 1, i], r[k + 1, i + 1], r[k + 1, i + 2], r[k + 1, i + 3]
            c0, c1, c2, c3 = r[k + 2, i], r[k + 2, i + 1], r[k + 2, i + 2], r[k + 2, i + 3]
            d0, d1, d2, d3 = r[k + 3, i], r[k + 3, i + 1], r[k + 3, i + 2], r[k + 3, i + 3]
            for j in range(p):
                x0, x1, x2, x3 = X[i, j], X[i + 1, j], X[i + 2, j], X[i + 3, j]
                part[k, j] += (a0 * x0 + a1 * x1) + (a2 * x2 + a3 * x3)
                part[k + 1, j] += (b0 * x0 + b1 * x1) + (b2 * x2 + b3 * x3)
                part[k + 2, j] += (c0 * x0 + c1 * x1) + (c2 * x2 + c3 * x3)
                part[k + 3, j] += (d0 * x0 + d1 * x1) + (d2 * x2 + d3 * x3)
        for i in range(m // 4 * 4, m):
            a0, b0, c0, d0 = r[k, i], r[k + 1, i], r[k + 2, i], r[k + 3, i]
            for j in range(p):
                x0 = X[i, j]
                part[k, j] += a0 * x0
                part[k + 1, j] += b0 * x0
                part[k + 2, j] += c0 * x0
                part[k + 3, j] += d0 * x0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def products(tile: AnyArray, routine: int, coef: AnyArray, eta: AnyArray) -> None:
    """Set ``eta`` (C, m) to ``coef @ tile.T``; ``routine`` is the address of gemm, or zero."""
    n_columns, m = eta.shape
    if routine:
        gemm_transposed(routine, m, n_columns, tile.shape[1], tile, coef, coef.dtype.type(0), eta)
    else:
        few_products(tile, coef, eta)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def add_products(tile: AnyArray, routine: int, r: AnyArray, part: AnyArray) -> None:
    """Add ``r @ tile`` to ``part`` (C, p)."""
    n_columns, m = r.shape
    if routine:
        gemm(routine, tile.shape[1], n_columns, m, tile, r, part.dtype.type(1), part)
    else:
        add_few(tile, r, part)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def batch_rows(
    X: AnyArray,
    half: Any,
    labels: Any,
    routine: int,
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
    sums: Float,
    grad: Float,
) -> None:
    """Add the sums of several columns of coefficients over all rows of X, tile by tile.

    Parameters
    ----------
    X : ndarray, shape (m, p)
        In the type of ``coef``, or in any other with a ``scratch``.
    half : bool or None
        See :func:`widen`.
    labels : bool or None
        None: the loss is squared; else logistic.
    routine : int
        Address of gemm; zero: C is a multiple of 4, and its columns are multiplied here.
    coef : ndarray, shape (C, p)
    shift : ndarray, shape (p,)
    intercept, target, y, offset, weight, sums
        See :func:`residuals`.
    flush : int
        Tiles whose products may be added up in the type of the products.
    scratch : ndarray, shape (rows, p), or None
        Where a tile is widened and shifted.
    room : ndarray, shape (C * rows,)
        Of any content, for the products of one tile.
    part : ndarray, shape (C, p)
        Of any content.
    grad : ndarray, shape (C, p)
    """
    n_columns = coef.shape[0]
    rows = room.size // n_columns
    part[:] = 0
    waiting = 0
    for start in range(0, X.shape[0], rows):
        tile = X[start : start + rows]
        m = tile.shape[0]
        eta = room[: n_columns * m].reshape(n_columns, m)
        if scratch is None:
            products(tile, routine, coef, eta)
            residuals(eta, labels, intercept, target, y, offset, weight, start, sums)
            add_products(tile, routine, eta, part)
        else:
            widen(tile, half, shift, scratch)
            products(scratch[:m], routine, coef, eta)
            residuals(eta, labels, intercept, target, y, offset, weight, start, sums)
            add_products(scratch[:m], routine, eta, part)
        waiting += 1
        if waiting == flush or start + rows >= X.shape[0]:
            for k in range(n_columns):
                for j in range(X.shape[1]):
                    grad[k, j] += part[k, j]
            part[:] = 0
            waiting = 0
