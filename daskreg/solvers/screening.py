"""Many columns, few of them active: solve on working sets, check all columns once a round."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.exceptions import CompatibilityError
from daskreg.penalties import ElasticNet

from .base import Solver, solve
from .fista import Fista
from .gram import Gram
from .protocols import SelectiveDatafit, require
from .quasi_newton import QuasiNewton
from .results import Candidates, Goal
from .start import start_point
from .working_set import Paths, entry_alpha, wanted_columns

#: The problems of a round are solved to this share of the gap that is asked for.
INNER = 0.1
#: No smaller relative gap is asked of them.
SMALLEST_TOL = 1e-13
#: Gram matrices up to so many columns are small, one for each weighting of the rows.
MOST_GRAM = 2048
#: Columns that a round may add at least.
LEAST_NEW = 1000
#: Iterations of the solver of a round at most.
MAX_INNER = 10_000


@dataclass(frozen=True)
class ScreeningState:
    """Where the rounds stand; problems last.

    Attributes
    ----------
    coef, intercept : arrays of shape (n_features, n_outputs, K) and (n_outputs, K)
        The latest solution of each problem on a working set, else where it starts.
    entry : array of shape (n_features, n_paths)
        By path the alpha at which each column would enter, seen from the path's last solution.
    reached : array of shape (n_paths,)
        Alpha of that solution.
    working : array of bool, shape (n_features,)
        Columns of the last round.
    paths : Paths
    length : int
        Alphas of each path in the next round.
    """

    coef: Float
    intercept: Float
    entry: Float
    reached: Float
    working: npt.NDArray[np.bool_]
    paths: Paths
    length: int
    n_iter: npt.NDArray[np.intp]
    goal: Goal
    candidates: Candidates

    @property
    def exhausted(self) -> npt.NDArray[np.bool_]:
        return np.zeros(self.n_iter.size, dtype=bool)

    def take(self, columns: AnyArray) -> ScreeningState:
        return replace(
            self,
            coef=self.coef[..., columns],
            intercept=self.intercept[:, columns],
            paths=self.paths.take(columns),
            n_iter=self.n_iter[columns],
            goal=replace(self.goal, null_value=self.goal.null_value[columns]),
            candidates=self.candidates.take(columns),
        )


@dataclass(frozen=True)
class BatchScreening(Solver):
    r"""Paths over many columns: some alphas a round on the few columns that they may use.

    A round takes the next ``length`` alphas of every path (problems that differ by alpha alone)
    and a working set: the columns in use and those which, by the last gradient, may enter first.
    These columns are gathered, the problems solved on them in memory, and one pass over all
    columns evaluates the solutions: their duality gaps certify a problem or name the columns that
    were missing.  Nothing is ever ruled out for good.

    Passes: 1 + one per round, and one more per round where storage cannot read columns alone.

    Parameters
    ----------
    length : int, optional
        Alphas of a path in the first round; by default 10, or 25 where gathering columns is a pass.
    n_columns : int, optional
        Columns that a round may add; by default as many as are in use, at least 1000.  Never more
        than memory holds.
    inner : Solver, optional
        For the problems of a round.

    References
    ----------
    Qian, Tanigawa, Du, Aguirre, Chang, Tibshirani, Rivas and Hastie (2020), A fast and scalable
    framework for large-scale and ultrahigh-dimensional sparse regression, algorithm 1 (BASIL).
    Tibshirani, Bien, Friedman, Hastie, Simon, Taylor and Tibshirani (2012), Strong rules for
    discarding predictors in lasso-type problems, section 2.
    """

    name: ClassVar[str] = "screening"

    length: int | None = None
    n_columns: int | None = None
    inner: Solver | None = None

    def check(self, datafit: Any, penalty: ElasticNet) -> None:
        require("BatchScreening", datafit, ("value_and_grad", "restricted", "most_columns", "take"))
        require("BatchScreening", penalty, ("l1", "violation", "restricted", "take"))
        if not penalty.has_l1.all():
            raise CompatibilityError(
                "BatchScreening cannot use a penalty without an L1 part: it leaves no column out; "
                "use QuasiNewton or Fista"
            )

    def init(
        self,
        datafit: SelectiveDatafit,
        penalty: ElasticNet,
        start: tuple[Float, Float] | None,
        goal: Goal,
    ) -> ScreeningState:
        coef, intercept, evaluation = start_point(datafit, start)
        everyone = np.arange(datafit.n_problems)
        paths = Paths.of(datafit, penalty)
        enter = entry_alpha(penalty, evaluation.grad)
        seen = enter[:, paths.representatives]
        # From the null model a path begins where its first column enters.
        reached = np.maximum(seen.max(axis=0), paths.largest(penalty.alpha))
        length = self.length or (10 if datafit.reads_columns else 25)
        return ScreeningState(
            coef=coef,
            intercept=intercept,
            entry=seen,
            reached=reached,
            working=np.zeros(datafit.n_features, dtype=bool),
            paths=paths,
            length=length,
            n_iter=np.zeros(datafit.n_problems, dtype=np.intp),
            goal=goal,
            candidates=Candidates.best_of(penalty, coef, intercept, evaluation, everyone),
        )

    def step(
        self, datafit: SelectiveDatafit, penalty: ElasticNet, state: ScreeningState
    ) -> ScreeningState:
        chosen = state.paths.next_problems(penalty.alpha, state.length)
        free = penalty.is_free(datafit.n_features)
        most = datafit.most_columns
        few, used = _affordable(state, chosen, free, min(most, MOST_GRAM))
        if 2 * int(used.sum()) > MOST_GRAM:
            few, used = _affordable(state, chosen, free, most)
        else:
            most = min(most, MOST_GRAM)
        chosen = few
        columns = self._columns(penalty, state, chosen, used, most)
        coef, intercept = self._solve(datafit, penalty, state, chosen, columns)
        evaluation = datafit.value_and_grad(coef, intercept, chosen, precise=True)
        one = penalty.take(chosen)
        found = Candidates.best_of(one, coef, intercept, evaluation, np.arange(len(chosen)))
        target = state.goal.tol * state.goal.null_value[chosen]
        done = found.objective - found.bound <= target
        entry, reached = _seen_from(state, one, chosen, evaluation.grad, done)
        held, held_intercept = _passed_on(state, penalty.alpha, chosen, coef, intercept)
        length = min(2 * state.length, 50) if done.all() else state.length
        if not done.any():
            length = max(1, state.length // 2)
        n_iter = state.n_iter.copy()
        n_iter[chosen] += 1
        return replace(
            state,
            coef=held,
            intercept=held_intercept,
            entry=entry,
            reached=reached,
            working=columns,
            length=length,
            n_iter=n_iter,
            candidates=_spread(found, chosen, state),
        )

    def _columns(
        self,
        penalty: ElasticNet,
        state: ScreeningState,
        chosen: npt.NDArray[np.intp],
        used: npt.NDArray[np.bool_],
        most: int,
    ) -> npt.NDArray[np.bool_]:
        new = max(LEAST_NEW, int(used.sum())) if self.n_columns is None else self.n_columns
        wanted = wanted_columns(state.entry, state.reached, state.paths, penalty.alpha, chosen)
        return _limited(used, wanted, new, most, state.working)

    def _solve(
        self,
        datafit: SelectiveDatafit,
        penalty: ElasticNet,
        state: ScreeningState,
        chosen: npt.NDArray[np.intp],
        columns: npt.NDArray[np.bool_],
    ) -> tuple[Float, Float]:
        """Solve the chosen problems on some columns; coefficients of all columns come back."""
        members = np.flatnonzero(columns)
        part = datafit.restricted(members).take(chosen)
        solver = self.inner if self.inner is not None else _inner(part)
        solution = solve(
            solver,
            part,
            penalty.restricted(members).take(chosen),
            tol=max(INNER * state.goal.tol, SMALLEST_TOL),
            max_iter=MAX_INNER,
            start=(state.coef[members][..., chosen], state.intercept[:, chosen]),
        )
        coef = np.zeros((datafit.n_features, state.coef.shape[1], len(chosen)))
        coef[members] = solution.coef
        return coef, solution.intercept


def _inner(part: SelectiveDatafit) -> Solver:
    """A solver for columns in memory: with a Gram matrix of few of them, else of first order.

    A Hessian of so many columns costs as much as hundreds of gradients.
    """
    if part.n_features > MOST_GRAM:
        return Fista()
    return Gram() if getattr(part, "quadratic", False) else QuasiNewton()


def _affordable(
    state: ScreeningState,
    chosen: npt.NDArray[np.intp],
    free: npt.NDArray[np.bool_],
    most: int,
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Return the problems of as many paths as leave half of the memory for new columns, at least
    those of one, and the columns that they use."""
    used, kept = free, np.zeros(len(chosen), dtype=bool)
    own = state.paths.which[chosen]
    for path in np.unique(own):
        here = own == path
        union = used | (state.coef[..., chosen[here]] != 0.0).any(axis=(1, 2))
        if kept.any() and 2 * int(union.sum()) > most:
            break
        used, kept = union, kept | here
    return chosen[kept], used


