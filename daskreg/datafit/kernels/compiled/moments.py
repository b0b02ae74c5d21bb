"""Sums of the columns of a tile and of their squares and products with targets, in one look."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._compiler import compiled
from daskreg._typing import AnyArray, Float

from .dense import widen_half
from .native import syrk
from .pointwise import SUMS


@compiled(forceinline=True, no_cpython_wrapper=True)
def _number(stored: float, half: Any) -> float:
    """Return the float64 of what is stored."""
    return np.float64(stored) if half is None else np.float64(widen_half(stored))


@compiled(inline="always")
def _add_piece(
    X: AnyArray,
    start: int,
    stop: int,
    half: Any,
    shift: Float,
    root: Float,
    right: Float,
    first: Float,
    squares: Float,
    cross: Float,
    out: Any,
) -> None:
    """Add the sums of rows ``start : stop``; keep their ``d`` in the first rows of ``out``."""
    p = X.shape[1]
    m = stop - start
    one = cross[0]
    for k in range(0, m - 3, 4):
        i = start + k
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
                out[k, j], out[k + 1, j], out[k + 2, j], out[k + 3, j] = a, b, c, d
    for k in range(m // 4 * 4, m):
        i = start + k
        for j in range(p):
            a = root[i] * (_number(X[i, j], half) - shift[j])
            first[j] += root[i] * a
            squares[j] += a * a
            one[j] += right[0, i] * a
            if out is not None:
                out[k, j] = a
    for t in range(1, right.shape[0]):
        for i in range(start, stop):
            z = right[t, i] * root[i]
            for j in range(p):
                cross[t, j] += z * (_number(X[i, j], half) - shift[j])


@compiled(inline="always")
def _add_upper(part: AnyArray, gram: Float) -> None:
    """Move the upper triangle of ``part`` to ``gram``."""
    for i in range(gram.shape[0]):
        for j in range(i, gram.shape[0]):
            gram[i, j] += part[i, j]
            part[i, j] = 0


@compiled(fastmath=SUMS)
def add_moments(
    X: AnyArray,
    half: Any,
    shift: Float,
    root: Float,
    right: Float,
    first: Float,
    squares: Float,
    cross: Float,
    room: Any,
    routine: Any,
    part: Any,
    gram: Any,
    waiting: int,
    flush: int,
) -> int:
    """Add the sums of ``d = root (X - shift)`` over all rows, and ``d' d``, if it is asked for.

    Rows are taken in pieces, which are multiplied while they are in cache.

    Parameters
    ----------
    X : ndarray, shape (n, p)
    half : bool or None
        None unless X holds the bits of float16 numbers.
    shift : ndarray, shape (p,)
    root : ndarray, shape (n,)
        Square roots of the weights.
    right : ndarray, shape (q, n)
        Targets, q at least 1.
    first, squares : ndarray, shape (p,)
        Sums of ``root d`` and of ``d d``.
    cross : ndarray, shape (q, p)
        Sums of ``right d``.
    room : ndarray, shape (rows, p), or None
        Where d of a piece is left, in the type of the products.
    routine : int or None
        Address of syrk, for the products.
    part, gram : ndarray, shape (p, p), or None
        Upper triangles that products are added to; ``part`` goes to ``gram`` every ``flush`` rows.
    waiting : int
        Rows that are in ``part``.

    Returns
    -------
    int
        Rows that are in ``part`` now.
    """
    rows = X.shape[0]
    if room is not None:
        rows = room.shape[0]
    for start in range(0, X.shape[0], rows):
        stop = start + rows if start + rows < X.shape[0] else X.shape[0]
        _add_piece(X, start, stop, half, shift, root, right, first, squares, cross, room)
        if routine is not None:
            # In the order of Fortran the lower triangle is the upper one here.
            syrk(routine, X.shape[1], stop - start, room, part)
            waiting += stop - start
            if waiting >= flush:
                _add_upper(part, gram)
                waiting = 0
    return waiting


@compiled(fastmath=SUMS)
def wide_moments(
    X: AnyArray,
    half: Any,
    root: Float,
    right: Float,
    early: Float,
    band: int,
    mean: Float,
    m2: Float,
    cross: Float,
) -> None:
    """Set the moments of the columns of all rows, band by band, each of which is read once.

    Parameters
    ----------
    X : ndarray, shape (n, p), C-contiguous
    half, root
        See :func:`add_moments`.
    right : ndarray, shape (q, n)
        Targets times ``root``, q at least 1.
    early : ndarray, shape (n,) or less
        Shares of the first rows in a point inside each column.
    band : int
    mean, m2 : ndarray, shape (p,)
        Weighted means, and sums of weighted squares about them.
    cross : ndarray, shape (q, p)
        Sums of products of the deviations of columns and targets.
    """
    n, p = X.shape
    weight = 0.0
    for i in range(n):
        weight += root[i] * root[i]
    shift, first, square, one = np.empty(band), np.empty(band), np.empty(band), np.empty(band)
    for start in range(0, p, band):
        m = min(band, p - start)
        shift[:], first[:], square[:], one[:] = 0.0, 0.0, 0.0, 0.0
        for i in range(len(early)):
            for j in range(m):
                shift[j] += early[i] * _number(X[i, start + j], half)
        for i in range(0, n - 3, 4):
            r0, r1, r2, r3 = root[i], root[i + 1], root[i + 2], root[i + 3]
            z0, z1, z2, z3 = right[0, i], right[0, i + 1], right[0, i + 2], right[0, i + 3]
            for j in range(m):
                s = shift[j]
                a = r0 * (_number(X[i, start + j], half) - s)
                b = r1 * (_number(X[i + 1, start + j], half) - s)
                c = r2 * (_number(X[i + 2, start + j], half) - s)
                d = r3 * (_number(X[i + 3, start + j], half) - s)
                first[j] += (r0 * a + r1 * b) + (r2 * c + r3 * d)
                square[j] += (a * a + b * b) + (c * c + d * d)
                one[j] += (z0 * a + z1 * b) + (z2 * c + z3 * d)
        for i in range(n // 4 * 4, n):
            for j in range(m):
                a = root[i] * (_number(X[i, start + j], half) - shift[j])
                first[j] += root[i] * a
                square[j] += a * a
                one[j] += right[0, i] * a
        for t in range(right.shape[0]):
            if t:
                one[:] = 0.0
                for i in range(n):
                    z = right[t, i] * root[i]
                    for j in range(m):
                        one[j] += z * (_number(X[i, start + j], half) - shift[j])
            z_first = 0.0
            for i in range(n):
                z_first += root[i] * right[t, i]
            for j in range(m):
                cross[t, start + j] = one[j] - first[j] * z_first / weight
        for j in range(m):
            own = square[j] - first[j] * first[j] / weight
            mean[start + j] = shift[j] + first[j] / weight
            # What overflowed stays NaN, and is refused later.
            m2[start + j] = 0.0 if own <= 0.0 else own
