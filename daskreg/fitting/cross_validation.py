"""Cross-validation as one batch: every alpha, l1_ratio, target and fold is a column of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.events import current_log
from daskreg.exceptions import DaskregError
from daskreg.problems import AlphaUnit, Problems
from daskreg.solvers import Solution, Status

from .known import Known
from .settings import Fitted, Settings
from .solve import fit_problems

#: Ends that are not a problem's own, the most urgent first.
CUT = (
    Status.INTERRUPTED,
    Status.STOPPED,
    Status.DEADLINE,
    Status.MAX_PASSES,
    Status.MEMORY,
)


@dataclass(frozen=True)
class Grid:
    """Training sets x targets x l1_ratios x alphas, in this order of the problems.

    The first training set is all rows, those of the folds follow: what is kept of the batch is
    in its first part, and no refit is needed.

    Attributes
    ----------
    alpha : ndarray, shape (n_alphas,)
        In ``alpha_unit``; shared by all training sets, targets and l1_ratios.
    l1_ratio : ndarray, shape (n_l1_ratio,)
    n_folds, n_targets : int
    alpha_unit : {"mean", "sum", "fraction"}
        As in :class:`Problems`; a "fraction" is one of alpha_max of all rows.
    """

    alpha: Float
    l1_ratio: Float
    n_folds: int
    n_targets: int = 1
    alpha_unit: AlphaUnit = "mean"

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Training sets (all rows, then folds), targets, l1_ratios, alphas."""
        return 1 + self.n_folds, self.n_targets, len(self.l1_ratio), len(self.alpha)

    def problems(self) -> Problems:
        """The whole batch."""
        axes = np.arange(-1, self.n_folds), np.arange(self.n_targets), self.l1_ratio, self.alpha
        grid: list[Any] = [axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")]
        fold, output, ratio, alpha = grid
        return Problems(alpha, ratio, output, fold=fold, alpha_unit=self.alpha_unit)

    def axes(self, values: AnyArray) -> AnyArray:
        """Return values with problems on the last axis with the axes of ``shape`` instead."""
        return values.reshape(*values.shape[:-1], *self.shape)

    def kept(self, chosen: AnyArray) -> npt.NDArray[np.intp]:
        """Return the problems of all rows at places (l1_ratio, alpha) of each target, (T,)."""
        place = np.zeros(self.n_targets, dtype=np.intp), np.arange(self.n_targets), *chosen.T
        return np.asarray(np.ravel_multi_index(place, self.shape), dtype=np.intp)


@dataclass(frozen=True)
class Validated:
    """A batch that is solved and scored.

    Attributes
    ----------
    grid : Grid
    fitted : Fitted
        Every problem, in the order of the grid.
    scores : ndarray, shape (n_folds, n_targets, n_l1_ratio, n_alphas)
        On the held-out rows of each fold, weighted within a fold.
    chosen : ndarray of int, shape (n_targets, 2)
        Places of the l1_ratio and the alpha of each target.
    kept : Fitted
        The chosen problem of each target, fitted on all rows.
    cut : Status or None
        What kept some combinations from the choice: passes, time or an interruption.
    n_complete : int
        Combinations of target, l1_ratio and alpha that were chosen among.
    """

    grid: Grid
    fitted: Fitted
    scores: Float
    chosen: npt.NDArray[np.intp]
    kept: Fitted
    cut: Status | None = None
    n_complete: int = 0

    @property
    def alpha(self) -> Float:
        """Per weighted mean of the loss, of the problems of all rows, shape (T, R, A)."""
        return np.asarray(self.grid.axes(self.fitted.alpha)[0])


def validate(
    design: Any,
    settings: Settings,
    grid: Grid,
    score: Callable[[Any, Fitted], Float],
    choose: Callable[[Float, Float], npt.NDArray[np.intp]],
    start: Known | None = None,
) -> Validated:
    """Solve a whole grid as one batch, score it on held-out rows and keep a problem a target.

    Parameters
    ----------
    design : Design
        With the groups that the folds need.
    settings : Settings
        With the folds; its problems are those of the grid.
    grid : Grid
    score : callable
        Of the design and every fitted problem; shape (n_problems,), NaN for those of all rows.
    choose : callable
        From scores (n_folds, n_targets, n_l1_ratio, n_alphas) and alphas per weighted mean of
        the loss (n_targets, n_l1_ratio, n_alphas) to places of each target, (n_targets, 2).
        Scores are NaN of what is not to be chosen.
    start : Known, optional
        Models that problems begin from.

    Raises
    ------
    KeyboardInterrupt, DaskregError
        Where the solver was interrupted, or passes or time ran out, before any combination was
        solved that could be scored.
    """
    fitted = fit_problems(design, replace(settings, problems=grid.problems()), start)
    usable, cut = _usable(grid, fitted.solution)
    scores = np.array(grid.axes(score(design, fitted))[1:])
    scores[:, ~usable] = np.nan
    chosen = choose(scores, np.asarray(grid.axes(fitted.alpha)[0]))
    kept = fitted.take(grid.kept(chosen))
    return Validated(grid, fitted, scores, chosen, kept, cut, int(usable.sum()))


def _usable(grid: Grid, solution: Solution) -> tuple[npt.NDArray[np.bool_], Status | None]:
    """Return the combinations to choose among, (T, R, A), and what kept others from it.

    These are the ones that came to an end of their own on all rows and on all folds.  Where
    passes or time ran out before there was one, they are all that were begun: the best iterates.
    """
    status = grid.axes(solution.status)
    ended: npt.NDArray[np.bool_] = np.asarray(~np.isin(status, CUT).any(axis=0))
    if ended.all():
        return ended, None
    cut = next(why for why in CUT if why in status)
    if ended.any(axis=(1, 2)).all():
        return ended, cut
    begun: npt.NDArray[np.bool_] = np.asarray(
        np.isfinite(grid.axes(solution.objective)).all(axis=0)
    )
    if cut is Status.INTERRUPTED:
        raise current_log().interruption(
            "cross-validation: stopped before any alpha was solved on all rows and all folds; "
            "nothing was chosen"
        )
    if not begun.any(axis=(1, 2)).all():
        raise DaskregError(
            f"cross-validation: {cut} was reached before any alpha was looked at on all rows and "
            "all folds, nothing can be chosen: allow more, or raise memory_limit for fewer slices"
        )
    return begun, None if begun.all() else cut


def squared_error(design: Any, fitted: Fitted) -> Float:
    """Return the held-out mean squared error of each problem, (K,), NaN for those of all rows.

    From the sums of the first pass, if a solver has asked for Gram matrices; else, or where their
    rounding leaves too few digits, from one pass.
    """
    datafit = fitted.datafit
    coef, intercept = fitted.coef.T[:, None, :], fitted.intercept[None, :]
    error = datafit.held_out_error(coef, intercept)
    if error is None:
        error = np.full(len(fitted.coef), np.nan)
    fold = datafit.problems.fold
    open_ones = np.flatnonzero(np.isnan(error) & (fold >= 0))
    error[open_ones] = held_out(fitted, open_ones, coef, intercept, "mse")
    return np.asarray(error)


def held_out(
    fitted: Fitted, columns: npt.NDArray[np.intp], coef: Float, intercept: Float, metric: str
) -> Float:
    """Score some problems on the test rows of their folds, shape (m,): one pass, if it has room.

    Parameters
    ----------
    fitted : Fitted
    columns : ndarray of int, shape (m,)
    coef, intercept : ndarray, shapes (p, n_outputs, K) and (n_outputs, K)
        Of all problems, in the units of X.
    metric : str
        One that the settings of the fit have named.
    """
    scores = np.empty(len(columns))
    width = max(1, fitted.scored_at_once)
    for first in range(0, len(columns), width):
        own = columns[first : first + width]
        part = fitted.datafit.take(own)
        found = part.held_out_scores(coef[..., own], intercept[:, own], (metric,))
        scores[first : first + width] = found[metric]
    return scores
