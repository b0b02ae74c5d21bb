"""Sweeps of coordinate descent over few rows instead of their Gram matrix.

Not compiled: a product with a column takes longer than to ask for it, sweeps are few beside the
Newton steps that follow them, and the compiler takes more memory than the rest of a fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from daskreg._blas import scipy_blas
from daskreg._typing import AnyArray, Float
from daskreg.penalties import ElasticNet

from .factored import Factored, Products
from .quadratic import Quadratic

#: Steps that an extrapolation is made of.
DEPTH = 5
#: Share of the columns from which a product with all of them takes less time.
MOST = 0.6


def sweep(
    columns: list[Float],
    place: list[int],
    square: Float,
    c: Float,
    u: Float,
    b: Float,
    l1: Float,
    l2: Float,
    positive: bool,
) -> float:
    """Visit some columns once; return the largest scaled KKT residual that was found there.

    ``b`` (p,) and ``u = rows b`` (n,) are changed in place.  A residual is divided by the root of
    the curvature of its coordinate, so its square is twice the gain in objective.
    """
    axpy, worst = scipy_blas().daxpy, 0.0
    # Numbers of Python: those of numpy take longer than the products with short columns.
    held, numbers = b[place].tolist(), (part[place].tolist() for part in (square, c, l1, l2))
    for at, (column, h, target, one, two) in enumerate(zip(columns, *numbers, strict=True)):
        old = held[at]
        q = float(column.dot(u)) - target
        root = sqrt(h + two)
        worst = max(worst, distance(q + two * old, old, one, positive) / root)
        wanted = old * h - q
        if wanted > one:
            fresh = (wanted - one) / (h + two)
        elif wanted < -one and not positive:
            fresh = (wanted + one) / (h + two)
        else:
            fresh = 0.0
        if fresh != old:
            held[at] = fresh
            axpy(column, u, a=fresh - old)
    b[place] = held
    return worst


def distance(slope: float, b: float, l1: float, positive: bool) -> float:
    """Distance to optimality of one coordinate; ``slope`` is that of all smooth terms."""
    if b > 0.0:
        return abs(slope + l1)
    if b < 0.0:
        return abs(slope - l1)
    return max(-slope - l1, 0.0) if positive else max(abs(slope) - l1, 0.0)


@dataclass(frozen=True, eq=False)
class FactoredProblem:
    """One problem: ``|rows b|^2 / 2 - c'b`` and its penalty."""

    products: Products
    square: Float
    c: Float
    l1: Float
    l2: Float
    positive: bool

    @classmethod
    def of(
        cls, model: Quadratic, penalty: ElasticNet, b: Float, products: Products
    ) -> FactoredProblem:
        assert isinstance(model.G, Factored)
        l1, l2 = (
            np.ascontiguousarray(np.broadcast_to(strength[:, 0, 0], b.shape))
            for strength in (penalty.l1, penalty.l2)
        )
        c = np.ascontiguousarray(model.c[:, 0])
        return cls(products, model.G.squares, c, l1, l2, penalty.positive)

    def residuals(self, q: Float, b: Float, members: AnyArray | slice = slice(None)) -> Float:
        """Scaled KKT residuals of some columns, from ``q = rows'u - c``."""
        b, l2, square = b[members], self.l2[members], self.square[members]
        distances = residuals_of(q[members] + l2 * b, b, self.l1[members], self.positive)
        curvature = np.where(square > 0.0, square + l2, np.inf)
        return np.asarray(distances / np.sqrt(curvature))

    def sweeps(self, u: Float, b: Float, active: AnyArray, tol: float, n_max: int) -> int:
        """Sweep over some columns until their residuals are below ``tol``; return the sweeps.

        Every few sweeps the point that their steps lead to is taken, if it is better: Anderson
        acceleration, which costs no product with the rows.
        """
        place = active.tolist()
        columns = [self.products.rows[:, j] for j in place]
        data = columns, place, self.square, self.c
        penalty = self.l1, self.l2, self.positive
        points, images = np.empty((DEPTH + 1, len(active))), np.empty((DEPTH + 1, len(u)))
        for number in range(n_max):
            place = number % (DEPTH + 1)
            points[place], images[place] = b[active], u
            if place == DEPTH:
                self._extrapolate(points, images, u, b, active)
            if sweep(*data, u, b, *penalty) <= tol:
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

    def objective(self, b: Float, u: Float) -> float:
        """Of any coefficients and ``u = rows b``."""
        active = np.flatnonzero(b)
        return self._objective(b[active], u, active)

    def _objective(self, b: Float, u: Float, active: AnyArray) -> float:
        """Of coefficients of the active columns, the others zero, and ``u = rows b``."""
        ridge = 0.5 * float(self.l2[active] @ np.square(b))
        return float(0.5 * (u @ u) - self.c[active] @ b + self.l1[active] @ np.abs(b)) + ridge


def look_at(one: FactoredProblem, u: Float, members: AnyArray, q: Float) -> None:
    """Set ``q`` at some columns to ``rows'u - c``."""
    if len(members) > MOST * len(one.c):
        q[members] = (one.products.with_all(u) - one.c)[members]
        return
    q[members] = one.products.along(members, u) - one.c[members]


def image_of(products: Products, b: Float) -> Float:
    """``rows b``, from the columns in use."""
    support = np.flatnonzero(b)
    return products.combined(support, b[support])


def residuals_of(slope: Float, b: Float, l1: Float, positive: bool) -> Float:
    """Distance to optimality of all coordinates, shape (p,)."""
    resting = -slope - l1 if positive else np.abs(slope) - l1
    return np.where(b == 0.0, np.maximum(resting, 0.0), np.abs(slope + np.copysign(l1, b)))
