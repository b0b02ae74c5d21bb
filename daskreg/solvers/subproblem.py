"""One proximal quasi-Newton step in memory: the minimum of a quadratic plus the penalty."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import numpy.typing as npt
import scipy.sparse.linalg

from daskreg._typing import Float
from daskreg.penalties import ElasticNet

from .cholesky import factor_of, solved
from .coupled_step import coupled_step
from .metric import Metric
from .quadratic import Quadratic

#: Coefficients that join the working set of a step at a time, at least.
LEAST_NEW = 500
#: Sweeps of coordinate descent for one step at most.
MAX_SWEEPS = 10_000
#: Systems of more unknowns than this are solved by conjugate gradients, without their matrix.
LARGEST_SYSTEM = 4000
#: More coefficients than this are solved on the factors of their curvature, where it has any.
LARGEST_BLOCK = 1000
#: Relative residual to which conjugate gradients go, and their iterations at most.
RESIDUAL, MAX_ITERATIONS = 1e-6, 1000
#: Ridges that are tried in turn where a metric is not positive definite, times its own.
RIDGES = (1.0, 10.0, 1e2, 1e3, 1e4)
#: A subproblem is solved to this share of the outer gap.
INNER = 0.001


@dataclass(frozen=True)
class Aim:
    """How far a subproblem is solved.

    Attributes
    ----------
    gap : float
        The outer gap; not finite: no bound is known.
    wanted : float
        The least that is worth it.
    """

    gap: float
    wanted: float

    def of(self, metric: Metric, penalty: ElasticNet, coef: Float, grad: Float) -> float:
        """Return a gap that is small beside the outer one, and beside what a single coordinate
        could gain, so that there is always a step; 0 where a linear system has the whole step."""
        if not _swept(penalty):
            return 0.0
        n_coef = len(coef)
        gains = estimated_gains(metric, penalty, coef, grad[:n_coef], grad[n_coef:])
        if not np.isfinite(self.gap):
            return float(0.1 * INNER * gains.max())
        return float(min(max(INNER * self.gap, self.wanted), 0.1 * gains.max()))


def candidate_step(
    metric: Metric, penalty: ElasticNet, coef: Float, grad: Float, target: float
) -> Float:
    r"""Minimise ``grad'd + d'B d / 2 + penalty(coef + d)`` of one problem over d.

    Without L1 and sign constraint this is a linear system.  Else coordinate descent runs on a
    working set, the nonzero coordinates and those that violate their optimality conditions, which
    grows until no coordinate outside of it does.  The intercepts are eliminated.  Coordinates are
    flattened: n_features times n_outputs coefficients, then n_outputs intercepts.

    Parameters
    ----------
    metric : Metric
    penalty : ElasticNet
        Of one problem, with one weight per flattened coefficient; see :func:`flattened`.
    coef : array of shape (n_features * n_outputs,)
    grad : array of shape (n_features * n_outputs + n_outputs,)
        Of the smooth part at ``coef``, the intercepts last.
    target : float
        Duality gap of this subproblem to reach, in the unit of the objective.

    Returns
    -------
    array of the shape of ``grad``

    References
    ----------
    Lee, Sun and Saunders (2014), Proximal Newton-type methods for minimizing composite functions,
    eq. 2.4 and section 2.4; Yuan, Ho and Lin (2012), An improved GLMNET for L1-regularized logistic
    regression, sections 3 (inner coordinate descent) and 5 (working sets).
    """
    solve = _iterated if _swept(penalty) else _direct
    # Rounding may make the updates indefinite; of collinear columns the model as well.
    for tried in chain([metric], map(metric.ridged, RIDGES[:-1])):
        with suppress(np.linalg.LinAlgError):
            return solve(tried, penalty, coef, grad, target)
    return solve(metric.ridged(RIDGES[-1]), penalty, coef, grad, target)


def _swept(penalty: ElasticNet) -> bool:
    """Whether the step of one problem is more than a linear system."""
    return bool(penalty.positive or penalty.has_l1[0])


def flattened(penalty: ElasticNet, n_outputs: int) -> ElasticNet:
    """The penalty with one weight per flattened coefficient."""
    if penalty.penalty_weight is None or n_outputs == 1:
        return penalty
    return replace(penalty, penalty_weight=np.repeat(penalty.penalty_weight, n_outputs))


def estimated_gains(
    metric: Metric,
    penalty: ElasticNet,
    coef: Float,
    grad: Float,
    intercept_grad: Float | float = 0.0,
) -> Float:
    """Decrease that each coordinate alone could bring, shape of the metric's diagonal."""
    n_coef = len(coef)
    violation = np.zeros_like(metric.diagonal)
    violation[:n_coef] = penalty.violation(coef[:, None, None], grad[:, None, None])[:, 0, 0]
    violation[:n_coef][~metric.curvature.movable] = 0.0
    violation[n_coef:] = intercept_grad
    return np.asarray(0.5 * violation**2 / metric.diagonal)


