"""FISTA with backtracking inside the pass, a diagonal metric and gradient restarts."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.penalties import ElasticNet

from .base import Solver
from .protocols import Evaluation, SmoothDatafit, require
from .results import Candidates, Goal
from .start import start_point

#: Relative gap below which a problem is near its optimum: low precision hides far less.
NEAR = 1e-3
#: Rounding of gradients, relative.
ROUNDING = 1e-15
#: Changes of the objective below this share of it are rounding: it cannot judge a step.
BLIND = 1e-13


@dataclass(frozen=True)
class FistaState:
    """Everything a step reads; (p, n_outputs, K), (n_outputs, K) or (K,), problems last.

    ``point`` is the extrapolated point, where ``value`` and the gradients were taken; ``iterate``
    is the last accepted prox step.  ``bound`` (K,) is the best lower bound so far, ``near`` (K,)
    the distance to it within which passes are precise.
    """

    iterate: Float
    iterate_intercept: Float
    point: Float
    point_intercept: Float
    value: Float
    grad: Float
    intercept_grad: Float
    momentum: Float
    lipschitz: Float
    bound: Float
    near: Float
    n_iter: npt.NDArray[np.intp]
    exhausted: npt.NDArray[np.bool_]
    candidates: Candidates

    def take(self, columns: AnyArray) -> FistaState:
        kept = {
            field.name: getattr(self, field.name)[..., columns]
            for field in fields(self)
            if field.name != "candidates"
        }
        return FistaState(candidates=self.candidates.take(columns), **kept)

    def where(self, accept: npt.NDArray[np.bool_], other: FistaState, *names: str) -> FistaState:
        """This state, with ``other``'s values of the named fields where not accepted."""
        mixed = {
            name: np.where(accept, getattr(self, name), getattr(other, name)) for name in names
        }
        return replace(self, **mixed)


@dataclass(frozen=True)
class Fista(Solver):
    r"""Accelerated proximal gradient for any smooth loss and any penalty with a prox.

    Every pass evaluates two columns per problem: the prox step :math:`b^+` from the point
    :math:`z`, and the next extrapolated point.  If the step was too long for the curvature met,
    :math:`\langle g(b^+) - g(z), d\rangle > L \|d\|_D^2` with :math:`d = b^+ - z`, and the loss
    did not descend below its quadratic model either, both are discarded and L grows; so
    backtracking costs passes only when it is needed.  (The curvature form is free of
    cancellation; near the optimum it alone decides.)  D is the diagonal of the curvature bound,
    so badly scaled columns do no harm.  The intercept is one more, unpenalised, coordinate.  Far
    from the optimum products of low precision will do; once some problem comes near, or has no
    bound, passes are precise.

    Passes: 1 (none where the first pass holds the null model's evaluation) + one per iteration.

    Parameters
    ----------
    grow, shrink : float
        Factors of L after a rejected and after an accepted step.  Near a solution L goes round in
        circles: a faster decrease costs a rejected pass more often than longer steps are worth.
    restart : bool
        Forget the momentum when it points uphill in the metric D.

    References
    ----------
    Beck and Teboulle (2009), A fast iterative shrinkage-thresholding algorithm, section 4.
    O'Donoghue and Candes (2015), Adaptive restart for accelerated gradient schemes, eq. 13.
    """

    name: ClassVar[str] = "fista"

    grow: float = 2.0
    shrink: float = 0.95
    restart: bool = True

    def check(self, datafit: Any, penalty: ElasticNet) -> None:
        require("Fista", datafit, ("value_and_grad", "curvature", "second_moment", "take"))
        require("Fista", penalty, ("value", "prox", "violation", "take"))

    def init(
        self,
        datafit: SmoothDatafit,
        penalty: ElasticNet,
        start: tuple[Float, Float] | None,
        goal: Goal,
    ) -> FistaState:
        n_problems = datafit.n_problems
        everyone = np.arange(n_problems)
        coef, intercept, evaluation = start_point(datafit, start)
        candidates = Candidates.best_of(penalty, coef, intercept, evaluation, everyone)
        return FistaState(
            iterate=coef,
            iterate_intercept=intercept,
            point=coef,
            point_intercept=intercept,
            value=evaluation.value,
            grad=evaluation.grad,
            intercept_grad=evaluation.intercept_grad,
            momentum=np.ones(n_problems),
            lipschitz=np.ones(n_problems),
            bound=candidates.bound,
            near=NEAR * goal.null_value,
            n_iter=np.zeros(n_problems, dtype=np.intp),
            exhausted=np.zeros(n_problems, dtype=bool),
            candidates=candidates,
        )

    def step(self, datafit: SmoothDatafit, penalty: ElasticNet, state: FistaState) -> FistaState:
        metric = _metric(datafit)
        weight = datafit.curvature
        length = 1.0 / (state.lipschitz * metric)
        coef = penalty.prox(state.point - length * state.grad, length)
        intercept = state.point_intercept - state.intercept_grad / (state.lipschitz * weight)
        d, d0 = coef - state.point, intercept - state.point_intercept
        gain, gain0 = coef - state.iterate, intercept - state.iterate_intercept
        momentum = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * state.momentum**2))
        beta = (state.momentum - 1.0) / momentum
        if self.restart:
            uphill = (metric * d * gain).sum(axis=(0, 1)) + weight * (d0 * gain0).sum(axis=0) < 0
            momentum, beta = np.where(uphill, 1.0, momentum), np.where(uphill, 0.0, beta)

        columns, ahead = _columns(beta)
        moving = columns[beta.size :]
        trial = np.concatenate([coef, (coef + beta * gain)[..., moving]], axis=-1)
        trial0 = np.concatenate([intercept, (intercept + beta * gain0)[..., moving]], axis=-1)
        evaluation = datafit.value_and_grad(trial, trial0, columns, precise=_close(state))

        # A point beyond the domain of the loss has no gradient to go on from: stay at the step.
        reachable = _finite(evaluation)
        lost = ~reachable[ahead]
        ahead = np.where(lost, np.arange(beta.size), ahead)
        length2 = (metric * d * d).sum(axis=(0, 1)) + weight * (d0 * d0).sum(axis=0)
        accept, steeper = _accept(state, evaluation, d, d0, length2)
        accept &= reachable[: beta.size]
        rejected = self._raised(state.lipschitz, steeper)
        candidates = Candidates.best_of(penalty, trial, trial0, evaluation, columns)
        new = FistaState(
            iterate=coef,
            iterate_intercept=intercept,
            point=trial[..., ahead],
            point_intercept=trial0[..., ahead],
            value=evaluation.value[ahead],
            grad=evaluation.grad[..., ahead],
            intercept_grad=evaluation.intercept_grad[..., ahead],
            momentum=np.where(lost, 1.0, momentum),
            lipschitz=np.where(accept, self.shrink * state.lipschitz, rejected),
            bound=np.maximum(state.bound, candidates.bound),
            near=state.near,
            n_iter=state.n_iter + 1,
            exhausted=length2 == 0,
            candidates=candidates,
        )
        return new.where(
            accept, state, "iterate", "iterate_intercept", "point", "point_intercept",
            "value", "grad", "intercept_grad", "momentum",
        )  # fmt: skip

    def _raised(self, lipschitz: Float, met: Float) -> Float:
        """L after a rejected step: ``grow`` times, or what is above the curvature that was met.

        The curvature along a short step holds rounding, so it only says how many times L must be
        divided by ``shrink``: a problem goes the same way alone and in a batch.
        """
        raised = self.grow * lipschitz
        if self.shrink >= 1.0:
            return np.maximum(raised, met)
        share = np.maximum(met / raised, 1.0)
        return np.asarray(raised * self.shrink ** -np.ceil(-np.log(share) / np.log(self.shrink)))


