"""The loop, written once: a solver is frozen settings with ``init`` and ``step``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import partial
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from daskreg._array import places
from daskreg._typing import AnyArray, Float
from daskreg.events import ended_by
from daskreg.exceptions import WorkersLostError
from daskreg.penalties import ElasticNet

from .budget import Budget, budget_of
from .protocols import Datafit
from .record import Record
from .results import Candidates, Goal, Progress, Solution, Status
from .resuming import Checkpoint, ended_with, ending_of, restored, snapshot_of, stage_of


class State(Protocol):
    """Where a solver stands: frozen arrays, problems on the last axis.

    ``short_of_memory`` (n_problems,), optional: problems that cannot go on for want of it.
    """

    @property
    def candidates(self) -> Candidates: ...
    @property
    def n_iter(self) -> npt.NDArray[np.intp]: ...
    @property
    def exhausted(self) -> npt.NDArray[np.bool_]:
        """Problems that this solver cannot improve any further at machine precision."""

    def take(self, columns: AnyArray) -> Any:
        """The state of some of the problems."""


class Callback(Protocol):
    """What the loop tells after every step; an exception it raises ends the fit."""

    def on_iteration(self, event: Progress) -> bool | None:
        """True asks for an end with the best iterates so far; anything else goes on."""


class Solver(ABC):
    """A method: frozen settings, no data.

    ``init`` and ``step`` each make at most the passes that the solver's docstring states, and
    leave what the latest pass has seen in ``state.candidates``.
    """

    name: ClassVar[str]

    @abstractmethod
    def check(self, datafit: Any, penalty: ElasticNet) -> None:
        """Raise ``CompatibilityError`` naming what is missing; makes no pass."""

    def prepare(self, datafit: Any) -> None:  # noqa: B027 - most solvers need nothing
        """Make the first pass in the form that this solver wants, before null values are asked."""

    @abstractmethod
    def init(
        self, datafit: Any, penalty: ElasticNet, start: tuple[Float, Float] | None, goal: Goal
    ) -> Any:
        """Evaluate the start: ``(coef, intercept)``, or the null model."""

    @abstractmethod
    def step(self, datafit: Any, penalty: ElasticNet, state: Any) -> Any:
        """One iteration of every problem in ``state``."""


def solve(
    solver: Solver,
    datafit: Datafit,
    penalty: ElasticNet,
    *,
    tol: float = 1e-6,
    max_iter: int = 1000,
    start: tuple[Float, Float] | None = None,
    callbacks: Iterable[Callback] = (),
    null_value: npt.ArrayLike | None = None,
    max_passes: int | None = None,
    deadline: float | None = None,
    checkpoint: Checkpoint | None = None,
) -> Solution:
    r"""Minimise datafit plus penalty for every problem.

    A problem ends when its relative gap, ``(best P - best D) / P(null)``, is at most ``tol``.
    Best P and best D are taken over everything the passes evaluated.  Where no lower bound exists
    (unpenalised columns without a projection), or there is no penalty at all, it may end when the
    largest violation of the optimality conditions, the intercept's gradient included, is at most
    ``tol`` times the largest entry of the null gradient; both have the unit of the gradient in
    solver coordinates.  Ended problems take no part in later passes.

    Parameters
    ----------
    solver : Solver
    datafit : Datafit
    penalty : ElasticNet
        One alpha per problem.
    tol : float
        Relative gap (no unit) to reach; bounds the objective, not the coefficients.
    max_iter : int
        Iterations per problem, in the solver's unit.
    start : tuple of (coef, intercept), optional
        Shapes (n_features, n_outputs, n_problems) and (n_outputs, n_problems), solver
        coordinates.  Default: coefficients 0 and the optimal intercept.
    callbacks : iterable of Callback
    null_value : array of shape (n_problems,), optional
        P(null); default ``datafit.null_value``.  A problem with 0 there has solution 0.
    max_passes : int, optional
        Passes over X after which no iteration starts.  The start is evaluated in any case.
    deadline : float, optional
        Seconds from now after which no iteration starts.
    checkpoint : Checkpoint, optional
        Keeps where the loop stands after each step, or has kept it.

    Returns
    -------
    Solution
        Problems that did not converge have a status that says so, with their best iterates, which
        a later call can take as ``start``.  After a KeyboardInterrupt, or where a cluster is lost
        while events are collected, the best iterates come back with status 'interrupted', and the
        caller decides what to do; before the first pass has ended there is nothing to return, and
        it propagates.

    Raises
    ------
    CompatibilityError
        Before the first pass, naming what is missing.
    ValueError
        For a ``tol``, ``max_iter`` or ``deadline`` below zero, a ``max_passes`` below one, shapes
        that do not fit, or a ``null_value`` that is not finite.

    Notes
    -----
    A solve within a step of another one, as of the columns in use, ends where that one's passes or
    time do, and an interrupt of it ends both.  A checkpoint does not keep the step that was cut
    short so: it is made again.
    """
    _validate(datafit, penalty, tol, max_iter, start)
    budget = budget_of(datafit, max_passes, deadline)
    solver.check(datafit, penalty)
    wanted = tol, max_iter, null_value
    return _run(solver, datafit, penalty, wanted, start, tuple(callbacks), budget, checkpoint)


def _run(
    solver: Solver,
    datafit: Datafit,
    penalty: ElasticNet,
    wanted: tuple[float, int, npt.ArrayLike | None],
    start: tuple[Float, Float] | None,
    callbacks: tuple[Callback, ...],
    budget: Budget,
    checkpoint: Checkpoint | None,
) -> Solution:
    """The loop; ``wanted`` are tol, max_iter and null_value."""
    tol, max_iter, null_value = wanted
    stage = stage_of(checkpoint, solver, datafit)
    if stage.ending is not None:
        return ended_with(stage.ending, callbacks)
    solver.prepare(datafit)
    null = np.asarray(datafit.null_value if null_value is None else null_value, dtype=np.float64)
    if null.shape != (datafit.n_problems,):
        null = np.broadcast_to(null, (datafit.n_problems,))
    if not np.isfinite(null).all():
        raise ValueError(f"P(null) must be finite, got {null[~np.isfinite(null)][0]}")
    record = Record(datafit, penalty, tol, max_iter, null)
    record.settle_null(places(null <= 0))
    record.n_passes += budget.spent

    active = places(null > 0)
    n_iter = 0
    state: State | None = None
    snapshot = stage.recall()
    if snapshot is not None:
        active, state, n_iter = restored(snapshot, record, callbacks)
    parts = _take(datafit, penalty, active)
    finished = False
    try:
        while active.size:
            before = budget.spent
            with budget.step():
                if state is None:
                    goal = Goal(tol, max_iter, null[active])
                    state = solver.init(*parts, _take_start(start, active), goal)
                else:
                    state = solver.step(*parts, state)
                    n_iter += 1
            record.n_passes[active] += budget.spent - before
            ended = record.update(active, state, budget.cut)
            event = record.progress(n_iter, budget.spent, int((~ended).sum()))
            # Every callback hears of every step, whoever asks for an end.
            stop = [callback.on_iteration(event) is True for callback in callbacks]
            why = Status.STOPPED if any(stop) else budget.exhausted
            if ended.any():
                keep = places(~ended)
                active = active[keep]
                if keep.size:
                    parts = _take(*parts, keep)
                if keep.size or checkpoint is not None:  # which keeps the state of nobody, too
                    state = state.take(keep)
            if why is not Status.STOPPED and not budget.cut:
                # A callback that stopped here is to be asked again, about the same step; a step
                # that was cut short is to be made again, whole: the same bits as if it had not.
                stage.commit(partial(snapshot_of, record, active, state, n_iter, callbacks))
            if why is not None:
                budget.end_early()
                stage.suspend()
                record.end(why)
                break
        else:
            finished = True
            if budget.exhausted is None:
                record.close(datafit)
    except (KeyboardInterrupt, WorkersLostError) as error:
        if state is None or not ended_by(error):
            raise
        budget.interrupt()
        stage.suspend()
        record.end(Status.INTERRUPTED)
    solution = record.solution(budget.spent)
    if finished:
        stage.finish(ending_of(solution, callbacks))
    return solution


def _validate(
    datafit: Datafit,
    penalty: ElasticNet,
    tol: float,
    max_iter: int,
    start: tuple[Float, Float] | None,
) -> None:
    if not tol >= 0 or max_iter < 0:
        raise ValueError(f"tol and max_iter must be >= 0, got tol={tol!r}, max_iter={max_iter!r}")
    n_problems = datafit.n_problems
    if penalty.n_problems != n_problems:
        raise ValueError(f"penalty has {penalty.n_problems} problems, the datafit {n_problems}")
    penalty.check(datafit.n_features)
    if start is None:
        return
    shapes = (datafit.n_features, datafit.n_outputs, n_problems), (datafit.n_outputs, n_problems)
    came = np.shape(start[0]), np.shape(start[1])
    if came != shapes:
        raise ValueError(f"start must have the shapes {shapes}, got {came}")


def _take(datafit: Datafit, penalty: ElasticNet, columns: AnyArray) -> tuple[Datafit, ElasticNet]:
    if len(columns) == datafit.n_problems:
        return datafit, penalty
    return datafit.take(columns), penalty.take(columns)


def _take_start(start: tuple[Float, Float] | None, columns: AnyArray) -> tuple[Float, Float] | None:
    if start is None:
        return None
    coef, intercept = start
    return np.asarray(coef)[..., columns], np.asarray(intercept)[..., columns]