def _direct(metric: Metric, penalty: ElasticNet, coef: Float, grad: Float, target: float) -> Float:
    n_coef = len(coef)
    l2 = np.full(coef.shape, penalty.l2[:, 0, 0])
    slope = grad.copy()
    slope[:n_coef] += l2 * coef
    members = np.flatnonzero(metric.curvature.movable)
    if len(members) > LARGEST_SYSTEM:
        return _conjugate(metric, l2, slope)
    step = np.zeros_like(grad)
    reduced = metric.reduced(members)
    block = reduced.block
    block.flat[:: len(members) + 1] += l2[members]
    factor = factor_of(block, overwrite=True)
    right = reduced.slope(slope[members], slope[n_coef:])
    step[members] = -solved(factor, right)
    step[n_coef:] = reduced.intercept_step(step[members], slope[n_coef:])
    return step


def _conjugate(metric: Metric, l2: Float, slope: Float) -> Float:
    """The same by conjugate gradients, scaled by the diagonal; immovable coordinates stay."""
    n_coef = len(l2)
    free = np.append(metric.curvature.movable, np.ones(len(slope) - n_coef, dtype=bool))
    added = np.append(l2, np.zeros(len(slope) - n_coef))
    diagonal = metric.diagonal + added

    def product(v: Float) -> Float:
        v = np.where(free, v.ravel(), 0.0)
        return np.where(free, metric.times(v) + added * v, 0.0)

    shape = (len(slope), len(slope))
    step, _ = scipy.sparse.linalg.cg(
        scipy.sparse.linalg.LinearOperator(shape, matvec=product, dtype=np.float64),
        -np.where(free, slope, 0.0),
        rtol=RESIDUAL,
        maxiter=MAX_ITERATIONS,
        M=scipy.sparse.linalg.LinearOperator(shape, matvec=lambda v: v.ravel() / diagonal),
    )
    return np.asarray(step)


def _iterated(
    metric: Metric, penalty: ElasticNet, coef: Float, grad: Float, target: float
) -> Float:
    n_coef = len(coef)
    gains = estimated_gains(metric, penalty, coef, grad[:n_coef])[:n_coef]
    active = (coef != 0.0) & metric.curvature.movable
    least = n_coef if _factored(metric) else LEAST_NEW
    active |= _best(np.where(active, 0.0, gains), int(active.sum()), least)
    start, step = coef, np.zeros_like(grad)
    while active.any() or not step.any():
        active = _whole(active, metric)
        members = np.flatnonzero(active)
        step = _on(members, metric, penalty, coef, grad, start, target)
        slope = grad + metric.times(step)
        start = coef + step[:n_coef]
        gains = estimated_gains(metric, penalty, start, slope[:n_coef])[:n_coef]
        missing = ~active & (gains > target / n_coef)
        if not missing.any():
            break
        active |= _best(np.where(missing, gains, 0.0), int(np.count_nonzero(start)), least)
    return step


def _best(gains: Float, n_used: int, least: int) -> npt.NDArray[np.bool_]:
    """Return the coordinates of the largest gains above zero: as many as are in use, or ``least``.

    Far from the optimum nearly all may violate their conditions where few are needed, and a
    matrix of all of them is dear.
    """
    most = max(least, n_used)
    chosen = gains > 0.0
    if np.count_nonzero(chosen) > most:
        chosen &= gains >= np.partition(gains, -most)[-most]
    return chosen


def _whole(active: npt.NDArray[np.bool_], metric: Metric) -> npt.NDArray[np.bool_]:
    """With all coefficients of their features, where those are solved on factors: they are there
    at no cost, and sweeps pass over them as long as nothing moves them."""
    if np.count_nonzero(active) <= LARGEST_BLOCK or not _factored(metric):
        return active
    features = active.reshape(-1, metric.n_outputs).any(axis=1)
    return np.repeat(features, metric.n_outputs) & metric.curvature.movable


def _factored(metric: Metric) -> bool:
    """Whether steps need no matrix of all coefficients that they move."""
    return metric.curvature.factors(np.zeros(0, dtype=np.intp)) is not None


def _on(
    members: npt.NDArray[np.intp],
    metric: Metric,
    penalty: ElasticNet,
    coef: Float,
    grad: Float,
    start: Float,
    target: float,
) -> Float:
    """The step over the coefficients ``members`` and the intercepts only."""
    if len(members) > LARGEST_BLOCK and _factored(metric):
        return coupled_step(members, metric, penalty, coef, grad, start, target)
    from .coordinate_descent import solve_one

    n_coef = len(coef)
    step = np.zeros_like(grad)
    reduced = metric.reduced(members)
    if len(members):
        held = coef[members]
        block = reduced.block
        c = block @ held - reduced.slope(grad[members], grad[n_coef:])
        square = c @ solved(factor_of(block), c)
        model = Quadratic(block, c[:, None], np.array([square]), np.zeros(1, dtype=np.intp))
        restricted = penalty.restricted(members)
        found, _ = solve_one(model, restricted, start[members], target, MAX_SWEEPS)
        step[members] = found - held
    step[n_coef:] = reduced.intercept_step(step[members], grad[n_coef:])
    return step
