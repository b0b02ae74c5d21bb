"""Proximal quasi-Newton steps in the metric of one Gram matrix that all problems share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float
from daskreg.penalties import ElasticNet

from .base import Solver
from .metric import Metric, Pairs
from .protocols import MetricDatafit, require
from .quasi_newton_state import Point, QuasiNewtonState
from .results import Candidates, Goal
from .start import start_point
from .subproblem import candidate_step, estimated_gains

EPS = float(np.finfo(np.float64).eps)
#: Fractions of a step that did not descend, tried together in the next pass.
FRACTIONS = (0.5, 0.2, 0.05)
#: The subproblem is solved to this share of the outer gap ...
INNER = 0.001
#: ... but no further than this share of the gap that is asked for.
FLOOR = 0.05
#: Factor of the metric where no fraction of a step descends, halved by every accepted step.
STIFFEN = 10.0
#: A rejected step that promised no more than so many roundings was right up to noise.
NOISE = 64
#: A mean curvature below this share of its bound is rounding.
LEAST_CURVATURE = 1e-8


@dataclass(frozen=True)
class QuasiNewton(Solver):
    r"""Proximal quasi-Newton method for smooth losses with curvature and the elastic net.

    The metric of problem k is :math:`\bar w_k X^T S X`, with :math:`\bar w_k` the weighted mean
    of the loss's second derivative at the current point, updated by the last ``memory`` BFGS
    pairs from exact gradients.  The Gram matrix is part of the first pass and serves every
    problem, so a step costs the solution of a quadratic problem in memory and one pass, which
    evaluates the steps of all problems.  Where the objective would rise, the pair is kept and
    fractions .5, .2 and .05 of the step are evaluated in one more pass; where those fail too, the
    metric is multiplied by ten.  The objective of accepted points never rises.  Products are made
    in float64: pairs are differences of gradients, and passes are few.

    Passes: 1 (a logistic loss with an offset, or a given start: 2) + one per iteration; a step
    that is rejected is an iteration.

    Parameters
    ----------
    memory : int
        Pairs kept for each problem.

    References
    ----------
    Lee, Sun and Saunders (2014), Proximal Newton-type methods for minimizing composite functions,
    algorithm 1.
    Byrd, Nocedal and Schnabel (1994), Representations of quasi-Newton matrices and their use in
    limited memory methods.
    Yuan, Ho and Lin (2012), An improved GLMNET for L1-regularized logistic regression.
    """

    name: ClassVar[str] = "quasi_newton"

    memory: int = 10

    def check(self, datafit: Any, penalty: ElasticNet) -> None:
        require("QuasiNewton", datafit, ("value_and_grad", "metric", "curvature", "take"))
        require("QuasiNewton", penalty, ("l1", "l2", "best_dual", "value", "violation", "take"))

    def prepare(self, datafit: MetricDatafit) -> None:
        datafit.metric()

    def init(
        self,
        datafit: MetricDatafit,
        penalty: ElasticNet,
        start: tuple[Float, Float] | None,
        goal: Goal,
    ) -> QuasiNewtonState:
        n_features, n_problems = datafit.n_features, datafit.n_problems
        coef, intercept, evaluation = start_point(datafit, start)
        everyone = np.arange(n_problems)
        candidates = Candidates.best_of(penalty, coef, intercept, evaluation, everyone)
        return QuasiNewtonState(
            point=Point.of(penalty, coef, intercept, evaluation),
            pairs=Pairs.none(self.memory, n_features, n_problems),
            direction=np.zeros((n_features + 1, n_problems)),
            shorten=np.zeros(n_problems, dtype=bool),
            stiffness=np.ones(n_problems),
            bound=candidates.bound,
            violation=candidates.violation,
            idle=np.zeros(n_problems, dtype=np.intp),
            n_iter=np.zeros(n_problems, dtype=np.intp),
            goal=goal,
            candidates=candidates,
        )

    def step(
        self, datafit: MetricDatafit, penalty: ElasticNet, state: QuasiNewtonState
    ) -> QuasiNewtonState:
        n_problems = state.n_iter.size
        direction = _directions(datafit, penalty, state)
        again = np.flatnonzero(state.shorten)
        columns = np.concatenate([np.arange(n_problems), np.tile(again, len(FRACTIONS) - 1)])
        length = np.where(state.shorten, FRACTIONS[0], 1.0)
        length = np.concatenate([length, np.repeat(FRACTIONS[1:], again.size)])
        steps = length * direction[:, columns]
        tried = state.point.position[:, columns] + steps
        coef, intercept = tried[:-1, None], tried[-1:]
        evaluation = datafit.value_and_grad(coef, intercept, columns, precise=True)
        seen = Point.of(penalty.take(columns), coef, intercept, evaluation)

        best = _lowest(seen.objective, columns, n_problems)
        found = seen.take(best)
        slack = _rounding(state.point.objective)
        accept = (found.objective <= state.point.objective + slack) & np.isfinite(found.objective)
        pairs = state.pairs.joined(
            np.arange(n_problems), steps[:, best], found.grad - state.point.grad
        )
        failed = ~accept & state.shorten
        stiffness = np.where(accept, np.maximum(0.5 * state.stiffness, 1.0), state.stiffness)
        new = replace(
            state,
            point=found.where(accept, state.point),
            pairs=pairs,
            direction=direction,
            shorten=~accept & ~state.shorten,
            stiffness=np.where(failed, STIFFEN * state.stiffness, stiffness),
            n_iter=state.n_iter + 1,
            candidates=Candidates.best_of(penalty, coef, intercept, evaluation, columns),
        )
        lost = ~accept & (_promised(penalty, state.point, direction) > NOISE * slack)
        return _noted(new, state, lost)


def _directions(datafit: MetricDatafit, penalty: ElasticNet, state: QuasiNewtonState) -> Float:
    """The full step of every problem: the last one again where it is to be shortened."""
    G = np.ascontiguousarray(datafit.metric(), dtype=np.float64)
    direction = state.direction.copy()
    least = LEAST_CURVATURE * datafit.curvature
    for k in np.flatnonzero(~state.shorten).tolist():
        only = np.array([k])
        point, one = state.point.take(only), penalty.take(only)
        coef, grad = point.position[:-1, 0], point.grad[:, 0]
        scale = float(np.fmax(point.curvature[0], least))
        metric = Metric.of(G, scale, *state.pairs.of(k)).stiffened(float(state.stiffness[k]))
        target = _target(metric, one, point, state, k)
        direction[:, k] = candidate_step(metric, one, coef, grad, target)
    return direction


def _target(
    metric: Metric, penalty: ElasticNet, point: Point, state: QuasiNewtonState, k: int
) -> float:
    """Gap to which the subproblem is solved: small beside the outer gap, and beside what a single
    coordinate could gain, so that there is always a step."""
    gains = estimated_gains(
        metric, penalty, point.position[:-1, 0], point.grad[:-1, 0], float(point.grad[-1, 0])
    )
    gap = float(point.objective[0] - state.bound[k])
    if not np.isfinite(gap):
        return float(0.1 * INNER * gains.max())
    wanted = FLOOR * state.goal.tol * float(state.goal.null_value[k])
    return float(min(max(INNER * gap, wanted), 0.1 * gains.max()))


def _lowest(
    objective: Float, columns: npt.NDArray[np.intp], n_problems: int
) -> npt.NDArray[np.intp]:
    """The column of the lowest objective of each problem; column k belongs to problem k."""
    best = np.arange(n_problems)
    for column in range(n_problems, len(columns)):
        problem = columns[column]
        if objective[column] < objective[best[problem]]:
            best[problem] = column
    return best


def _rounding(objective: Float) -> Float:
    """How much of a difference between objectives is noise."""
    return np.where(np.isfinite(objective), 4 * EPS * np.abs(objective), 0.0)


def _promised(penalty: ElasticNet, point: Point, direction: Float) -> Float:
    """Decrease to first order of the full step, (n_problems,); infinite from outside the domain."""
    with np.errstate(invalid="ignore"):
        before = penalty.value(point.position[:-1, None])
        after = penalty.value((point.position + direction)[:-1, None])
        decrease = before - after - (point.grad * direction).sum(axis=0)
    return np.where(np.isfinite(decrease), decrease, np.inf)


def _noted(
    new: QuasiNewtonState, old: QuasiNewtonState, lost: npt.NDArray[np.bool_]
) -> QuasiNewtonState:
    """With the best bound and violation, and the count of steps that brought nothing.

    A step that is rejected although it promised much, ``lost``, says nothing on rounding.
    """
    seen = new.candidates
    slack = _rounding(old.point.objective)
    progress = (
        (new.point.objective < old.point.objective - slack)
        | (seen.bound > old.bound + slack)
        | (seen.violation < 0.9 * old.violation)
    )
    return replace(
        new,
        bound=np.fmax(old.bound, seen.bound),
        violation=np.fmin(old.violation, seen.violation),
        idle=np.where(progress, 0, old.idle + ~lost),
    )
