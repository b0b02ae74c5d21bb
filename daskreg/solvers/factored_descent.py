"""Cyclic coordinate descent on few rows instead of their Gram matrix, compiled."""

from __future__ import annotations

from dataclasses import dataclass

import numba  # noqa: TID253 - this module is loaded only when Gram needs it
import numpy as np

from daskreg._typing import AnyArray, Float
from daskreg.penalties import ElasticNet

from .coordinate_descent import LARGEST_SUPPORT, distance, step_within
from .factored import Factored
from .quadratic import Quadratic

#: Sweeps between two looks at all columns, each of which costs as much as some sweeps.
ROUND = 200
#: Multiplications of a product of matrices in the time of one that waits for memory.
BLOCKED = 4.0
#: Steps that an extrapolation is made of.
DEPTH = 5


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
) -> float:
    """Visit some columns once; return the largest scaled KKT residual that was found there.

    ``b`` (p,) and ``u = rows b`` (n,) are changed in place.  A residual is divided by the root of
    the curvature of its coordinate, so its square is twice the gain in objective.
    """
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
    return worst


@dataclass(frozen=True, eq=False)
class _Model:
    """One problem: ``|rows b|^2 / 2 - c'b`` and its penalty."""

    rows: Float
    square: Float
    c: Float
    l1: Float
    l2: Float
    positive: bool

    def sweeps(self, u: Float, b: Float, active: AnyArray, tol: float, n_max: int) -> int:
        """Sweep over some columns until their residuals are below ``tol``; return the sweeps.

        Every few sweeps the point that their steps lead to is taken, if it is better: Anderson
        acceleration, which costs no product with the rows.
        """
        data = self.rows, self.square, self.c
        penalty = self.l1, self.l2, self.positive
        points, images = np.empty((DEPTH + 1, len(active))), np.empty((DEPTH + 1, len(u)))
        for number in range(n_max):
            place = number % (DEPTH + 1)
            points[place], images[place] = b[active], u
            if place == DEPTH:
                self._extrapolate(points, images, u, b, active)
            if sweep(*data, u, b, *penalty, active) <= tol:
                return number + 1
        return n_max

    def _extrapolate(
        self, points: Float, images: Float, u: Float, b: Float, active: AnyArray
    ) -> None:
        steps = np.diff(points, axis=0)
        products = steps @ steps.T
        products.flat[:: DEPTH + 1] += 1e-12 * np.trace(products)
        try:
            share = np.linalg.solve(products, np.ones(DEPTH))
        except np.linalg.LinAlgError:
            return
        share /= share.sum()
        there, image = share @ points[1:], share @ images[1:]
        if not np.isfinite(there).all() or (self.positive and (there < 0.0).any()):
            return
        if self._objective(there, image, active) < self._objective(points[-1], u, active):
            b[active], u[:] = there, image

    def _objective(self, b: Float, u: Float, active: AnyArray) -> float:
        """Of coefficients of the active columns, the others zero, and ``u = rows b``."""
        ridge = 0.5 * float(self.l2[active] @ np.square(b))
        return float(0.5 * (u @ u) - self.c[active] @ b + self.l1[active] @ np.abs(b)) + ridge


def image_of(rows: Float, b: Float) -> Float:
    """``rows b``, from the columns in use."""
    support = np.flatnonzero(b)
    return np.asarray(rows[:, support] @ b[support])


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
    one = _Model(rows, square, c, l1, l2, penalty.positive)
    n_sweeps, saved = 0, 0.0
    u = image_of(rows, b)
    while True:
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
        used = one.sweeps(u, b, active, tol, allowed)
        n_sweeps += used
        saved += 2.0 * used * len(u) * len(active)
        before = b
        b, saved = _refined(model.G, c, b, l1, l2, penalty.positive, saved)
        u = u if b is before else image_of(rows, b)
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