def _columns(beta: Float) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The problem of each column of a pass, and which column is each problem's next point.

    Without momentum the next point is the step itself: one column serves as both.
    """
    everyone = np.arange(beta.size)
    moving = np.flatnonzero(beta)
    ahead = everyone.copy()
    ahead[moving] = beta.size + np.arange(moving.size)
    return np.concatenate([everyone, moving]), ahead


def _close(state: FistaState) -> bool:
    """Whether some problem is near its optimum, or cannot tell."""
    with np.errstate(invalid="ignore"):
        gap = state.candidates.objective - state.bound
    return bool((~np.isfinite(gap) | (gap <= state.near)).any())


def _metric(datafit: SmoothDatafit) -> Float:
    """Diagonal of the curvature bound, shape (p, 1, 1); constant columns get a harmless 1."""
    diagonal = datafit.curvature * np.asarray(datafit.second_moment, dtype=np.float64)
    return np.where(diagonal > 0, diagonal, 1.0)[:, None, None]


def _finite(evaluation: Evaluation) -> npt.NDArray[np.bool_]:
    return np.asarray(
        np.isfinite(evaluation.value)
        & np.isfinite(evaluation.grad).all(axis=(0, 1))
        & np.isfinite(evaluation.intercept_grad).all(axis=0)
    )


def _accept(
    state: FistaState, evaluation: Evaluation, d: Float, d0: Float, length2: Float
) -> tuple[npt.NDArray[np.bool_], Float]:
    """Which steps the curvature allows, and the curvature met along each step (0 if unknown)."""
    first = slice(0, length2.size)
    grad, grad0 = evaluation.grad[..., first], evaluation.intercept_grad[..., first]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        turn = ((grad - state.grad) * d).sum(axis=(0, 1))
        turn += ((grad0 - state.intercept_grad) * d0).sum(axis=0)
        slope = (state.grad * d).sum(axis=(0, 1)) + (state.intercept_grad * d0).sum(axis=0)
        size = (np.abs(state.grad) * np.abs(d)).sum(axis=(0, 1))
        size += (np.abs(state.intercept_grad) * np.abs(d0)).sum(axis=0)
        flat = turn <= state.lipschitz * length2 * (1 + 1e-10) + ROUNDING * size
        model = 0.5 * state.lipschitz * length2
        told = model > BLIND * np.abs(state.value)
        descended = told & (evaluation.value[first] - state.value - slope <= model)
        met = np.where(length2 > 0, turn / length2, 0.0)
    return np.asarray(flat | descended), np.where(np.isfinite(met), met, 0.0)
