"""Cyclic coordinate descent on a Gram matrix, compiled; imported only where it is used."""

from __future__ import annotations

import numba  # noqa: TID253 - this module is loaded only when Gram needs it
import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.penalties import ElasticNet

from .cholesky import factor_of, solved
from .quadratic import LARGEST_SUPPORT, Quadratic

#: Sweeps between two checks of the gap.
ROUND = 50


@numba.njit(cache=True, nogil=True, forceinline=True)
def distance(slope: float, b: float, l1: float, positive: bool) -> float:
    """Distance to optimality of one coordinate; ``slope`` is that of all smooth terms."""
    if b > 0.0:
        return abs(slope + l1)
    if b < 0.0:
        return abs(slope - l1)
    return max(-slope - l1, 0.0) if positive else max(abs(slope) - l1, 0.0)


@numba.njit(cache=True, nogil=True)
def descend(
    G: Float,
    q: Float,
    b: Float,
    l1: Float,
    l2: Float,
    active: npt.NDArray[np.bool_],
    positive: bool,
    tol: float,
    n_max: int,
) -> int:
    """Sweep until every scaled KKT residual is below ``tol``; return the number of sweeps.

    ``b`` and its gradient ``q = G b - c`` (p,) are changed in place.  The residual of coordinate
    j is divided by the root of its curvature, so its square is twice the gain in objective.
    Sweeps visit the active set: nonzero coordinates and those whose residual was too large; it is
    kept in ``active`` (p,), for an array that is made here takes a quarter of the time to compile.
    """
    n_features = b.size
    n_sweeps = 0
    while n_sweeps < n_max:
        settled = True
        for j in range(n_features):
            h = G[j, j]
            active[j] = False
            if h <= 0.0:
                continue
            h += l2[j]
            wrong = distance(q[j] + l2[j] * b[j], b[j], l1[j], positive) > tol * np.sqrt(h)
            active[j] = wrong or b[j] != 0.0
            settled = settled and not wrong
        if settled:
            break
        while n_sweeps < n_max:
            n_sweeps += 1
            for j in range(n_features):
                if not active[j]:
                    continue
                h = G[j, j] + l2[j]
                target = b[j] * G[j, j] - q[j]
                if target > l1[j]:
                    fresh = (target - l1[j]) / h
                elif target < -l1[j] and not positive:
                    fresh = (target + l1[j]) / h
                else:
                    fresh = 0.0
                change = fresh - b[j]
                if change != 0.0:
                    b[j] = fresh
                    for i in range(n_features):
                        q[i] += change * G[j, i]
            worst = 0.0
            for j in range(n_features):
                if active[j]:
                    h = G[j, j] + l2[j]
                    residual = distance(q[j] + l2[j] * b[j], b[j], l1[j], positive)
                    worst = max(worst, residual / np.sqrt(h))
            if worst <= tol:
                break
    return n_sweeps


def refine(
    G: Float, c: Float, b: Float, l1: Float, l2: Float, positive: bool, n_sweeps: int
) -> Float:
    """Minimise over the support of ``b``, its signs kept: what sweeps do slowly when correlated.

    The objective is quadratic there.  A step that would change a sign ends where the first
    coefficient reaches zero, which leaves the support, and the next step starts from there.
    Never raises the objective by more than rounding.  Takes one step, and more while they cost
    no more than the ``n_sweeps`` sweeps before.
    """
    spent, budget = 0.0, 6.0 * n_sweeps * b.size * np.count_nonzero(b)
    while spent <= budget:
        support = np.flatnonzero(b)
        if not 0 < support.size <= LARGEST_SUPPORT:
            break
        spent += float(support.size) ** 3
        block = G[np.ix_(support, support)]
        step = step_within(block, c, b, support, l1, l2, positive)
        if step is None:
            break
        b, crossed = step
        if not crossed:
            break
    return b


def step_within(
    block: Float, c: Float, b: Float, support: AnyArray, l1: Float, l2: Float, positive: bool
) -> tuple[Float, bool] | None:
    """Step to the minimum over the support, or to where the first coefficient reaches zero.

    Returns coefficients and whether one did; None where rounding leaves no descent.  ``block``
    holds the rows and columns of G of the support.
    """
    held = b[support]
    kept = (l1[support] > 0) | positive
    move = _newton(block, c[support], held, l1[support], l2[support])
    if move is None:
        return None
    crossing = kept & (held * (held + move) < 0)
    reach = np.divide(-held, move, out=np.ones_like(held), where=crossing)
    length = float(reach.min(initial=1.0))
    moved = held + length * move
    moved[crossing & (reach <= length)] = 0.0
    found = np.zeros_like(b)
    found[support] = moved
    return found, bool(crossing.any())


def _newton(block: Float, c: Float, held: Float, l1: Float, l2: Float) -> Float | None:
    """Step to the minimum for fixed signs; None where rounding leaves no descent."""
    slope = block @ held - c + l2 * held + l1 * np.sign(held)
    # More columns than rows make the block singular: a touch of ridge keeps a descent direction.
    diagonal = block.diagonal()
    block = block.copy()
    block.flat[:: held.size + 1] = diagonal + (l2 + 1e-15 * held.size * float(diagonal.max()))
    try:
        move = -solved(factor_of(block, overwrite=True), slope)
    except np.linalg.LinAlgError:
        return None
    return move if np.isfinite(move).all() and slope @ move < 0 else None


def solve_one(
    model: Quadratic, penalty: ElasticNet, b: Float, target: float, max_sweeps: int
) -> tuple[Float, int]:
    """One problem; the tolerance of the residuals is tightened until the gap is small enough."""
    G, c = model.matrix(), np.ascontiguousarray(model.c[:, 0])
    l1, l2 = (
        np.ascontiguousarray(np.broadcast_to(strength[:, 0, 0], b.shape))
        for strength in (penalty.l1, penalty.l2)
    )
    b = np.maximum(b, 0.0) if penalty.positive else b
    unit = np.sqrt(max(float(model.yy[0]), np.finfo(float).tiny))
    tol = max(0.3 * np.sqrt(target), 1e-9 * unit)
    n_sweeps, active = 0, np.empty(b.size, dtype=bool)
    while n_sweeps < max_sweeps:
        allowed = min(ROUND, max_sweeps - n_sweeps)
        b, q = b.copy(), G @ b - c
        used = descend(G, q, b, l1, l2, active, penalty.positive, tol, allowed)
        n_sweeps += max(used, 1)
        b = refine(G, c, b, l1, l2, penalty.positive, used)
        if model.gap(penalty, b[:, None])[0] <= target:
            break
        if used < allowed:
            tol *= 0.1
        if tol < 1e-16 * unit:
            break
    return b, n_sweeps
