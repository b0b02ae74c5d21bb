"""Both products of a dense tile with one column of coefficients, while it is in cache."""

from __future__ import annotations

from typing import Any

import numba  # noqa: TID253 - this package is loaded only for large data
import numpy as np

from daskreg._typing import AnyArray, Float

from .pointwise import SUMS, logistic, squared

#: Moves the exponent of a half precision number to where float32 has it.
HALF_SCALE = np.float32(2.0**112)


@numba.njit(cache=True, nogil=True, forceinline=True)
def widen_half(bits: int) -> np.float32:
    """Return the float32 of the bits of a float16."""
    raw = np.uint32(np.uint32(bits & 0x7FFF) << np.uint32(13))
    finite = np.float32(raw.view(np.float32) * HALF_SCALE).view(np.uint32)
    size = finite if raw < np.uint32(0x0F800000) else np.uint32(raw | np.uint32(0x7F800000))
    sign = np.uint32(np.uint32(bits & 0x8000) << np.uint32(16))
    return np.uint32(size | sign).view(np.float32)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def widen(X: AnyArray, half: Any, shift: AnyArray, out: AnyArray) -> None:
    """Copy rows of X, less ``shift`` (p,), to the first rows of ``out``.

    ``half`` is None unless X holds the bits of float16 numbers.
    """
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            if half is None:
                out[i, j] = out.dtype.type(X[i, j]) - shift[j]
            else:
                out[i, j] = widen_half(X[i, j]) - shift[j]


@numba.njit(cache=True, nogil=True, fastmath=SUMS, error_model="numpy")
def row_products(X: AnyArray, coef: AnyArray, eta: AnyArray) -> None:
    """Set ``eta`` (m,) to ``X @ coef``; four rows share each look at the coefficients."""
    m, p = X.shape
    zero = coef.dtype.type(0)
    for i in range(0, m - 3, 4):
        a, b, c, d = zero, zero, zero, zero
        for j in range(p):
            a += X[i, j] * coef[j]
            b += X[i + 1, j] * coef[j]
            c += X[i + 2, j] * coef[j]
            d += X[i + 3, j] * coef[j]
        eta[i], eta[i + 1], eta[i + 2], eta[i + 3] = a, b, c, d
    for i in range(m // 4 * 4, m):
        a = zero
        for j in range(p):
            a += X[i, j] * coef[j]
        eta[i] = a


@numba.njit(cache=True, nogil=True, fastmath=SUMS, error_model="numpy")
def widened_products(
    X: AnyArray, half: Any, shift: AnyArray, coef: AnyArray, out: AnyArray, eta: AnyArray
) -> None:
    """Do the work of :func:`widen` and of :func:`row_products` in one look at X."""
    m, p = X.shape
    zero = coef.dtype.type(0)
    for i in range(0, m - 1, 2):
        a, b = zero, zero
        for j in range(p):
            if half is None:
                u = out.dtype.type(X[i, j]) - shift[j]
                v = out.dtype.type(X[i + 1, j]) - shift[j]
            else:
                u = widen_half(X[i, j]) - shift[j]
                v = widen_half(X[i + 1, j]) - shift[j]
            out[i, j] = u
            out[i + 1, j] = v
            a += u * coef[j]
            b += v * coef[j]
        eta[i], eta[i + 1] = a, b
    if m % 2:
        widen(X[m - 1 :], half, shift, out[m - 1 :])
        row_products(out[m - 1 : m], coef, eta[m - 1 :])


@numba.njit(cache=True, nogil=True, fastmath=SUMS, error_model="numpy")
def add_rows(X: AnyArray, r: AnyArray, part: AnyArray, grad: Float) -> None:
    """Add ``X' r`` of m rows to ``grad`` (p,), float64; ``part`` (p,) holds the sum of the tile."""
    m, p = X.shape
    part[:] = 0
    for i in range(0, m - 3, 4):
        a, b, c, d = r[i], r[i + 1], r[i + 2], r[i + 3]
        for j in range(p):
            part[j] += (a * X[i, j] + b * X[i + 1, j]) + (c * X[i + 2, j] + d * X[i + 3, j])
    for i in range(m // 4 * 4, m):
        for j in range(p):
            part[j] += r[i] * X[i, j]
    for j in range(p):
        grad[j] += part[j]


@numba.njit(cache=True, nogil=True, fastmath=SUMS, error_model="numpy")
def squared_rows(
    X: AnyArray,
    half: Any,
    coef: AnyArray,
    shift: AnyArray,
    intercept: float,
    y: Float,
    offset: Float,
    weight: Float,
    scratch: Any,
    part: AnyArray,
    eta: AnyArray,
    sums: Float,
    grad: Float,
) -> None:
    """Add the sums of one column of coefficients over all rows of X, tile by tile.

    The caller makes the arrays: to compile what makes them takes longer than all runs.

    Parameters
    ----------
    X : ndarray, shape (m, p)
        In the type of ``coef``, or in any other with a ``scratch``.
    half : bool or None
        See :func:`widen`.
    coef, shift : ndarray, shape (p,)
    intercept : float
    y, offset, weight : ndarray, shape (m,)
    scratch : ndarray, shape (rows, p), or None
        Where a tile is widened and shifted.
    part, eta : ndarray, shape (p,) and (rows,)
        Of any content, for the sums and the products of one tile.
    sums : ndarray, shape (2,)
    grad : ndarray, shape (p,)
    """
    rows = eta.size
    for start in range(0, X.shape[0], rows):
        own = slice(start, min(start + rows, X.shape[0]))
        e = eta[: own.stop - start]
        if scratch is None:
            row_products(X[own], coef, e)
            squared(e, intercept, y[own], offset[own], weight[own], sums)
            add_rows(X[own], e, part, grad)
        else:
            tile = scratch[: own.stop - start]
            widened_products(X[own], half, shift, coef, tile, e)
            squared(e, intercept, y[own], offset[own], weight[own], sums)
            add_rows(tile, e, part, grad)


@numba.njit(cache=True, nogil=True, fastmath=SUMS, error_model="numpy")
def logistic_rows(
    X: AnyArray,
    half: Any,
    coef: AnyArray,
    shift: AnyArray,
    intercept: float,
    y: Float,
    offset: Float,
    weight: Float,
    scratch: Any,
    part: AnyArray,
    eta: AnyArray,
    sums: Float,
    grad: Float,
) -> None:
    """Do for labels 0 and 1 what :func:`squared_rows` does for numbers; ``sums`` is (9,)."""
    rows = eta.size
    for start in range(0, X.shape[0], rows):
        own = slice(start, min(start + rows, X.shape[0]))
        e = eta[: own.stop - start]
        if scratch is None:
            row_products(X[own], coef, e)
            logistic(e, intercept, y[own], offset[own], weight[own], sums)
            add_rows(X[own], e, part, grad)
        else:
            tile = scratch[: own.stop - start]
            widened_products(X[own], half, shift, coef, tile, e)
            logistic(e, intercept, y[own], offset[own], weight[own], sums)
            add_rows(tile, e, part, grad)
