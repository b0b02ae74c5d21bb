"""The steps of all problems, in memory: independent of each other, so on all cores."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._typing import Float
from daskreg.penalties import ElasticNet

from .metric import Metric
from .models import Model
from .parallel import parallel_map
from .quasi_newton_state import Point, QuasiNewtonState
from .subproblem import candidate_step, estimated_gains, flattened

#: The subproblem is solved to this share of the outer gap ...
INNER = 0.001
#: ... but no further than this share of the gap that is asked for.
FLOOR = 0.05
#: Smaller matrices gain nothing from several threads of BLAS: many short products, between which
#: the threads of two libraries wait for each other, take some ten times as long as on one.
MANY_COORDINATES = 1200


def directions(model: Model, datafit: Any, penalty: ElasticNet, state: QuasiNewtonState) -> Float:
    """The full step of every problem, (n, n_problems): the last one again where it is to be
    shortened."""
    fresh = np.flatnonzero(~state.shorten).tolist()
    direction = state.direction.copy()
    model = model.bound(datafit, penalty, state.point, fresh)
    small = model.widest(datafit, penalty) < MANY_COORDINATES
    steps = parallel_map(lambda k: _direction(model, datafit, penalty, state, k), fresh, small)
    for k, step in zip(fresh, steps, strict=True):
        direction[:, k] = step
    return direction


def _direction(
    model: Model, datafit: Any, penalty: ElasticNet, state: QuasiNewtonState, k: int
) -> Float:
    point = state.point.take(np.array([k]))
    one = flattened(penalty.take([k]), datafit.n_outputs)
    coef, grad = point.position[: -datafit.n_outputs, 0], point.grad[:, 0]
    violation = one.violation(coef[:, None, None], grad[: len(coef), None, None])
    n_active = int(np.count_nonzero((coef != 0.0) | (violation[:, 0, 0] > 0.0)))
    curvature = model.at(datafit, k, point, n_active)
    steps, kept, level = state.pairs.of(k)
    turns = model.turns(curvature, steps, (point.level / level)[:, None] * kept)
    metric = Metric.of(curvature, steps, turns).stiffened(float(state.stiffness[k]))
    if state.shared is not None:
        l2 = float(one.l2[0, 0, 0])
        slope = grad.copy()
        slope[:-1] += l2 * coef
        shared = state.shared.step(metric, l2, float(curvature.own[0, 0]), slope)
        if shared is not None:
            return shared
    target = _target(metric, one, point, state, k)
    if state.n_iter[k] == 0:
        opening = model.opening(datafit, k, one, point, target)
        if opening.any():
            return opening
    return candidate_step(metric, one, coef, grad, target)


def _target(
    metric: Metric, penalty: ElasticNet, point: Point, state: QuasiNewtonState, k: int
) -> float:
    """Gap to which the subproblem is solved: small beside the outer gap, and beside what a single
    coordinate could gain, so that there is always a step."""
    q = metric.n_outputs
    grad = point.grad[:, 0]
    gains = estimated_gains(metric, penalty, point.position[:-q, 0], grad[:-q], grad[-q:])
    gap = float(point.objective[0] - state.bound[k])
    if not np.isfinite(gap):
        return float(0.1 * INNER * gains.max())
    wanted = FLOOR * state.goal.tol * float(state.goal.null_value[k])
    return float(min(max(INNER * gap, wanted), 0.1 * gains.max()))
