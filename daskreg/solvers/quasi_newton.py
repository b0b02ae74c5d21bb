"""Proximal quasi-Newton steps: a model of the curvature, and what the gradients told since."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float
from daskreg.penalties import ElasticNet

from .base import Solver
from .common_shift import without_common
from .directions import directions
from .exact import ExactModel
from .models import GramModel, Model, SampleModel
from .pairs import Pairs
from .protocols import CurvedDatafit, require
from .quasi_newton_state import Point, QuasiNewtonState
from .results import Candidates, Goal
from .sampled import LARGEST_COUPLED
from .start import start_point

EPS = float(np.finfo(np.float64).eps)
#: Fractions of a step that did not descend, tried together in the next pass.
FRACTIONS = (0.5, 0.2, 0.05)
#: Factor of the metric where no fraction of a step descends, halved by every accepted step.
STIFFEN = 10.0
#: A rejected step that promised no more than so many roundings was right up to noise.
NOISE = 64


@dataclass(frozen=True)
class QuasiNewton(Solver):
    r"""Proximal quasi-Newton method for smooth losses with curvature and the elastic net.

    Steps minimise a quadratic plus the penalty in memory, and one pass evaluates the steps of all
    problems.  The quadratic is a model of the curvature, updated by the last ``memory`` BFGS
    pairs from exact gradients:

    - "gram": :math:`X^T S X \otimes \bar W_k`, with :math:`\bar W_k` the weighted mean of the
      loss's Hessian by eta at the current point, and for up to twelve coupled outputs what that
      lacks along the predictors (see ``bent``).  The Gram matrix is part of the first pass and
      serves every problem.
    - "sample": the Hessian at the current point of rows that are kept in memory, for when the
      Gram matrix is too large or rows differ too much for one mean.  Where all rows are kept, the
      first step is Newton's method to its end, and mostly the only one.
    - "exact": the Hessian of all rows over the coefficients in use and those that should be, in
      one more pass; the others wait for a later step.  Steps are Newton's and keep no pairs: for
      few columns of sparse rows in memory, where such a pass costs less than the steps it saves.
      Of a million rows and more the first step is taken on a sample of 20,000, as with "sample".

    What the coefficients of coupled classes have in common is moved to where the penalty is least
    before a step is evaluated (see ``common_shift``): it changes no predictor's probability.

    Where the objective would rise, the pair is kept and fractions .5, .2 and .05 of the step are
    evaluated in one more pass; where those fail too, the metric is multiplied by ten.  The
    objective of accepted points never rises.  Products are made in float64: pairs are differences
    of gradients, and passes are few.

    Passes: 1 (a logistic loss with an offset, or a given start: 2; "sample" one more unless the
    rows come with the first pass) + one per iteration, "exact" two, and one in all for its sample;
    a step that is rejected is an iteration.

    Parameters
    ----------
    memory : int
        Pairs kept for each problem.
    metric : {"gram", "sample", "exact"}
    sample_rows : int, optional
        Rows to keep for "sample"; default 30 for each column, 10 where there are more than 1000,
        at least 2,000.
    seed : int
        Of the sample.
    patience : int, optional
        Steps of metric "gram" after which problems of coupled outputs that have not ended go on as
        with "sample", once the coefficients in use are few enough for a Hessian of them all: where
        rows differ so much that steps on means are many, they have found these by then.  Default:
        never.
    thorough : bool
        Where the sample has all rows, make the first step Newton's method to its end; False: a few
        steps of it, for whoever looks at what lies between.

    References
    ----------
    Lee, Sun and Saunders (2014), Proximal Newton-type methods for minimizing composite functions,
    algorithm 1.
    Byrd, Nocedal and Schnabel (1994), Representations of quasi-Newton matrices and their use in
    limited memory methods.
    Byrd, Chin, Neveitt and Nocedal (2011), On the use of stochastic Hessian information in
    optimization methods for machine learning, section 2 (Hessians of a sample).
    Yuan, Ho and Lin (2012), An improved GLMNET for L1-regularized logistic regression.
    """

    name: ClassVar[str] = "quasi_newton"

    memory: int = 10
    metric: Literal["gram", "sample", "exact"] = "gram"
    sample_rows: int | None = None
    seed: int = 0
    patience: int | None = None
    thorough: bool = True

    def __post_init__(self) -> None:
        if self.metric not in ("gram", "sample", "exact"):
            raise ValueError(f"metric must be 'gram', 'sample' or 'exact', got {self.metric!r}")
        if self.memory < 0 or (self.sample_rows is not None and self.sample_rows < 1):
            raise ValueError(
                f"memory must be >= 0 and sample_rows >= 1 or None, got memory={self.memory!r}, "
                f"sample_rows={self.sample_rows!r}"
            )

    @property
    def model(self) -> Model:
        """Where curvatures come from."""
        if self.metric == "exact":
            return ExactModel()
        return GramModel() if self.metric == "gram" else self._sample

    @property
    def _sample(self) -> SampleModel:
        return SampleModel(self.sample_rows, self.seed, self.thorough)

    def check(self, datafit: Any, penalty: ElasticNet) -> None:
        hint = "use metric='gram'" if self.metric != "gram" else ""
        more = () if self.patience is None else self._sample.needs
        needs = ("value_and_grad", *self.model.needs, *more, "curvature", "take")
        require("QuasiNewton", datafit, needs, hint)
        require("QuasiNewton", penalty, ("l1", "l2", "best_dual", "value", "violation", "take"))

    def prepare(self, datafit: Any) -> None:
        self.model.prepare(datafit)

    def init(
        self,
        datafit: CurvedDatafit,
        penalty: ElasticNet,
        start: tuple[Float, Float] | None,
        goal: Goal,
    ) -> QuasiNewtonState:
        if start is not None:
            fixed = self.model.fixed(datafit)[:, None]
            start = np.where(fixed, 0.0, start[0]), start[1]
        n_problems = datafit.n_problems
        coef, intercept, evaluation = start_point(datafit, start)
        everyone = np.arange(n_problems)
        candidates = Candidates.best_of(penalty, coef, intercept, evaluation, everyone)
        point = Point.of(penalty, coef, intercept, evaluation)
        n_coordinates = len(point.position)
        n_pairs = 0 if self.metric == "exact" else self.memory
        return QuasiNewtonState(
            point=point,
            pairs=Pairs.none(n_pairs, n_coordinates, n_problems),
            direction=np.zeros((n_coordinates, n_problems)),
            shorten=np.zeros(n_problems, dtype=bool),
            stiffness=np.ones(n_problems),
            bound=candidates.bound,
            violation=candidates.violation,
            idle=np.zeros(n_problems, dtype=np.intp),
            n_iter=np.zeros(n_problems, dtype=np.intp),
            goal=goal,
            candidates=candidates,
            shared=self.model.shared_ridge(datafit, penalty),
        )

    def step(
        self, datafit: CurvedDatafit, penalty: ElasticNet, state: QuasiNewtonState
    ) -> QuasiNewtonState:
        state = self._sampled(datafit, penalty, state)
        model = self._sample if state.sampled else self.model
        n_problems = state.n_iter.size
        direction = directions(model, datafit, penalty, state)
        again = np.flatnonzero(state.shorten)
        columns = np.concatenate([np.arange(n_problems), np.tile(again, len(FRACTIONS) - 1)])
        length = np.where(state.shorten, FRACTIONS[0], 1.0)
        length = np.concatenate([length, np.repeat(FRACTIONS[1:], again.size)])
        before = state.point.take(columns)
        coef, intercept = before.moved(length * direction[:, columns]).unpacked(datafit.n_outputs)
        coef = without_common(penalty.take(columns), coef)
        steps = np.concatenate([coef.reshape(-1, len(columns)), intercept]) - before.position
        told = model.asks_bends and getattr(datafit, "tells_bends", False)
        more = {"bends": True} if told else {}
        evaluation = datafit.value_and_grad(coef, intercept, columns, precise=True, **more)
        seen = Point.of(penalty.take(columns), coef, intercept, evaluation)

        best = _lowest(seen.objective, columns, n_problems)
        found = seen.take(best)
        slack = _rounding(state.point.objective)
        accept = (found.objective <= state.point.objective + slack) & np.isfinite(found.objective)
        pairs = state.pairs.joined(
            steps[:, best],
            model.unforeseen(datafit, state.point, found),
            0.5 * (found.level + state.point.level),
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
        promised = _promised(penalty, state.point, direction, datafit.n_outputs)
        return _noted(new, state, ~accept & (promised > NOISE * slack))

    def _sampled(
        self, datafit: CurvedDatafit, penalty: ElasticNet, state: QuasiNewtonState
    ) -> QuasiNewtonState:
        """The state as it goes on with a sample, without pairs, if it is time for that."""
        q, patience = datafit.n_outputs, self.patience
        late = patience is not None and self.metric == "gram" and state.n_iter.min() >= patience
        if not late or state.sampled or q == 1 or state.shorten.any():
            return state
        coef, grad = state.point.unpacked(q)[0], state.point.grad[:-q]
        wrong = penalty.violation(coef, grad.reshape(coef.shape)) > 0.0
        if ((coef != 0.0) | wrong).sum(axis=(0, 1)).max() > LARGEST_COUPLED:
            return state
        pairs = Pairs.none(self.memory, *state.direction.shape)
        return replace(state, pairs=pairs, sampled=True, stiffness=np.ones_like(state.stiffness))


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


def _promised(penalty: ElasticNet, point: Point, direction: Float, n_outputs: int) -> Float:
    """Decrease to first order of the full step, (n_problems,); infinite from outside the domain."""
    with np.errstate(invalid="ignore"):
        before = penalty.value(point.unpacked(n_outputs)[0])
        after = penalty.value(point.moved(direction).unpacked(n_outputs)[0])
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