def _limited(
    used: npt.NDArray[np.bool_],
    wanted: Float,
    new: int,
    most: int,
    before: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """Return the columns in use and the best of those that are wanted, ``wanted`` high first.

    Raises
    ------
    CompatibilityError
        The columns in use alone do not fit.
    """
    n_used = int(used.sum())
    if n_used >= most < len(used):
        raise CompatibilityError(
            f"BatchScreening: {n_used} columns are in use at once, but memory holds {most}: raise "
            "memory_limit, stop the path at larger alphas, or use Fista"
        )
    room = min(new, most - n_used)
    score = np.where(used, -np.inf, wanted)
    order = np.argsort(-score, kind="stable")[:room]
    columns = used.copy()
    columns[order[score[order] > 0.0]] = True
    # A gather that is at hand and holds them all is better than a smaller one.
    return before if (before | ~columns).all() and before.any() else columns


def _seen_from(
    state: ScreeningState,
    penalty: ElasticNet,
    chosen: npt.NDArray[np.intp],
    grad: Float,
    done: npt.NDArray[np.bool_],
) -> tuple[Float, Float]:
    """Entry alphas of each path from its smallest certified alpha, else from the first tried.

    Columns that violate the conditions of a problem that was not certified enter for certain.
    """
    entry, reached = state.entry.copy(), state.reached.copy()
    enter = entry_alpha(penalty, grad)
    own = state.paths.which[chosen]
    for path in np.unique(own):
        here = np.flatnonzero(own == path)
        here = here[np.argsort(-penalty.alpha[here], kind="stable")]
        prefix = here[np.cumprod(done[here]).astype(bool)]
        last = prefix[-1] if prefix.size else here[0]
        entry[:, path], reached[path] = enter[:, last], penalty.alpha[last]
        for missed in here[~done[here]]:
            short = enter[:, missed] > penalty.alpha[missed]
            entry[short, path] = np.maximum(entry[short, path], reached[path])
    return entry, reached


def _passed_on(
    state: ScreeningState,
    alpha: Float,
    chosen: npt.NDArray[np.intp],
    coef: Float,
    intercept: Float,
) -> tuple[Float, Float]:
    """Keep the solutions of a round; problems to come start from the nearest larger alpha."""
    held, held_intercept = state.coef.copy(), state.intercept.copy()
    held[..., chosen], held_intercept[:, chosen] = coef, intercept
    own = state.paths.which[chosen]
    for path in np.unique(own):
        tried = chosen[own == path]
        last = tried[np.argmin(alpha[tried])]
        later = np.flatnonzero((state.paths.which == path) & (alpha < alpha[last]))
        held[..., later] = held[..., [last]]
        held_intercept[:, later] = held_intercept[:, [last]]
    return held, held_intercept


def _spread(found: Candidates, chosen: npt.NDArray[np.intp], state: ScreeningState) -> Candidates:
    """Candidates of all problems; of those that waited, nothing new is known."""
    n_problems = state.n_iter.size
    objective, violation = np.full(n_problems, np.inf), np.full(n_problems, np.inf)
    bound = np.full(n_problems, -np.inf)
    coef, intercept = np.zeros_like(state.coef), state.intercept.copy()
    coef[..., chosen], intercept[:, chosen] = found.coef, found.intercept
    objective[chosen], bound[chosen] = found.objective, found.bound
    violation[chosen] = found.violation
    return Candidates(coef, intercept, objective, bound, violation)
