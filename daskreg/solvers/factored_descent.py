"""Cyclic coordinate descent on few rows instead of their Gram matrix, compiled."""

from __future__ import annotations

from dataclasses import dataclass

import numba  # noqa: TID253 - this module is loaded only when Gram needs it
import numpy as np

from daskreg._typing import AnyArray, Float
from daskreg.penalties import ElasticNet

from .coordinate_descent import LARGEST_SUPPORT, distance
from .factored import Factored
from .quadratic import Quadratic
from .support_factor import SupportFactor

#: Sweeps between two looks at all columns, each of which costs as much as some sweeps.
FEWEST, ROUND = 8, 200
#: Newton steps between two looks at all columns.
STEPS = 3
#: Entering columns, as a share of those in use and so many more, that leave a solution near.
NEAR, FEW_NEW = 0.3, 30
#: Share of the tolerance of residuals from which columns enter a Newton step.
LITTLE = 1e-3
#: Multiplications of a product of matrices in the time of one that waits for memory.
BLOCKED = 8.0
#: Shares of a Newton step that are tried where signs change.
LENGTHS = (1.0, 0.5, 0.25)
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

    @classmethod
    def of(cls, model: Quadratic, penalty: ElasticNet, b: Float) -> _Model:
        assert isinstance(model.G, Factored)
        l1, l2 = (
            np.ascontiguousarray(np.broadcast_to(strength[:, 0, 0], b.shape))
            for strength in (penalty.l1, penalty.l2)
        )
        c = np.ascontiguousarray(model.c[:, 0])
        return cls(model.G.rows, model.G.squares, c, l1, l2, penalty.positive)

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
    # Transposed, columns are copied whole.
    return np.asarray(b[support] @ rows.T[support])


class FactoredDescent:
    """Solves problems of one path, each from the one before: sweeps that find the support, Newton.

    On a support and with its signs the objective is quadratic.  Along a path few columns enter and
    fewer leave, so the factor of its Hessian is kept from one problem to the next.
    """

    def __init__(self, G: Factored) -> None:
        self._factor = SupportFactor(G.rows)
        #: Where the last problem has ended: coefficients and their image.
        self._last: tuple[Float, Float] | None = None

    def solve_one(
        self, model: Quadratic, penalty: ElasticNet, b: Float, target: float, max_sweeps: int
    ) -> tuple[Float, int]:
        """Solve one problem on the columns that are in use or violate their condition.

        All columns are looked at between runs of sweeps; the tolerance of the residuals is
        tightened until the gap is small enough.
        """
        one = _Model.of(model, penalty, b)
        b = np.maximum(b, 0.0) if penalty.positive else b.copy()
        unit = np.sqrt(max(float(model.yy[0]), np.finfo(float).tiny))
        curvature = np.sqrt(np.where(one.square > 0.0, one.square + one.l2, np.inf))
        tol = max(0.3 * np.sqrt(target), 1e-9 * unit)
        n_sweeps, saved, near = 0, 0.0, self._factor.suits(one.l2)
        known = self._last is not None and np.array_equal(self._last[0], b)
        u = self._last[1] if self._last is not None and known else image_of(one.rows, b)
        if near:
            b, u, near = self._refined(one, b, u, np.sign(b))
        while True:
            q = one.rows.T @ u - one.c
            gap = model.gap_at(penalty, b[:, None], q[:, None])[0]
            if gap <= target or n_sweeps >= max_sweeps:
                break
            residual = _residuals(q + one.l2 * b, b, one.l1, one.positive) / curvature
            worst = float(residual.max(initial=0.0))
            while tol >= worst > 0.0:
                tol *= 0.1
            if tol < 1e-16 * unit or worst == 0.0:
                break
            signs = np.sign(b)
            # A step costs the same for all that enter, however little they gain.
            entering = (b == 0.0) & (residual > LITTLE * tol)
            near = near and entering.sum() <= FEW_NEW + NEAR * np.count_nonzero(b)
            if near:
                signs[entering] = -np.sign(q[entering])
                n_sweeps += 1
            else:
                active = np.flatnonzero((b != 0.0) | (residual > tol))
                active = active[one.square[active] > 0.0]
                allowed = min(self._worth(one, active), max_sweeps - n_sweeps)
                used = one.sweeps(u, b, active, tol, allowed)
                n_sweeps, saved = n_sweeps + used, saved + 4.0 * used * len(u) * len(active)
                signs, cost = np.sign(b), self._cost(one, np.flatnonzero(b))
                if cost > saved:
                    continue
                saved -= cost
            b, u, near = self._refined(one, b, u, signs)
        self._last = b, u
        return b, n_sweeps

    def _cost(self, one: _Model, support: AnyArray) -> float:
        """Multiplications of sweeps in the time that a factor of a support takes."""
        size, new = len(support), self._factor.missing(support, one.l2)
        return float(new) * size * (len(one.rows) + size / 3) / BLOCKED

    def _worth(self, one: _Model, active: AnyArray) -> int:
        """Sweeps over these columns that cost as much as a factor of them."""
        sweep_cost = 4.0 * len(one.rows) * max(len(active), 1)
        return int(np.clip(self._cost(one, active) / sweep_cost, FEWEST, ROUND))

    def _refined(self, one: _Model, b: Float, u: Float, signs: Float) -> tuple[Float, Float, bool]:
        """Take Newton steps until no sign is in the way; also say whether that came about."""
        for _ in range(STEPS):
            if not 0 < np.count_nonzero(signs) <= LARGEST_SUPPORT:
                break
            step = newton_step(self._factor, one, b, u, signs)
            if step is None:
                return b, u, False
            b, u, crossed, near = step
            if not crossed or not near:
                return b, u, near
            signs = np.sign(b)
        return b, u, True


