"""What the loop remembers: per problem the best point, the best bound and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._array import places
from daskreg._pages import put, taken, zeros
from daskreg._typing import AnyArray, Float
from daskreg.penalties import ElasticNet

from .protocols import Datafit
from .results import Progress, Solution, Status

EPS = float(np.finfo(np.float64).eps)
#: Steps without any improvement above rounding after which a problem counts as stalled.
PATIENCE = 100
#: What the passes have told, by name.
SEEN = (
    *("coef", "intercept", "objective", "bound", "violation", "least_violation"),
    *("n_iter", "n_passes", "idle", "status", "by_violation"),
)


class Record:
    """The best of everything that the passes have seen, updated in place by the loop.

    The arrays have the problems on their last axis; ``status`` is None while a problem runs.
    """

    def __init__(
        self, datafit: Datafit, penalty: ElasticNet, tol: float, max_iter: int, null_value: Float
    ) -> None:
        n_problems = datafit.n_problems
        self.penalty, self.tol, self.max_iter, self.null_value = penalty, tol, max_iter, null_value
        null_grad = np.abs(datafit.null_grad).max(axis=(0, 1), initial=0.0)
        #: Unit of the violation; 1 where the null gradient vanishes.
        self.scale = np.where(null_grad > 0, null_grad, 1.0)
        self.coef: Float = zeros((datafit.n_features, datafit.n_outputs, n_problems))
        shape = datafit.n_outputs, n_problems
        self.intercept: Float = np.full(shape, datafit.null_intercept, dtype=float)
        self.objective: Float = np.full(n_problems, np.inf)
        self.bound: Float = np.full(n_problems, -np.inf)
        self.violation: Float = np.full(n_problems, np.inf)
        self.least_violation: Float = np.full(n_problems, np.inf)
        self.n_iter = np.zeros(n_problems, dtype=np.intp)
        self.n_passes = np.zeros(n_problems, dtype=np.intp)
        self.idle = np.zeros(n_problems, dtype=np.intp)
        self.status: npt.NDArray[Any] = np.full(n_problems, None, dtype=object)
        self.by_violation = np.zeros(n_problems, dtype=bool)
        self.unpenalised = ~(penalty.has_l1 | penalty.has_l2)

    def snapshot(self) -> dict[str, AnyArray]:
        """Return a copy of what has been seen so far."""
        return {name: getattr(self, name).copy() for name in SEEN}

    def restore(self, snapshot: Mapping[str, AnyArray]) -> None:
        """Go on from a snapshot of the same problems."""
        for name in SEEN:
            if snapshot[name].shape != getattr(self, name).shape:
                raise ValueError(f"a snapshot of other problems: the shape of {name} differs")
            setattr(self, name, snapshot[name].copy())

    def settle_null(self, problems: AnyArray) -> None:
        """A null model that fits perfectly is the solution: no pass can add anything."""
        self.objective[problems] = self.bound[problems] = self.violation[problems] = 0.0
        self.status[problems] = Status.CONVERGED

    def update(self, active: AnyArray, state: Any, cut: bool = False) -> npt.NDArray[np.bool_]:
        """Take in the latest candidates; return which of the active problems have ended.

        A step that was ``cut`` short has not exhausted its solver.
        """
        new = state.candidates
        objective, violation = self.objective[active], self.violation[active]
        slack = 4 * EPS * np.where(np.isfinite(new.objective), np.abs(new.objective), 0.0)
        bound = np.maximum(self.bound[active], new.bound)
        improved = (
            (new.objective < objective - slack)
            | (bound > self.bound[active] + slack)
            | (new.violation < 0.99 * self.least_violation[active])
        )
        with np.errstate(invalid="ignore"):
            tied = (new.objective <= objective + slack) & (new.violation < violation)
        settled = (
            self._stops_on_violation(active, bound)
            & np.isfinite(new.objective)
            & (new.violation <= self.tol * self.scale[active])
        )
        better = places((new.objective < objective) | tied | settled)
        where = active[better]
        if len(better):
            put(self.coef, where, taken(new.coef, better))
        self.intercept[..., where] = new.intercept[..., better]
        self.objective[where] = new.objective[better]
        self.violation[where] = new.violation[better]
        self.bound[active] = bound
        self.least_violation[active] = np.minimum(self.least_violation[active], new.violation)
        self.n_iter[active] = state.n_iter
        self.idle[active] = np.where(improved, 0, self.idle[active] + 1)
        short = getattr(state, "short_of_memory", np.zeros(active.size, dtype=bool))
        return self._end(active, settled, state.exhausted & (not cut), short)

    def _stops_on_violation(self, active: AnyArray, bound: Float) -> npt.NDArray[np.bool_]:
        """Whether a problem has no useful bound (without a penalty the valid one is no use)."""
        return np.asarray(~np.isfinite(bound) | self.unpenalised[active])

    def _end(
        self,
        active: AnyArray,
        settled: npt.NDArray[np.bool_],
        exhausted: npt.NDArray[np.bool_],
        short: npt.NDArray[np.bool_],
    ) -> npt.NDArray[np.bool_]:
        gap = self.relative_gap[active]
        closed = gap <= self.tol
        self.by_violation[active] = (settled | ~np.isfinite(gap)) & ~closed
        stalled = exhausted | (self.idle[active] >= PATIENCE) | (gap <= 8 * EPS)
        spent = self.n_iter[active] >= self.max_iter
        status = np.full(active.size, None, dtype=object)
        for reached, name in (
            (stalled, Status.STALLED),
            (spent, Status.MAX_ITER),
            (short, Status.MEMORY),
            (closed | settled, Status.CONVERGED),
        ):
            status[reached] = name
        self.status[active] = status
        return np.array([name is not None for name in status], dtype=bool)

    def end(self, status: Status) -> None:
        """Give the problems that still run this status; their best iterates stay."""
        running = [held is None for held in self.status]
        self.by_violation[running] = ~np.isfinite(self.relative_gap[running])
        self.status[running] = status

    @property
    def dual_gap(self) -> Float:
        """Best P minus best D, shape (n_problems,); inf or NaN without a bound."""
        with np.errstate(invalid="ignore"):
            return np.maximum(self.objective - self.bound, 0.0)

    @property
    def relative_gap(self) -> Float:
        return self.dual_gap / np.where(self.null_value > 0, self.null_value, 1.0)

    def progress(self, n_iter: int, n_passes: int, n_active: int) -> Progress:
        gap = self.relative_gap
        bounded = np.isfinite(gap)
        relative = (self.violation / self.scale)[~bounded]
        return Progress(
            n_iter=n_iter,
            n_passes=n_passes,
            gap=float(gap[bounded].max()) if bounded.any() else float("nan"),
            violation=float(relative.max()) if relative.size else float("nan"),
            objective=float(self.objective.sum()),
            n_nonzero=int(np.count_nonzero(self.coef)),
            n_active=n_active,
            solution=partial(self.solution, n_passes),
        )

    def close(self, datafit: Datafit) -> None:
        """Ask once, in one further pass, for the gaps that stopping could not use.

        ``datafit.closing_dual(penalty, coef, intercept) -> (C,)`` is optional: a bound from a
        dual point that is projected on the constraints of the unpenalised columns.
        """
        closing_dual = getattr(datafit, "closing_dual", None)
        open_ = places(self.by_violation & np.isfinite(self.objective))
        if closing_dual is None or not open_.size:
            return
        before = datafit.n_passes
        part = datafit if open_.size == datafit.n_problems else datafit.take(open_)
        bound = np.asarray(
            part.closing_dual(  # type: ignore[attr-defined]
                self.penalty.take(open_), self.coef[..., open_], self.intercept[..., open_]
            )
        )
        bound = np.where(np.isfinite(bound), bound, -np.inf)
        self.bound[open_] = np.maximum(self.bound[open_], bound)
        self.n_passes[open_] += datafit.n_passes - before

    def solution(self, n_passes: int) -> Solution:
        gap = np.where(np.isfinite(self.dual_gap), self.dual_gap, np.nan)
        relative = np.where(np.isfinite(gap), self.relative_gap, np.nan)
        return Solution(
            coef=self.coef,
            intercept=self.intercept,
            n_iter=self.n_iter,
            n_passes=n_passes,
            n_passes_each=self.n_passes,
            objective=self.objective,
            dual_gap=gap,
            relative_gap=relative,
            violation=self.violation,
            certificate=np.where(self.by_violation, "violation", "gap"),
            status=self.status,
        )
