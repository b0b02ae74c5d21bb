"""Sweeps of coordinate descent over few rows instead of their Gram matrix, compiled."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from daskreg._compiler import compiled
from daskreg._typing import AnyArray, Float
from daskreg.penalties import ElasticNet

from .factored import Factored
from .quadratic import Quadratic
from .sweeps import distances

#: Steps that an extrapolation is made of.
DEPTH = 5
#: What sweeps leave the slopes in: they are not asked for.
NONE = np.empty(0)


@compiled(fastmath={"reassoc", "contract", "nsz"})
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
    slopes: Float,
) -> float:
    """Visit some columns once; return the largest scaled KKT residual that was found there.

    ``b`` (p,) and ``u = rows b`` (n,) are changed in place.  A residual is divided by the root of
    the curvature of its coordinate, so its square is twice the gain in objective.  With ``slopes``
    (p,), empty otherwise, the columns are only looked at: it is set to ``rows'u - c`` there.
    """
    worst = 0.0
    for place in range(active.size):
        j = active[place]
        q = 0.0
        for i in range(u.size):
            q += rows[i, j] * u[i]
        q -= c[j]
        if slopes.size > 0:
            slopes[j] = q
            continue
        h = square[j] + l2[j]
        slope = q + l2[j] * b[j]
        if b[j] > 0.0:
            away = abs(slope + l1[j])
        elif b[j] < 0.0:
            away = abs(slope - l1[j])
        elif positive:
            away = -slope - l1[j]
        else:
            away = abs(slope) - l1[j]
        away /= math.sqrt(h)
        if away > worst:
            worst = away
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
class FactoredProblem:
    """One problem: ``|rows b|^2 / 2 - c'b`` and its penalty."""

    rows: Float
    square: Float
    c: Float
    l1: Float
    l2: Float
    positive: bool

    @classmethod
    def of(cls, model: Quadratic, penalty: ElasticNet, b: Float) -> FactoredProblem:
        assert isinstance(model.G, Factored)
        l1, l2 = (
            np.ascontiguousarray(np.broadcast_to(strength[:, 0, 0], b.shape))
            for strength in (penalty.l1, penalty.l2)
        )
        c = np.ascontiguousarray(model.c[:, 0])
        return cls(model.G.rows, model.G.squares, c, l1, l2, penalty.positive)

    def look_at(self, u: Float, b: Float, members: AnyArray, q: Float) -> None:
        """Set ``q`` at some columns to ``rows'u - c``, column by column."""
        penalty = self.l1, self.l2, self.positive
        sweep(self.rows, self.square, self.c, u, b, *penalty, members, q)

    def residuals(self, q: Float, b: Float, members: AnyArray | slice = slice(None)) -> Float:
        """Scaled KKT residuals of some columns, from ``q = rows'u - c``."""
        b, l2, square = b[members], self.l2[members], self.square[members]
        away = distances(q[members] + l2 * b, b, self.l1[members], self.positive)
        curvature = np.where(square > 0.0, square + l2, np.inf)
        return np.asarray(away / np.sqrt(curvature))

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
            if sweep(*data, u, b, *penalty, active, NONE) <= tol:
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
    # Transposed, columns are copied whole.
    return np.asarray(b[support] @ rows.T[support])
