"""Cyclic coordinate descent on a Gram matrix, with Newton steps on the support."""

from __future__ import annotations

import numpy as np

from daskreg._array import places
from daskreg._typing import AnyArray, Float
from daskreg.penalties import ElasticNet

from .budget import called_off
from .cholesky import factor_of, solved
from .quadratic import LARGEST_SUPPORT, Quadratic
from .sweeps import descend

#: Sweeps between two checks of the gap.
ROUND = 50


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
        support = places(b)
        if not 0 < support.size <= LARGEST_SUPPORT:
            break
        spent += float(support.size) ** 3
        block = G[support[:, None], support]
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
    # Copies: one type for the compiler, whoever owns them.
    l1, l2 = (np.full(b.shape, strength[:, 0, 0]) for strength in (penalty.l1, penalty.l2))
    b = np.maximum(b, 0.0) if penalty.positive else b
    unit = np.sqrt(max(float(model.yy[0]), np.finfo(float).tiny))
    tol = max(0.3 * np.sqrt(target), 1e-9 * unit)
    n_sweeps = 0
    while n_sweeps < max_sweeps and not called_off():
        allowed = min(ROUND, max_sweeps - n_sweeps)
        b, q = b.copy(), G @ b - c
        used = descend(G, q, b, l1, l2, penalty.positive, tol, allowed)
        n_sweeps += max(used, 1)
        b = refine(G, c, b, l1, l2, penalty.positive, used)
        if model.gap(penalty, b[:, None])[0] <= target:
            break
        if used < allowed:
            tol *= 0.1
        if tol < 1e-16 * unit:
            break
    return b, n_sweeps
