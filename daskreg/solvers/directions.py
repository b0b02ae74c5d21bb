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
from .subproblem import Aim, candidate_step, flattened

#: A subproblem is solved no further than to this share of the gap that is asked for.
FLOOR = 0.05
#: Smaller matrices gain nothing from several threads of BLAS: many short products, between which
#: the threads of two libraries wait for each other, take some ten times as long as on one.
MANY_COORDINATES = 1200


def directions(model: Model, datafit: Any, penalty: ElasticNet, state: QuasiNewtonState) -> Float:
    """The full step of every problem, (n, n_problems): the last one again where it is to be
    shortened."""
    fresh = np.flatnonzero(~state.shorten).tolist()
    direction = state.direction.copy()
    small = model.widest(datafit, penalty) < MANY_COORDINATES
    if model.opens:
        first = [k for k in fresh if state.n_iter[k] == 0]
        steps = parallel_map(lambda k: _opening(model, datafit, penalty, state, k), first, small)
        for k, step in zip(first, steps, strict=True):
            direction[:, k] = step
        fresh = [k for k in fresh if state.n_iter[k] > 0 or not direction[:, k].any()]
    model = model.bound(datafit, penalty, state.point, fresh)
    steps = parallel_map(lambda k: _direction(model, datafit, penalty, state, k), fresh, small)
    for k, step in zip(fresh, steps, strict=True):
        direction[:, k] = step
    return direction


def _opening(
    model: Model, datafit: Any, penalty: ElasticNet, state: QuasiNewtonState, k: int
) -> Float:
    point = state.point.take(np.array([k]))
    one = flattened(penalty.take([k]), datafit.n_outputs)
    return model.opening(datafit, k, one, point, _aim(point, state, k))


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
    return candidate_step(
        metric, one, coef, grad, _aim(point, state, k).of(metric, one, coef, grad)
    )


def _aim(point: Point, state: QuasiNewtonState, k: int) -> Aim:
    """How far the subproblem of one problem is solved at its point."""
    gap = float(point.objective[0] - state.bound[k])
    return Aim(gap, FLOOR * state.goal.tol * float(state.goal.null_value[k]))
