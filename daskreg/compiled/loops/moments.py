"""Sums of the columns of a tile and of their squares and products with targets, in one look."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Float

from .compiler import compiled
from .native import syrk
from .pairs import add_pairs
from .pointwise import SUMS
from .widening import widen_bits


@compiled(forceinline=True)
def _number(stored: float, half: Any) -> float:
    """Return the float64 of what is stored."""
    return np.float64(stored) if half is None else np.float64(widen_bits(stored))


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
        None unless X holds the bits of short floats.
    shift : ndarray, shape (p,)
    root : ndarray, shape (n,)
        Square roots of the weights.
    right : ndarray, shape (q, n)
        Targets, q at least 1.
    first, squares : ndarray, shape (p,)
        Sums of ``root d`` and of ``d d``.
    cross : ndarray, shape (q, p)
        Sums of ``right d``.
    room : ndarray, shape (rows, p or more), or None
        Where d of a piece is left, in the type of the products.
    routine : int or None
        Address of syrk, for the products; None: room and part are for :func:`add_pairs`.
    part, gram : ndarray, shape (p or more, p or more) and (p, p), or None
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
        if part is not None:
            if routine is None:
                add_pairs(room, stop - start, part)
            if routine is not None:
                # In the order of Fortran the lower triangle is the upper one here.
                syrk(routine, X.shape[1], stop - start, room, part)
            waiting += stop - start
            if waiting >= flush:
                _add_upper(part, gram)
                waiting = 0
    return waiting
