"""Paths of alphas on many resamples of the rows, solved side by side in shared passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.datafit import Datafit
from daskreg.events import current_log, ended_by
from daskreg.exceptions import WorkersLostError
from daskreg.penalties import ElasticNet, alpha_max
from daskreg.problems import AlphaUnit, Problems
from daskreg.solvers import SOLVERS, Solution, Status, solve

from .choose import Choice, Task, choose
from .known import Known
from .planning import prepare
from .settings import Settings
from .solve import _penalty
from .watching import begun

#: Problems that are solved together: enough to share passes, few enough for the products of a row.
MOST_COLUMNS = 1024
#: Bytes that the Gram matrices of all resamples may take before they share one.
MOST_GRAM_BYTES = 64 << 20
#: How much larger alpha_max of half of the rows may well be: the square of what noise gives.
HALF = 2.0


@dataclass(frozen=True)
class Chunk:
    """A run of alphas, solved on every resample.

    Attributes
    ----------
    alphas : ndarray of int, shape (m,)
        Places on the grid.
    coef : ndarray, shape (n_features, m, n_resamples)
        In the units of X.
    intercept : ndarray, shape (m, n_resamples)
    solution : Solution
        Of the problems, ordered by alpha, then resample.
    """

    alphas: npt.NDArray[np.intp]
    coef: Float
    intercept: Float
    solution: Solution


class ResampledPath:
    """The same alphas on every resample; the first pass and one metric serve them all.

    Parameters
    ----------
    design : Design
    settings : Settings
        Its ``problems`` are those of :func:`path_problems`, its ``resamples`` are given.
    from_resamples : bool
        Alphas that are fractions refer to the largest alpha_max of the resamples, at which none
        of them selects anything; else to that of all rows.
    start : Known, optional
        Models that the first alphas begin from.

    Attributes
    ----------
    choice : Choice
        The solver.
    alphas : ndarray, shape (n_alphas,)
        Per weighted mean of the loss.
    n_solved : int
        Alphas that are done with, from the largest on.
    n_iter : int
        Most iterations of a problem so far.
    worst : Solution
        Of the first chunk with a problem that did not converge, else the latest one.
    interrupted : bool
        Whether the solver was stopped from outside.

    Raises
    ------
    MemoryPlanError
        Not even one problem at a time fits.
    """

    def __init__(
        self,
        design: Any,
        settings: Settings,
        *,
        from_resamples: bool = False,
        start: Known | None = None,
    ) -> None:
        settings = begun(settings, design)
        self.settings = settings
        self._n_resamples = settings.resamples.n
        self.choice, own_grams = _choice(design, settings)
        self.datafit = Datafit(
            design,
            settings.loss,
            settings.problems,
            resamples=settings.resamples,
            fit_intercept=settings.fit_intercept,
            standardize=settings.standardize,
            class_weight=settings.class_weight,
            tol=settings.tol,
            plain_gram=not own_grams,
        )
        together = self.datafit.take(np.arange(min(self.datafit.n_problems, MOST_COLUMNS)))
        self._width = prepare(design, together, self.choice, settings)[1].problems
        if own_grams:
            self.datafit.grams()
        elif self.choice.method == "quasi_newton":
            self.datafit.metric()
        self._penalty: ElasticNet = _penalty(self.datafit, settings)
        if from_resamples and settings.problems.alpha_unit == "fraction":
            self._penalty = self._from_resamples()
        self.alphas: Float = np.array(self._penalty.alpha[:: self._n_resamples])
        self._known = start
        self.n_solved = self.n_iter = 0
        self.worst: Solution | None = None
        self.interrupted = False

    def _from_resamples(self) -> ElasticNet:
        """The penalty with the largest alpha at alpha_max of the resample that has the largest."""
        problems, weight = self.settings.problems, self.settings.penalty_weight
        one_each = np.arange(self._n_resamples)
        if weight is not None and not weight.all():
            # What resamples leave after their unpenalised columns would take a fit of each.
            largest = HALF * float(self._penalty.alpha.max())
        else:
            grad = self.datafit.take(one_each).null_grad
            ratio = problems.l1_ratio[one_each]
            largest = float(alpha_max(grad, ratio, weight, self.settings.positive).max())
        return replace(self._penalty, alpha=problems.alpha * largest)

    def chunks(self) -> Iterator[Chunk]:
        """Solve runs of alphas in their order, each from the end of the run before it.

        Who has seen enough need not ask for the rest.  Where passes or time have run out the run
        that they ended in is the last one; where the solver was interrupted it is cut after the
        last alpha that was solved on all resamples.

        Raises
        ------
        KeyboardInterrupt
            Where the solver was interrupted before there was such an alpha.
        """
        n = self._n_resamples
        length = max(1, self._width // n)
        last: tuple[Float, Float] | None = None
        for first in range(0, len(self.alphas), length):
            alphas = np.arange(first, min(first + length, len(self.alphas)))
            columns = np.arange(n * first, n * (alphas[-1] + 1))
            start = self._first_start(columns)
            if last is not None:
                start = np.tile(last[0], len(alphas)), np.tile(last[1], len(alphas))
            solution = self._solved(columns, start)
            if solution is not None:
                last = solution.coef[..., -n:], solution.intercept[..., -n:]
                self._note(solution)
                yield self._chunk(first, solution)
            if self.interrupted and not self.n_solved:
                raise current_log().interruption(
                    "stopped before any alpha was solved on all resamples: nothing is kept"
                )
            if self.interrupted or self.settings.limits.spent:
                return

    def _first_start(self, columns: npt.NDArray[np.intp]) -> tuple[Float, Float] | None:
        """Where the first run of alphas begins: at given models, in solver coordinates."""
        if self._known is None:
            return None
        part = self.datafit.take(columns)
        alpha, classes = self._penalty.alpha[columns], self.datafit.first().classes
        found = self._known.columns(part.problems, alpha, classes)
        return None if found is None else part.to_solver(*found)

    def _note(self, solution: Solution) -> None:
        self.n_solved += len(solution.status) // self._n_resamples
        self.n_iter = max(self.n_iter, int(solution.n_iter.max()))
        if self.worst is None or self.worst.converged.all():
            self.worst = solution

    def _chunk(self, first: int, solution: Solution) -> Chunk:
        n = self._n_resamples
        m = len(solution.status) // n
        part = self.datafit.take(np.arange(n * first, n * (first + m)))
        coef, intercept = part.to_original(solution.coef, solution.intercept)
        return Chunk(
            np.arange(first, first + m),
            coef[:, 0].reshape(-1, m, n),
            intercept[0].reshape(m, n),
            solution,
        )

    def _solved(
        self, columns: npt.NDArray[np.intp], start: tuple[Float, Float] | None
    ) -> Solution | None:
        """Solve some problems, as many at a time as the plan allows.

        Of an interrupted run the leading alphas are returned of which nothing was interrupted;
        None: there is none.
        """
        parts, places = [], []
        for first in range(0, len(columns), self._width):
            own = np.arange(first, min(first + self._width, len(columns)))
            begin = None if start is None else (start[0][..., own], start[1][..., own])
            try:
                parts.append(self._solved_part(columns[own], begin))
            except (KeyboardInterrupt, WorkersLostError) as error:
                # Before the first pass over this part had ended.
                if not ended_by(error):
                    raise
                self.interrupted = True
                break
            places.append(own)
            if current_log().interrupted or Status.INTERRUPTED in parts[-1].status:
                self.interrupted = True
                break
        if not parts:
            return None
        solution = parts[0] if len(parts) == 1 else Solution.joined(parts, places)
        if not self.interrupted:
            return solution
        stopped = np.flatnonzero(solution.status == Status.INTERRUPTED)
        n_ended = int(stopped[0]) if stopped.size else len(solution.status)
        n_whole = n_ended // self._n_resamples * self._n_resamples
        return solution.take(np.arange(n_whole)) if n_whole else None

    def _solved_part(
        self, columns: npt.NDArray[np.intp], start: tuple[Float, Float] | None
    ) -> Solution:
        settings, given = self.settings, self.choice.solver
        return solve(
            SOLVERS[self.choice.name]() if given is None else given,
            self.datafit.take(columns),
            self._penalty.take(columns),
            tol=settings.tol,
            max_iter=settings.max_iter,
            callbacks=settings.callbacks,
            max_passes=settings.limits.passes_left,
            deadline=settings.limits.seconds_left,
            start=start,
            checkpoint=self.datafit.design.journal,
        )


def path_problems(
    alphas: AnyArray, l1_ratio: float, n_resamples: int, alpha_unit: AlphaUnit
) -> Problems:
    """Every alpha on every resample, ordered by alpha, then resample."""
    return Problems.product(
        alpha=alphas, l1_ratio=l1_ratio, bootstrap=range(n_resamples), alpha_unit=alpha_unit
    )


def _choice(design: Any, settings: Settings) -> tuple[Choice, bool]:
    """Return the solver, and whether each resample has a Gram matrix of its own."""
    task = Task.of(design, settings)
    found = choose(settings.solver, task)
    need = 8 * (1 + settings.resamples.n) * design.n_features**2
    if found.name == "gram" and settings.solver == "auto" and need > MOST_GRAM_BYTES:
        # What one problem could do without passes many can do with one matrix and some passes.
        found = choose("quasi_newton", task)
        found = replace(found, reason="one Gram matrix is the metric of all resamples")
    return replace(found, fallback=False), found.method == "gram"
