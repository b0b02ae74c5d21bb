"""Cyclic coordinate descent on few rows instead of their Gram matrix, compiled."""

from __future__ import annotations

import numba  # noqa: TID253 - this module is loaded only when Gram needs it
import numpy as np

from daskreg._typing import AnyArray, Float
from daskreg.penalties import ElasticNet

from .coordinate_descent import LARGEST_SUPPORT, ROUND, distance, step_within
from .factored import Factored
from .quadratic import Quadratic

#: Multiplications of a product of matrices in the time of one that waits for memory.
BLOCKED = 8.0


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _dot(rows: Float, j: int, u: Float) -> float:
    total = 0.0
    for i in range(u.size):
        total += rows[i, j] * u[i]
    return total


@numba.njit(cache=True, nogil=True)
def sweep(
    rows: Float,
    square: Float,
    c: Float,
    u: Float,
    b: Float,
    l1: Float,
    l2: Float,
    positive: bool,
    active: AnyArray,
    tol: float,
    n_max: int,
) -> int:
    """Sweep over some columns until every scaled KKT residual is below ``tol``; return sweeps.

    ``b`` (p,) and ``u = rows b`` (n,) are changed in place.  The residual of a coordinate is that
    which a visit finds there, divided by the root of its curvature.
    """
    n_sweeps = 0
    while n_sweeps < n_max:
        n_sweeps += 1
        worst = 0.0
        for place in range(active.size):
            j = active[place]
            h = square[j] + l2[j]
            q = _dot(rows, j, u) - c[j]
            worst = max(worst, distance(q + l2[j] * b[j], b[j], l1[j], positive) / np.sqrt(h))
            target = b[j] * square[j] - q
            if target > l1[j]:
                fresh = (target - l1[j]) / h
            elif target < -l1[j] and not positive:
                fresh = (target + l1[j]) / h
            else:
                fresh = 0.0
            change = fresh - b[j]
            if change != 0.0:
                b[j] = fresh
                for i in range(u.size):
                    u[i] += change * rows[i, j]
        if worst <= tol:
            break
    return n_sweeps


def solve_one(
    model: Quadratic, penalty: ElasticNet, b: Float, target: float, max_sweeps: int
) -> tuple[Float, int]:
    """Solve one problem on the columns that are in use or violate their condition.

    All columns are looked at between runs of sweeps; the tolerance of the residuals is tightened
    until the gap is small enough.
    """
    assert isinstance(model.G, Factored)
    rows, square, c = model.G.rows, model.G.squares, np.ascontiguousarray(model.c[:, 0])
    l1, l2 = (
        np.ascontiguousarray(np.broadcast_to(strength[:, 0, 0], b.shape))
        for strength in (penalty.l1, penalty.l2)
    )
    b = np.maximum(b, 0.0) if penalty.positive else b.copy()
    unit = np.sqrt(max(float(model.yy[0]), np.finfo(float).tiny))
    curvature = np.sqrt(np.where(square > 0.0, square + l2, np.inf))
    tol = max(0.3 * np.sqrt(target), 1e-9 * unit)
    n_sweeps, saved = 0, 0.0
    while True:
        support = np.flatnonzero(b)
        u = rows[:, support] @ b[support]
        q = rows.T @ u - c
        if model.gap_at(penalty, b[:, None], q[:, None])[0] <= target or n_sweeps >= max_sweeps:
            break
        residual = _residuals(q + l2 * b, b, l1, penalty.positive) / curvature
        worst = float(residual.max(initial=0.0))
        while tol >= worst > 0.0:
            tol *= 0.1
        if tol < 1e-16 * unit or worst == 0.0:
            break
        active = np.flatnonzero((b != 0.0) | (residual > tol))
        active = active[square[active] > 0.0]
        allowed = min(ROUND, max_sweeps - n_sweeps)
        used = sweep(rows, square, c, u, b, l1, l2, penalty.positive, active, tol, allowed)
        n_sweeps += used
        saved += 2.0 * used * len(u) * len(active)
        b, saved = _refined(model.G, c, b, l1, l2, penalty.positive, saved)
    return b, n_sweeps


@numba.njit(cache=True, nogil=True)
def _residuals(slope: Float, b: Float, l1: Float, positive: bool) -> Float:
    """Distance to optimality of all coordinates, shape (p,)."""
    found = np.empty_like(b)
    for j in range(b.size):
        found[j] = distance(slope[j], b[j], l1[j], positive)
    return found


def _refined(
    G: Factored, c: Float, b: Float, l1: Float, l2: Float, positive: bool, saved: float
) -> tuple[Float, float]:
    """Minimise over the support where that costs no more than the sweeps since the last time.

    Returns coefficients and what is left of the multiplications ``saved`` for this.
    """
    while True:
        support = np.flatnonzero(b)
        cost = float(support.size) ** 2 * (len(G.rows) + support.size) / BLOCKED
        if not 0 < support.size <= LARGEST_SUPPORT or cost > saved:
            return b, saved
        saved -= cost
        step = step_within(G.block(support), c, b, support, l1, l2, positive)
        if step is None:
            return b, saved
        b, crossed = step
        if not crossed:
            return b, saved
