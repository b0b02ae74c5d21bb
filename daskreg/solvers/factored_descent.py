"""Descent on few rows instead of their Gram matrix: sweeps, and Newton steps on the support."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from daskreg._typing import AnyArray, Float
from daskreg.penalties import ElasticNet

from .factored import Factored, Products
from .factored_sweeps import FactoredProblem, image_of, look_at
from .parallel import Both, one_by_one
from .quadratic import LARGEST_SUPPORT, Quadratic
from .support_factor import SupportFactor

#: Sweeps between two looks at all columns, each of which costs as much as some sweeps.
FEWEST, ROUND = 8, 200
#: Looks at the columns that are watched between two at all.
LOOKS = 6
#: Share of the penalty's strength from which the slope of a column is watched.
WATCHED = 0.9
#: Entering columns, as a share of those in use and so many more, that leave a solution near.
NEAR, FEW_NEW = 0.3, 30
#: Share of the tolerance of residuals from which columns enter a Newton step.
LITTLE = 1e-3
#: Multiplications of a product of matrices in the time of one that waits for memory.
BLOCKED = 8.0
#: Share of the least gap that is progress, and looks without it after which sweeps take over.
PROGRESS, PATIENCE = 0.9, 10
#: Shares of a Newton step that are tried where signs change.
LENGTHS = (1.0, 0.5, 0.25)


class FactoredDescent:
    """Solves problems of one path, each from the one before: sweeps that find the support, Newton.

    On a support and with its signs the objective is quadratic.  Along a path few columns enter and
    fewer leave, so the factor of its Hessian is kept from one problem to the next.
    """

    def __init__(self, G: Factored, both: Both = one_by_one) -> None:
        self._products = Products(G.rows, both)
        self._factor = SupportFactor(self._products)
        #: Where the last problem has ended: coefficients, their image and the slopes there.
        self._last: tuple[Float, Float, Float] | None = None
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
        b = np.maximum(b, 0.0) if penalty.positive else b.copy()
        unit = np.sqrt(max(float(model.yy[0]), np.finfo(float).tiny))
        tol = max(0.3 * np.sqrt(target), 1e-9 * unit)
        n_sweeps, least, idle = 0, np.inf, 0
        b, u, near = self._begun(one, b, tol)
        while True:
            q = one.products.with_all(u) - one.c
            gap = float(model.gap_at(penalty, b[:, None], q[:, None])[0])
            if gap <= target or n_sweeps >= max_sweeps:
                break
            least, idle = (gap, 0) if gap < PROGRESS * least else (least, idle + 1)
            residual = one.residuals(q, b)
            worst = float(residual.max(initial=0.0))
            while tol >= worst > 0.0:
                tol *= 0.1
            if tol < 1e-16 * unit or worst == 0.0:
                break
            # A step costs the same for all that enter, however little they gain.
            entering = (b == 0.0) & (residual > LITTLE * tol)
            near = near and entering.sum() <= FEW_NEW + NEAR * np.count_nonzero(b)
            near = near and idle < PATIENCE
            if near:
                signs, used = np.where(entering, -np.sign(q), np.sign(b)), 1
            else:
                active = np.flatnonzero(((b != 0.0) | (residual > tol)) & (one.square > 0.0))
                allowed = ROUND if idle >= PATIENCE else self._worth(one, active)
                used = one.sweeps(u, b, active, tol, min(allowed, max_sweeps - n_sweeps))
                signs = np.sign(b)
            n_sweeps += used
            if near:
                b, u, near = self._settled(one, b, u, q, signs, tol)
            elif self._earned(one, b, 4.0 * used * len(u) * len(active)):
                look_at(one, u, np.flatnonzero(b), q)
                b, u, near = self._settled(one, b, u, q, signs, tol)
        # The image of a step is exact, that of sweeps adds up their rounding.
        self._last = (b, u, q) if near else None
        return b, n_sweeps

    def _begun(self, one: FactoredProblem, b: Float, tol: float) -> tuple[Float, Float, bool]:
        """Coefficients, image, and whether a step from the last solution led to them."""
        self._saved = 0.0
        if self._last is not None and np.array_equal(self._last[0], b):
            _, u, q = self._last
        else:
            u = image_of(one.products, b)
            if not self._suits(one) or not b.any():
                return b, u, False
            q = one.products.with_all(u) - one.c
        if not self._suits(one):
            return b, u, False
        return self._settled(one, b, u, q, np.sign(b), tol)

    def _suits(self, one: FactoredProblem) -> bool:
        return self._factor.suits(one.l2)

    def _settled(
        self, one: FactoredProblem, b: Float, u: Float, q: Float, signs: Float, tol: float
    ) -> tuple[Float, Float, bool]:
        """Take steps until no column violates its condition that was near to it before.

        ``q`` are slopes of all columns at some earlier point, those of columns in use here: most
        are far from what would let them enter, and to look at the others alone takes less time.
        Also say whether the last step was the whole one, or left all that it would let cross zero.
        """
        q, watched = q.copy(), np.abs(q) >= WATCHED * one.l1
        for number in range(LOOKS + 1):
            if not 0 < np.count_nonzero(signs) <= LARGEST_SUPPORT:
                return b, u, True
            step = newton_step(self._factor, one, b, q, signs)
            if step is None:
                return b, u, False
            b, u = step.b, step.u
            if not step.near or number == LOOKS:
                return b, u, step.near
            members = np.flatnonzero(watched | (b != 0.0))
            # A whole step leaves no slope to the columns that have taken it.
            look_at(one, u, members if step.crossed else members[b[members] == 0.0], q)
            residual = one.residuals(q, b, members)
            entering = members[(b[members] == 0.0) & (residual > LITTLE * tol)]
            few = len(entering) <= FEW_NEW + NEAR * np.count_nonzero(b)
            if not few or (residual <= LITTLE * tol).all():
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


class Step(NamedTuple):
    """Where a Newton step leads: coefficients, image, whether some would have changed their sign,
    and whether all of these could be dropped."""

    b: Float
    u: Float
    crossed: bool
    near: bool


def newton_step(
    factor: SupportFactor, one: FactoredProblem, b: Float, q: Float, signs: Float
) -> Step | None:
    """Step to the minimum over the columns that have a sign, each of which is kept.

    Coefficients that would have the other one become zero, all of them where that is better than
    to stop at the first.  ``q`` are the slopes ``rows'u - c`` of these columns; after a whole step
    they are those where it leads.  None where rounding leaves no descent.
    """
    support = np.flatnonzero(signs)
    try:
        places = factor.cover(support, one.l2)
    except np.linalg.LinAlgError:
        return None
    held, sign = b[support], signs[support]
    l1, l2 = one.l1[support], one.l2[support]
    slope = q[support] + l2 * held + l1 * sign
    move = -factor.solve(places, slope)
    fall = float(slope @ move)
    if not np.isfinite(move).all() or fall >= 0.0:
        return None

    def image(moved: Float) -> Float:
        return one.products.combined(support, moved)

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
    if not crossing.any():
        q[support] = -(l2 * moved + l1 * sign)
    return Step(found, image(moved), bool(crossing.any()), near)
