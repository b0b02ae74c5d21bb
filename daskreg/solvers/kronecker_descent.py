"""Coordinate descent on a Kronecker product, compiled; imported only where it is used."""

from __future__ import annotations

import numba  # noqa: TID253 - this module is loaded only when coupled outputs need it
import numpy as np
import numpy.typing as npt

from daskreg._typing import Float

from .coordinate_descent import distance


@numba.njit(cache=True, nogil=True)
def _slope(
    j: int, c: int, slope: Float, W: Float, U: Float, image: Float, low: Float, q: int
) -> float:
    """Gradient of the quadratic by coordinate (j, c)."""
    total = slope[j, c]
    for d in range(q):
        total += image[d, j] * W[d, c]
    row = j * q + c
    for i in range(low.size):
        total += U[row, i] * low[i]
    return total


@numba.njit(cache=True, nogil=True)
def descend(
    G: Float,
    W: Float,
    U: Float,
    towards: Float,
    diagonal: Float,
    image: Float,
    low: Float,
    x: Float,
    slope: Float,
    l1: Float,
    l2: Float,
    free: npt.NDArray[np.bool_],
    positive: bool,
    tol: float,
    n_max: int,
) -> int:
    """Sweep until every scaled residual is below ``tol``; return the number of sweeps.

    The quadratic is ``slope'(x - b) + (x - b)'(G kron W + U M U')(x - b) / 2``.  What changes with
    x is changed in place: x itself (m, q), ``image = (G (x - b))'`` (q, m) and
    ``low = M U'(x - b)`` (r,).  ``towards`` is ``U M``.  Sweeps visit the active set as in
    ``coordinate_descent.descend``; one costs m + r + q multiplications per coordinate.
    """
    m, q = x.shape
    active = np.zeros((m, q), dtype=np.bool_)
    n_sweeps = 0
    while n_sweeps < n_max:
        settled = True
        for j in range(m):
            for c in range(q):
                if not free[j, c]:
                    continue
                h = diagonal[j, c] + l2[j, c]
                s = _slope(j, c, slope, W, U, image, low, q) + l2[j, c] * x[j, c]
                wrong = distance(s, x[j, c], l1[j, c], positive) > tol * np.sqrt(h)
                active[j, c] = wrong or x[j, c] != 0.0
                settled = settled and not wrong
        if settled:
            break
        while n_sweeps < n_max:
            n_sweeps += 1
            worst = 0.0
            for j in range(m):
                for c in range(q):
                    if not active[j, c]:
                        continue
                    h = diagonal[j, c]
                    s = _slope(j, c, slope, W, U, image, low, q)
                    away = distance(s + l2[j, c] * x[j, c], x[j, c], l1[j, c], positive)
                    worst = max(worst, away / np.sqrt(h + l2[j, c]))
                    target = h * x[j, c] - s
                    if target > l1[j, c]:
                        fresh = (target - l1[j, c]) / (h + l2[j, c])
                    elif target < -l1[j, c] and not positive:
                        fresh = (target + l1[j, c]) / (h + l2[j, c])
                    else:
                        fresh = 0.0
                    change = fresh - x[j, c]
                    if change != 0.0:
                        x[j, c] = fresh
                        for i in range(m):
                            image[c, i] += change * G[j, i]
                        row = j * q + c
                        for i in range(low.size):
                            low[i] += change * towards[row, i]
            if worst <= tol:
                break
    return n_sweeps
