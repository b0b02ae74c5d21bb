"""Sums of the columns of a tile and of their squares and products with targets, in one look."""

from __future__ import annotations

from typing import Any

import numba  # noqa: TID253 - this package is loaded only for large data
import numpy as np

from daskreg._typing import AnyArray, Float

from .dense import widen_half
from .pointwise import SUMS


@numba.njit(cache=True, nogil=True, forceinline=True)
def _number(stored: float, half: Any) -> float:
    """Return the float64 of what is stored."""
    return np.float64(stored) if half is None else np.float64(widen_half(stored))


@numba.njit(cache=True, nogil=True, fastmath=SUMS, error_model="numpy")
def add_moments(
    X: AnyArray,
    half: Any,
    shift: Float,
    root: Float,
    right: Float,
    first: Float,
    squares: Float,
    cross: Float,
    out: Any,
) -> None:
    """Add the sums of ``d = root (X - shift)`` over the rows of X.

    Parameters
    ----------
    X : ndarray, shape (m, p)
    half : bool or None
        None unless X holds the bits of float16 numbers.
    shift : ndarray, shape (p,)
    root : ndarray, shape (m,)
        Square roots of the weights.
    right : ndarray, shape (q, m)
        Targets, q at least 1.
    first, squares : ndarray, shape (p,)
        Sums of ``root d`` and of ``d d``.
    cross : ndarray, shape (q, p)
        Sums of ``right d``.
    out : ndarray, shape (m, p), or None
        Where d is kept, in its type.
    """
    m, p = X.shape
    one = cross[0]
    for i in range(0, m - 3, 4):
        r0, r1, r2, r3 = root[i], root[i + 1], root[i + 2], root[i + 3]
        z0, z1, z2, z3 = right[0, i], right[0, i + 1], right[0, i + 2], right[0, i + 3]
        for j in range(p):
            s = shift[j]
            a = r0 * (_number(X[i, j], half) - s)
            b = r1 * (_number(X[i + 1, j], half) - s)
            c = r2 * (_number(X[i + 2, j], half) - s)
            d = r3 * (_number(X[i + 3, j], half) - s)
            first[j] += (r0 * a + r1 * b) + (r2 * c + r3 * d)
            squares[j] += (a * a + b * b) + (c * c + d * d)
            one[j] += (z0 * a + z1 * b) + (z2 * c + z3 * d)
            if out is not None:
                out[i, j], out[i + 1, j], out[i + 2, j], out[i + 3, j] = a, b, c, d
    for i in range(m // 4 * 4, m):
        for j in range(p):
            a = root[i] * (_number(X[i, j], half) - shift[j])
            first[j] += root[i] * a
            squares[j] += a * a
            one[j] += right[0, i] * a
            if out is not None:
                out[i, j] = a
    for t in range(1, right.shape[0]):
        for i in range(m):
            z = right[t, i] * root[i]
            for j in range(p):
                cross[t, j] += z * (_number(X[i, j], half) - shift[j])
