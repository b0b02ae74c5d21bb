"""Paths of alphas on many resamples of the rows, solved side by side in shared passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.datafit import Datafit
from daskreg.penalties import ElasticNet, alpha_max
from daskreg.problems import AlphaUnit, Problems
from daskreg.solvers import SOLVERS, Solution, Status, solve

from ._choose import Choice, Task, choose
from ._planning import prepare
from ._solve import Settings, _penalty

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
    n_alphas : int
    from_resamples : bool
        Alphas that are fractions refer to the largest alpha_max of the resamples, at which none
        of them selects anything; else to that of all rows.

    Attributes
    ----------
    choice : Choice
        The solver.
    alphas : ndarray, shape (n_alphas,)
        Per weighted mean of the loss.

    Raises
    ------
    MemoryPlanError
        Not even one problem at a time fits.
    """

    def __init__(
        self, design: Any, settings: Settings, n_alphas: int, *, from_resamples: bool = False
    ) -> None:
        settings = replace(settings, limits=settings.limits.begun(design))
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
        assert len(self.alphas) == n_alphas

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
        that they ended in is the last one.

        Raises
        ------
        KeyboardInterrupt
            Where the solver was interrupted.
        """
        n = self._n_resamples
        length = max(1, self._width // n)
        last: tuple[Float, Float] | None = None
        for first in range(0, len(self.alphas), length):
            alphas = np.arange(first, min(first + length, len(self.alphas)))
            columns = np.arange(n * first, n * (alphas[-1] + 1))
            start = None
            if last is not None:
                start = np.tile(last[0], len(alphas)), np.tile(last[1], len(alphas))
            solution = self._solved(columns, start)
            if Status.INTERRUPTED in solution.status:
                raise KeyboardInterrupt("stopped before all resamples were solved")
            last = solution.coef[..., -n:], solution.intercept[..., -n:]
            part = self.datafit.take(columns)
            coef, intercept = part.to_original(solution.coef, solution.intercept)
            yield Chunk(
                alphas,
                coef[:, 0].reshape(-1, len(alphas), n),
                intercept[0].reshape(len(alphas), n),
                solution,
            )
            if self.settings.limits.spent:
                return

    def _solved(self, columns: npt.NDArray[np.intp], start: tuple[Float, Float] | None) -> Solution:
        """Solve some problems, as many at a time as the plan allows."""
        settings = self.settings
        parts, places = [], []
        for first in range(0, len(columns), self._width):
            own = np.arange(first, min(first + self._width, len(columns)))
            given = self.choice.solver
            parts.append(
                solve(
                    SOLVERS[self.choice.name]() if given is None else given,
                    self.datafit.take(columns[own]),
                    self._penalty.take(columns[own]),
                    tol=settings.tol,
                    max_iter=settings.max_iter,
                    callbacks=settings.callbacks,
                    max_passes=settings.limits.passes_left,
                    deadline=settings.limits.seconds_left,
                    start=None if start is None else (start[0][..., own], start[1][..., own]),
                )
            )
            places.append(own)
        return parts[0] if len(parts) == 1 else Solution.joined(parts, places)


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
