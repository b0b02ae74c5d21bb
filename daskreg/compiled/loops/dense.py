"""Both products of a dense tile with one column of coefficients, while it is in cache.

To compile takes longer than a small fit.  Parts that one loop alone is made of are therefore
inlined before types are known, ``inline="always"``: what is compiled on its own is optimised once
by itself and once more where it is called.  And a choice is an array that is there or is None, one
test for each: only such a test is decided before its branch is compiled, and only if it is None.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import overload  # noqa: TID253 - as the compiler

from daskreg._typing import AnyArray, Float

from .compiler import compiled
from .native import widest_vectors
from .pointwise import SUMS, logistic, squared

#: Moves the exponent of a half precision number to where float32 has it.
HALF_SCALE = np.float32(2.0**112)


@compiled(forceinline=True)
def widen_half(bits: int) -> np.float32:
    """Return the float32 of the bits of a float16."""
    raw = np.uint32(np.uint32(bits & 0x7FFF) << np.uint32(13))
    finite = np.float32(raw.view(np.float32) * HALF_SCALE).view(np.uint32)
    size = finite if raw < np.uint32(0x0F800000) else np.uint32(raw | np.uint32(0x7F800000))
    sign = np.uint32(np.uint32(bits & 0x8000) << np.uint32(16))
    return np.uint32(size | sign).view(np.float32)


@compiled(forceinline=True)
def widen_brain(bits: int) -> np.float32:
    """Return the float32 of the bits of a bfloat16: its upper ones."""
    return np.uint32(np.uint32(bits & 0xFFFF) << np.uint32(16)).view(np.float32)


def widen_bits(bits: Any) -> np.float32:
    """Return the float32 of the bits of a float16, unsigned, or of a bfloat16, signed."""
    raise NotImplementedError("compiled loops call this")


@overload(widen_bits, strict=False)
def _widen_bits(bits: Any) -> Any:
    if bits.signed:
        return lambda bits: widen_brain(bits)
    return lambda bits: widen_half(bits)


@compiled(inline="always")
def widen(X: AnyArray, half: Any, shift: Any, out: AnyArray) -> None:
    """Copy rows of X, less ``shift`` (p,) if there is one, to the first rows of ``out``.

    ``half`` is None unless X holds the bits of short floats.
    """
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            u = out.dtype.type(X[i, j]) if half is None else widen_bits(X[i, j])
            out[i, j] = u if shift is None else u - shift[j]


@compiled(inline="always")
def row_products(X: AnyArray, start: int, m: int, coef: AnyArray, eta: AnyArray) -> None:
    """Set ``eta`` to the products of m rows.

    Eight rows share each look at the coefficients.  The last row fills up the last eight: a loop
    for what is left takes as long to compile as this one.
    """
    zero = coef.dtype.type(0)
    last = m - 1
    for k in range(0, m, 8):
        k1 = k + 1 if k + 1 < m else last
        k2 = k + 2 if k + 2 < m else last
        k3 = k + 3 if k + 3 < m else last
        k4 = k + 4 if k + 4 < m else last
        k5 = k + 5 if k + 5 < m else last
        k6 = k + 6 if k + 6 < m else last
        k7 = k + 7 if k + 7 < m else last
        i0, i1, i2, i3 = (
            np.uint64(start + k),
            np.uint64(start + k1),
            np.uint64(start + k2),
            np.uint64(start + k3),
        )
        i4, i5, i6, i7 = (
            np.uint64(start + k4),
            np.uint64(start + k5),
            np.uint64(start + k6),
            np.uint64(start + k7),
        )
        a, b, c, d, e, f, g, h = zero, zero, zero, zero, zero, zero, zero, zero
        for j in range(np.uint64(X.shape[1])):
            u = coef[j]
            a, b, c, d = a + X[i0, j] * u, b + X[i1, j] * u, c + X[i2, j] * u, d + X[i3, j] * u
            e, f, g, h = e + X[i4, j] * u, f + X[i5, j] * u, g + X[i6, j] * u, h + X[i7, j] * u
        eta[k], eta[k1], eta[k2], eta[k3] = a, b, c, d
        eta[k4], eta[k5], eta[k6], eta[k7] = e, f, g, h


@compiled(inline="always")
def add_rows(X: AnyArray, start: int, m: int, r: AnyArray, part: AnyArray) -> None:
    """Add ``X' r`` of m rows to ``part``; the last row fills up the last four, times zero."""
    zero = part.dtype.type(0)
    last = start + m - 1
    for k in range(0, m, 4):
        i = start + k
        i0, i1 = np.uint64(i), np.uint64(i + 1 if i < last else last)
        i2, i3 = (
            np.uint64(i + 2 if i + 1 < last else last),
            np.uint64(i + 3 if i + 2 < last else last),
        )
        a, b = r[k], r[k + 1] if k + 1 < m else zero
        c, d = r[k + 2] if k + 2 < m else zero, r[k + 3] if k + 3 < m else zero
        for j in range(np.uint64(part.size)):
            part[j] += (a * X[i0, j] + b * X[i1, j]) + (c * X[i2, j] + d * X[i3, j])


@compiled(fastmath=SUMS)
def lone_rows(
    X: Any,
    stored: Any,
    half: Any,
    coef: AnyArray,
    shift: Any,
    intercept: float,
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
    """Add the sums of one column of coefficients over all rows of X, tile by tile.

    The caller makes the arrays: to compile what makes them takes longer than all runs.

    Parameters
    ----------
    X : ndarray, shape (m, p), or None
        In the type of ``coef``.
    stored : ndarray, shape (m, p), or None
        X in any type, if it is to be widened or shifted.
    half : bool or None
        See :func:`widen`.
    coef : ndarray, shape (p,)
    shift : ndarray, shape (p,), or None
    intercept : float
    y : ndarray, shape (m,)
    offset, weight : ndarray, shape (m,) or of one tile
        Of one tile: the same for every tile.
    flush : int
        Tiles whose products may be added up in the type of the products.
    scratch : ndarray, shape (rows, p), or None
        Where a tile of ``stored`` is widened and shifted.
    room : ndarray, shape (rows,)
        Of any content, for the products of one tile.
    part : ndarray, shape (p,)
        Zeros, as it is left.
    of_numbers : ndarray, shape (2,), or None
        Sums of a squared loss.
    of_labels : ndarray, shape (9,), or None
        Sums of a logistic loss.
    grad : ndarray, shape (p,)
    """
    widest_vectors()
    rows = room.size
    waiting = 0
    for start in range(0, y.size, rows):
        m = rows if rows < y.size - start else y.size - start
        at = start if offset.size == y.size else 0
        own = start if weight.size == y.size else 0
        if X is not None:
            row_products(X, start, m, coef, room)
        if stored is not None:
            widen(stored[start : start + m], half, shift, scratch)
            row_products(scratch, 0, m, coef, room)
        if of_numbers is not None:
            squared(room, m, intercept, y, start, offset, at, weight, own, of_numbers)
        if of_labels is not None:
            logistic(room, m, intercept, y, start, offset, at, weight, own, of_labels)
        if X is not None:
            add_rows(X, start, m, room, part)
        if stored is not None:
            add_rows(scratch, 0, m, room, part)
        waiting += 1
        if waiting == flush or start + rows >= y.size:
            for j in range(part.size):
                grad[j] += part[j]
                part[j] = 0
            waiting = 0
