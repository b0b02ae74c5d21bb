"""Descent on few rows instead of their Gram matrix: sweeps, and Newton steps on the support."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from daskreg._typing import AnyArray, Float
from daskreg.penalties import ElasticNet

from .budget import called_off
from .factored import Factored, Products
from .factored_sweeps import FactoredProblem, image_of, look_at
from .homotopy import along_path
from .parallel import Both, one_by_one
from .quadratic import LARGEST_SUPPORT, Quadratic
from .support_factor import SupportFactor

#: Sweeps between two looks at all columns, each of which costs as much as some sweeps.
FEWEST, ROUND = 8, 200
#: Looks at the columns that are watched between two at all, and times that columns are dropped
#: between two looks.
LOOKS, DROPS = 6, 8
#: Share of the penalty's strength from which the slope of a column is watched, as it is foreseen.
WATCHED = 0.95
#: Falls of alpha, as multiples of the last one, up to which the next solution is foreseen.
FORESEEN = 4.0
#: Entering columns, as a share of those in use and so many more, that leave a solution near.
NEAR, FEW_NEW = 0.3, 30
#: Share of the tolerance of residuals from which columns enter a Newton step; its square where a
#: problem is alone.
LITTLE = 1e-3
#: Multiplications of a product of matrices in the time of one that waits for memory.
BLOCKED = 8.0
#: Share of the square of the tolerance of residuals, a gap, that a step may leave.
FAR_BELOW = 0.1
#: Share of an objective that is rounding.
ROUNDING = 1e-14
#: Share of the least gap that is progress, and looks without it after which sweeps take over; after
#: as many more, what is left is rounding.
PROGRESS, PATIENCE = 0.9, 10
#: Sweeps after which the path is followed from its beginning, if progress has not ended before.
MANY = ROUND


class Place(NamedTuple):
    """Where a problem has ended: alpha, coefficients, their image and the slopes there."""

    alpha: float
    b: Float
    u: Float
    q: Float


class FactoredDescent:
    """Solves problems of one path, each from the one before: sweeps that find the support, Newton.

    On a support and with its signs the objective is quadratic.  Along a path few columns enter and
    fewer leave, so the factor of its Hessian is kept from one problem to the next.  A problem that
    is ``alone`` goes on beyond its target while a step is near: a round for it would cost more.
    """

    def __init__(self, G: Factored, both: Both = one_by_one, alone: bool = False) -> None:
        self._products = Products(G.rows, both)
        self._alone = alone
        self._factor = SupportFactor(self._products)
        #: Where the last problems have ended, at most two of them.
        self._last: tuple[Place, ...] = ()
        #: Multiplications of sweeps that have not been spent on a factor.
        self._saved = 0.0

    def solve_one(
        self, model: Quadratic, penalty: ElasticNet, b: Float, target: float, max_sweeps: int
    ) -> tuple[Float, int]:
        """Solve one problem on the columns that are in use or violate their condition.

        All columns are looked at between runs of sweeps; the tolerance of the residuals is
        tightened until the gap is small enough.
        """
        one = FactoredProblem.of(model, penalty, b, self._products)
        start = np.maximum(b, 0.0) if penalty.positive else b.copy()
        unit = np.sqrt(max(float(model.yy[0]), np.finfo(float).tiny))
        tol = max(0.3 * np.sqrt(target), 1e-9 * unit)
        least, idle, alpha = np.inf, 0, float(penalty.alpha[0])
        b, u, near = self._begun(one, start, alpha, tol)
        n_sweeps = int(b is not start)  # where a step has been taken already
        little, followed = LITTLE**2 if self._alone else LITTLE, False
        while True:
            q = one.products.with_all(u) - one.c
            gap = float(model.gap_at(penalty, b[:, None], q[:, None])[0])
            reached = gap <= target
            if (reached and not (self._alone and near)) or n_sweeps >= max_sweeps or called_off():
                break
            residual = one.residuals(q, b)
            if reached and not ((b == 0.0) & (residual > little * tol)).any():
                break
            least, idle = (gap, 0) if gap < PROGRESS * least else (least, idle + 1)
            if not followed and (idle >= PATIENCE or n_sweeps >= MANY):
                followed, found = True, along_path(one)
                if found is not None and one.objective(*found) < one.objective(b, u):
                    (b, u), near = found, False
                    continue
            if idle >= 2 * PATIENCE:
                break
            worst = float(residual.max(initial=0.0))
            while tol >= worst > 0.0:
                tol *= 0.1
            if tol < 1e-16 * unit or worst == 0.0:
                break
            # A step costs the same for all that enter, however little they gain.
            entering = (b == 0.0) & (residual > little * tol)
            near = near and entering.sum() <= FEW_NEW + NEAR * np.count_nonzero(b)
            near = near and idle < PATIENCE
            if reached and not near:
                break
            if near:
                signs, used = np.where(entering, -np.sign(q), np.sign(b)), 1
            else:
                active = np.flatnonzero(((b != 0.0) | (residual > tol)) & (one.square > 0.0))
                allowed = ROUND if idle >= PATIENCE else self._worth(one, active)
                used = one.sweeps(u, b, active, tol, min(allowed, max_sweeps - n_sweeps))
                signs = np.sign(b)
            n_sweeps += used
            if near or self._earned(one, b, 4.0 * used * len(u) * len(active)):
                b, u, near = self._settled(one, b, u, q, signs, tol)
        # The image of a step is exact, that of sweeps adds up their rounding.
        self._last = (*self._last[-1:], Place(alpha, b, u, q)) if near else ()
        return b, n_sweeps

    def _begun(
        self, one: FactoredProblem, b: Float, alpha: float, tol: float
    ) -> tuple[Float, Float, bool]:
        """Coefficients, image, and whether steps from the last solution led to them."""
        self._saved = 0.0
        if self._last and np.array_equal(self._last[-1].b, b):
            u, q = self._last[-1].u, self._last[-1].q
        else:
            self._last = ()
            u = image_of(one.products, b)
            if not b.any():
                return b, u, False
            q = one.products.with_all(u) - one.c
        if not self._factor.suits(one.l2):
            return b, u, False
        there, slope = self._foreseen(one, b, q, alpha)
        signs = np.where(there * b > 0.0, np.sign(b), 0.0)
        entering = (b == 0.0) & (one.residuals(slope, b) > 0.0)
        if self._are_few(entering, b):
            signs[entering] = -np.sign(slope[entering])
        return self._settled(one, b, u, slope, signs, tol)

    def _foreseen(
        self, one: FactoredProblem, b: Float, q: Float, alpha: float
    ) -> tuple[Float, Float]:
        """Coefficients and slopes where the last two solutions lead: a path is a chain of lines."""
        if len(self._last) < 2:
            return b, q
        earlier, last = self._last
        if not 0.0 < last.alpha - alpha < FORESEEN * (earlier.alpha - last.alpha):
            return b, q
        further = (last.alpha - alpha) / (earlier.alpha - last.alpha)
        return b + further * (b - earlier.b), q + further * (q - earlier.q)

    def _are_few(self, entering: AnyArray, b: Float) -> bool:
        return bool(np.count_nonzero(entering) <= FEW_NEW + NEAR * np.count_nonzero(b))

    def _settled(
        self, one: FactoredProblem, b: Float, u: Float, q: Float, signs: Float, tol: float
    ) -> tuple[Float, Float, bool]:
        """Take steps until no column violates its condition that was near to it before.

        ``q`` are slopes of all columns at some other point, or foreseen: most are far from what
        would let them enter, and to look at the others alone takes less time.  Also say whether
        all steps descended.
        """
        q, watched = q.copy(), (b != 0.0) | (np.abs(q) >= WATCHED * one.l1)
        for _ in range(LOOKS):
            if not 0 < np.count_nonzero(signs) <= LARGEST_SUPPORT:
                break
            found = newton_step(self._factor, one, signs, one.objective(b, u), tol)
            if found is None:
                return b, u, False
            b, u = found
            others = np.flatnonzero(watched & (b == 0.0))
            look_at(one, u, others, q)
            entering = others[one.residuals(q, b, others) > LITTLE * tol]
            if not len(entering) or not self._are_few(entering, b):
                break
            signs = np.sign(b)
            signs[entering] = -np.sign(q[entering])
        return b, u, True

    def _earned(self, one: FactoredProblem, b: Float, swept: float) -> bool:
        """Whether a factor costs no more than the multiplications of sweeps since the last one."""
        self._saved += swept
        cost = self._cost(one, np.flatnonzero(b))
        if cost > self._saved:
            return False
        self._saved -= cost
        return True

    def _cost(self, one: FactoredProblem, support: AnyArray) -> float:
        """Multiplications of sweeps in the time that a factor of a support takes."""
        size, new = len(support), self._factor.missing(support, one.l2)
        return float(new) * size * (len(one.products.rows) + size / 3) / BLOCKED

    def _worth(self, one: FactoredProblem, active: AnyArray) -> int:
        """Sweeps over these columns that cost as much as a factor of them."""
        sweep_cost = 4.0 * len(one.products.rows) * max(len(active), 1)
        return int(np.clip(self._cost(one, active) / sweep_cost, FEWEST, ROUND))


def newton_step(
    factor: SupportFactor, one: FactoredProblem, signs: Float, least: float, tol: float
) -> tuple[Float, Float] | None:
    """Go to the minimum over the columns that have a sign, less those that would change it.

    There the slopes of the columns in use are ``-l2 b - l1 signs``, but for what costs a gap far
    below the square of ``tol``, the tolerance of residuals.

    Returns
    -------
    (b, u) or None
        None where that does not descend below ``least``: signs are far from those of the solution,
        or rounding is all that is left.
    """
    support = np.flatnonzero(signs)
    try:
        places = factor.cover(support, one.l2)
    except np.linalg.LinAlgError:
        return None
    sign, l1 = signs[support], one.l1[support]
    signed, right = (l1 > 0.0) | one.positive, one.c[support] - l1 * sign
    kept = np.ones(len(support), dtype=bool)
    for _ in range(DROPS):
        moved = factor.solve(places[kept], right[kept])
        crossing = signed[kept] & (sign[kept] * moved < 0.0)
        if not crossing.any():
            break
        kept[np.flatnonzero(kept)[crossing]] = False
        if not kept.any():
            return None
    else:
        return None
    lifted = factor.lifted(places[kept], moved)
    if np.abs(lifted).max() * np.abs(moved).sum() > FAR_BELOW * tol**2:
        moved += factor.solve(places[kept], lifted)
    b = np.zeros_like(one.c)
    b[support[kept]] = moved
    u = one.products.combined(support[kept], moved)
    return (b, u) if one.objective(b, u) <= least + ROUNDING * abs(least) else None
