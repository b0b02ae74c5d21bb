"""One proximal quasi-Newton step in memory: the minimum of a quadratic plus the penalty."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import scipy.linalg

from daskreg._typing import AnyArray, Float
from daskreg.penalties import ElasticNet

from .metric import Metric
from .quadratic import Quadratic

#: Sweeps of coordinate descent for one step at most.
MAX_SWEEPS = 10_000


def candidate_step(
    metric: Metric, penalty: ElasticNet, coef: Float, grad: Float, target: float
) -> Float:
    r"""Minimise ``grad'd + d'B d / 2 + penalty(coef + d)`` of one problem over d.

    Without L1 and sign constraint this is a linear system.  Else coordinate descent runs on a
    working set, the nonzero coordinates and those that violate their optimality conditions, which
    grows until no coordinate outside of it does.  The intercept is eliminated.

    Parameters
    ----------
    metric : Metric
    penalty : ElasticNet
        Of one problem.
    coef : array of shape (n_features,)
    grad : array of shape (n_features + 1,)
        Of the smooth part at ``coef``, the intercept last.
    target : float
        Duality gap of this subproblem to reach, in the unit of the objective.

    Returns
    -------
    array of shape (n_features + 1,)

    References
    ----------
    Lee, Sun and Saunders (2014), Proximal Newton-type methods for minimizing composite functions,
    eq. 2.4 and section 2.4; Yuan, Ho and Lin (2012), An improved GLMNET for L1-regularized logistic
    regression, sections 3 (inner coordinate descent) and 5 (working sets).
    """
    solve = _iterated if penalty.has_l1[0] or penalty.positive else _direct
    try:
        return solve(metric, penalty, coef, grad, target)
    except np.linalg.LinAlgError:
        # Rounding has made the updates indefinite: the Gram matrix with its ridge is not.
        return solve(metric.plain, penalty, coef, grad, target)


def estimated_gains(
    metric: Metric, penalty: ElasticNet, coef: Float, grad: Float, intercept_grad: float = 0.0
) -> Float:
    """Decrease that each coordinate alone could bring, (n_features + 1,), by the first term."""
    violation = np.zeros_like(metric.diagonal)
    violation[:-1] = penalty.violation(coef[:, None, None], grad[:, None, None])[:, 0, 0]
    violation[-1] = intercept_grad
    return np.asarray(0.5 * violation**2 / metric.diagonal)


def _direct(metric: Metric, penalty: ElasticNet, coef: Float, grad: Float, target: float) -> Float:
    block, coupling, own = metric.reduced(np.arange(len(coef)))
    l2 = np.broadcast_to(penalty.l2[:, 0, 0], coef.shape)
    block[np.diag_indices(len(coef))] += l2
    slope = grad[:-1] + l2 * coef - coupling * (grad[-1] / own)
    factor = scipy.linalg.cho_factor(block, overwrite_a=True)
    move = -np.asarray(scipy.linalg.cho_solve(factor, slope))
    return np.append(move, -(grad[-1] + coupling @ move) / own)


def _iterated(
    metric: Metric, penalty: ElasticNet, coef: Float, grad: Float, target: float
) -> Float:
    gains = estimated_gains(metric, penalty, coef, grad[:-1])[:-1]
    active = (coef != 0.0) | (gains > 0.0)
    start, step = coef, np.zeros_like(grad)
    while active.any() or not step.any():
        members = np.flatnonzero(active)
        step = _on(members, metric, penalty, coef, grad, start, target)
        slope = grad + metric.times(step)
        start = coef + step[:-1]
        gains = estimated_gains(metric, penalty, start, slope[:-1])[:-1]
        missing = ~active & (gains > target / len(coef))
        if not missing.any():
            break
        active |= missing
    return step


def _on(
    members: npt.NDArray[np.intp],
    metric: Metric,
    penalty: ElasticNet,
    coef: Float,
    grad: Float,
    start: Float,
    target: float,
) -> Float:
    """The step over the columns ``members`` and the intercept only."""
    from .coordinate_descent import solve_path  # numba: loaded only when it is needed

    step = np.zeros_like(grad)
    block, coupling, own = metric.reduced(members)
    if len(members):
        held = coef[members]
        c = block @ held - (grad[members] - coupling * (grad[-1] / own))
        square = c @ scipy.linalg.cho_solve(scipy.linalg.cho_factor(block), c)
        model = Quadratic(block, c[:, None], np.array([square]), np.zeros(1, dtype=np.intp))
        restricted = _restricted(penalty, members)
        first = start[members][:, None]
        found = solve_path(model, restricted, first, np.array([target]), MAX_SWEEPS)
        step[members] = found.coef[:, 0] - held
    step[-1] = -(grad[-1] + coupling @ step[members]) / own
    return step


def _restricted(penalty: ElasticNet, members: AnyArray) -> ElasticNet:
    if penalty.penalty_weight is None:
        return penalty
    return replace(penalty, penalty_weight=penalty.penalty_weight[members])