@numba.njit(cache=True, nogil=True)
def _residuals(slope: Float, b: Float, l1: Float, positive: bool) -> Float:
    """Distance to optimality of all coordinates, shape (p,)."""
    found = np.empty_like(b)
    for j in range(b.size):
        found[j] = distance(slope[j], b[j], l1[j], positive)
    return found


def newton_step(
    factor: SupportFactor, one: _Model, b: Float, u: Float, signs: Float
) -> tuple[Float, Float, bool, bool] | None:
    """Step to the minimum over the columns that have a sign, each of which is kept.

    Coefficients that would have the other one become zero, all of them where that is better than
    to stop at the first.

    Returns
    -------
    (b, u, crossed, near) or None
        Whether some would, and whether all of them could be dropped; None where rounding leaves
        no descent.
    """
    support = np.flatnonzero(signs)
    try:
        places = factor.cover(support, one.l2)
    except np.linalg.LinAlgError:
        return None
    columns, held, sign = factor.columns, b[support], signs[support]
    l1, l2 = one.l1[support], one.l2[support]
    slope = (u @ columns)[places] - one.c[support] + l2 * held + l1 * sign
    move = -factor.solve(places, slope)
    fall = float(slope @ move)
    if not np.isfinite(move).all() or fall >= 0.0:
        return None

    def image(moved: Float) -> Float:
        spread = np.zeros(columns.shape[1])
        spread[places] = moved
        return np.asarray(columns @ spread)

    signed, near = (l1 > 0.0) | one.positive, True
    moved = held + move
    crossing = signed & (sign * moved < 0.0)
    if crossing.any():
        reach = np.divide(-held, move, out=np.ones_like(held), where=crossing)
        first = float(reach.min())
        for length in LENGTHS:
            moved = held + length * move
            moved[signed & (sign * moved < 0.0)] = 0.0
            step = moved - held
            change = image(step)
            gained = float(slope @ step + 0.5 * (change @ change + l2 @ np.square(step)))
            near = gained <= fall * first * (1.0 - 0.5 * first) and gained < 0.0
            if near:
                break
        else:
            moved = held + first * move
            moved[crossing & (reach <= first)] = 0.0
    found = np.zeros_like(b)
    found[support] = moved
    return found, image(moved), bool(crossing.any()), near
