"""Both products of a dense tile with several columns of coefficients, while it is in cache.

Few columns are multiplied in fours here, where BLAS would take longer to arrange the rows than
to multiply them; more of them by BLAS.
"""

from __future__ import annotations

from typing import Any

from daskreg._compiler import compiled
from daskreg._typing import AnyArray, Float

from .dense import ask_for, widen
from .native import add_product, set_product, widest_vectors
from .pointwise import SUMS, residuals


@compiled(inline="always")
def few_products(
    X: AnyArray, start: int, m: int, coef: AnyArray, eta: AnyArray, n_later: int
) -> None:
    """Set ``eta`` to the products of m rows with ``coef`` (C, p), C a multiple of 4.

    Meanwhile ask for ``n_later`` rows after them.
    """
    p = X.shape[1]
    zero = coef.dtype.type(0)
    steps = coef.shape[0] // 4 * m
    for k in range(0, coef.shape[0], 4):
        for e in range(0, m - 1, 2):
            i = start + e
            done = k // 4 * m + e
            ask_for(
                X, start + m + done * n_later // steps, start + m + (done + 2) * n_later // steps
            )
            a0, a1, b0, b1, c0, c1, d0, d1 = zero, zero, zero, zero, zero, zero, zero, zero
            for j in range(p):
                x0, x1 = X[i, j], X[i + 1, j]
                u, v, w, z = coef[k, j], coef[k + 1, j], coef[k + 2, j], coef[k + 3, j]
                a0, a1, b0, b1 = a0 + x0 * u, a1 + x1 * u, b0 + x0 * v, b1 + x1 * v
                c0, c1, d0, d1 = c0 + x0 * w, c1 + x1 * w, d0 + x0 * z, d1 + x1 * z
            eta[k, e], eta[k, e + 1], eta[k + 1, e], eta[k + 1, e + 1] = a0, a1, b0, b1
            eta[k + 2, e], eta[k + 2, e + 1], eta[k + 3, e], eta[k + 3, e + 1] = c0, c1, d0, d1
    for k in range(coef.shape[0] if m % 2 else 0):
        a0 = zero
        for j in range(p):
            a0 += X[start + m - 1, j] * coef[k, j]
        eta[k, m - 1] = a0


@compiled(inline="always")
def add_few(X: AnyArray, start: int, m: int, r: AnyArray, part: AnyArray) -> None:
    """Add the products of ``r`` with m rows to ``part`` (C, p), C a multiple of 4."""
    p = X.shape[1]
    for k in range(0, part.shape[0], 4):
        for e in range(0, m - 3, 4):
            i = start + e
            a0, a1, a2, a3 = r[k, e], r[k, e + 1], r[k, e + 2], r[k, e + 3]
            b0, b1, b2, b3 = r[k + 1, e], r[k + 1, e + 1], r[k + 1, e + 2], r[k + 1, e + 3]
            c0, c1, c2, c3 = r[k + 2, e], r[k + 2, e + 1], r[k + 2, e + 2], r[k + 2, e + 3]
            d0, d1, d2, d3 = r[k + 3, e], r[k + 3, e + 1], r[k + 3, e + 2], r[k + 3, e + 3]
            for j in range(p):
                x0, x1, x2, x3 = X[i, j], X[i + 1, j], X[i + 2, j], X[i + 3, j]
                part[k, j] += (a0 * x0 + a1 * x1) + (a2 * x2 + a3 * x3)
                part[k + 1, j] += (b0 * x0 + b1 * x1) + (b2 * x2 + b3 * x3)
                part[k + 2, j] += (c0 * x0 + c1 * x1) + (c2 * x2 + c3 * x3)
                part[k + 3, j] += (d0 * x0 + d1 * x1) + (d2 * x2 + d3 * x3)
        for e in range(m // 4 * 4, m):
            a0, b0, c0, d0 = r[k, e], r[k + 1, e], r[k + 2, e], r[k + 3, e]
            for j in range(p):
                x0 = X[start + e, j]
                part[k, j] += a0 * x0
                part[k + 1, j] += b0 * x0
                part[k + 2, j] += c0 * x0
                part[k + 3, j] += d0 * x0


@compiled(inline="always")
def products(
    X: AnyArray,
    start: int,
    m: int,
    few: Any,
    routine: Any,
    coef: AnyArray,
    eta: AnyArray,
    n_later: int,
) -> None:
    """Set ``eta`` (C, m or more) to products with ``coef`` (C, p); see :func:`few_products`."""
    n_columns, p = coef.shape
    if few is not None:
        few_products(X, start, m, coef, eta, n_later)
    if routine is not None:
        tile = X[start : start + m]
        set_product(routine, (m, n_columns, p), tile, coef, eta, (p, p, eta.shape[1]))


@compiled(inline="always")
def add_products(
    X: AnyArray, start: int, m: int, few: Any, routine: Any, r: AnyArray, part: AnyArray
) -> None:
    """Add products with ``r`` (C, m or more) to ``part`` (C, p); see :func:`add_few`."""
    n_columns, p = part.shape
    if few is not None:
        add_few(X, start, m, r, part)
    if routine is not None:
        tile = X[start : start + m]
        add_product(routine, (p, n_columns, m), tile, r, part, (p, r.shape[1], p))


@compiled(fastmath=SUMS)
def batch_rows(
    X: Any,
    stored: Any,
    half: Any,
    few: Any,
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
    X : ndarray, shape (m, p), or None
        In the type of ``coef``.
    stored : ndarray, shape (m, p), or None
        X in any type, if it is to be widened or shifted.
    half : bool or None
        See :func:`widen`.
    few : bool or None
        None unless C is a multiple of 4, and its columns are multiplied here.
    routine : int or None
        Address of gemm, which multiplies others.
    coef : ndarray, shape (C, p)
    shift : ndarray, shape (p,)
    intercept, target, y, offset, weight, of_numbers, of_labels
        See :func:`residuals`.
    flush : int
        Tiles whose products may be added up in the type of the products.
    scratch : ndarray, shape (rows, p), or None
        Where a tile of ``stored`` is widened and shifted.
    room : ndarray, shape (C, rows)
        Of any content, for the products of one tile.
    part : ndarray, shape (C, p)
        Zeros, as it is left.
    grad : ndarray, shape (C, p)
    """
    widest_vectors()
    rows = room.shape[1]
    n_rows = y.shape[1]
    waiting = 0
    for start in range(0, n_rows, rows):
        m = rows if rows < n_rows - start else n_rows - start
        if X is not None:
            products(X, start, m, few, routine, coef, room, rows)
        if stored is not None:
            widen(stored[start : start + m], half, shift, scratch)
            products(scratch, 0, m, few, routine, coef, room, 0)
        residuals(room, m, intercept, target, y, offset, weight, start, of_numbers, of_labels)
        if X is not None:
            add_products(X, start, m, few, routine, room, part)
        if stored is not None:
            add_products(scratch, 0, m, few, routine, room, part)
        waiting += 1
        if waiting == flush or start + rows >= n_rows:
            for k in range(part.shape[0]):
                for j in range(part.shape[1]):
                    grad[k, j] += part[k, j]
                    part[k, j] = 0
            waiting = 0
