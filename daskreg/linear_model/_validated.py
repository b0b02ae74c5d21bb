"""Estimators that choose their penalty by cross-validation: the fit that they share."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import replace
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from daskreg._callers import outside
from daskreg._typing import Float
from daskreg.events import EventLog
from daskreg.fitting.cross_validation import Grid, Validated, squared_error, validate
from daskreg.fitting.known import Known
from daskreg.fitting.settings import Fitted, Settings
from daskreg.select import choose
from daskreg.solvers import Status

from . import _params
from ._base import LinearModel
from ._checkpoint import checkpoint_of, kept
from ._folds import open_folds
from ._opening import opened
from ._paths import Paths
from ._report import warn_of_memory, warn_unconverged
from ._scikit_learn import ConvergenceWarning, is_classifier, with_callbacks
from ._start import known_models
from ._watching import watched

#: What ``selection`` may be, and the rule that it stands for.
RULES = {"best": "best", "1se": "one_standard_error"}


class CrossValidated(LinearModel, ABC):
    """A linear model whose penalty is chosen on held-out rows; all of it is one batch.

    Subclasses have the parameters ``cv`` and ``selection``.
    """

    #: There is nothing to start from: the path warms itself up.
    warm_start: ClassVar[bool] = False
    #: Whether larger scores are better ones.
    _greater_is_better: ClassVar[bool] = False

    @abstractmethod
    def _grid(self, settings: Settings, design: Any, n_folds: int) -> Grid:
        """The batch; no data is read."""

    @abstractmethod
    def _set_validated(self, found: Validated, *, flat: bool) -> None:
        """Set the attributes that cross-validation brings."""

    @property
    def _metrics(self) -> tuple[str, ...]:
        """What a pass over the held-out rows may be asked for."""
        return ("mse",)

    def _score(self, design: Any, fitted: Fitted) -> Float:
        """Held-out score of each problem, shape (n_problems,); NaN for those of all rows."""
        return squared_error(design, fitted)

    def _choose(self, scores: Float, alpha: Float) -> npt.NDArray[np.intp]:
        """Places (l1_ratio, alpha) of each target; alpha has shape (n_targets, R, A)."""
        places = [
            choose(
                scores[:, target],
                alpha[target],
                rule=RULES[self.selection],  # type: ignore[arg-type]
                greater_is_better=self._greater_is_better,
            ).index
            for target in range(scores.shape[1])
        ]
        return np.array(places, dtype=np.intp)

    def _validate(self, design: Any, start: Known | None) -> Validated:
        """Make the folds, solve, score and choose."""
        folds = open_folds(design, self.cv, classifier=self._one_column)
        settings = self._settings(design)
        settings = replace(settings, folds=folds, share_alpha_max=False, scores=self._metrics)
        grid = self._grid(settings, design, folds.n)
        return validate(design, settings, grid, self._score, self._choose, start)

    @with_callbacks
    def fit(  # rows to stop early on are for lone fits
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
        *,
        groups: Any = None,
        sample_dim: Any = None,
        feature_names: Any = None,
        start: Any = None,
        checkpoint: Any = None,
        checkpoint_every: float = 60.0,
        resume: bool | str = False,
    ) -> Any:
        """Fit every model of the grid on all rows and without each fold, and keep one.

        Parameters
        ----------
        X : array, data frame, store or path of shape (n_samples, n_features)
            numpy, scipy.sparse, pandas, polars, Dask, xarray, zarr, or the path of a .npy, .zarr,
            .parquet, .nc or .csv; nothing is copied whole.
        y : array of shape (n_samples,) or (n_samples, n_targets), or column name(s) of X
        sample_weight : array of shape (n_samples,) or column name, optional
            Not negative; also of the rows that a score is the mean of.
        offset : array of shape (n_samples,) or (n_samples, n_targets), or column name, optional
            Added to the linear predictor, in its unit.
        groups : array of shape (n_samples,) or column name, optional
            Which rows belong together, for folds that keep them so.
        sample_dim : str or list of str, optional
            The dimension(s) of an xarray X that are rows.
        feature_names : sequence of str, optional
            Names of the columns of an X without names; of tables, the columns to use.
        start : fitted model or path of one, optional
            To begin from: a daskreg model of the same columns, and of the same classes or targets.
            Of a model that was cross-validated in this process, each problem begins at the nearest
            alpha of its path.
        checkpoint, checkpoint_every, resume
            As in :meth:`Lasso.fit`.

        Returns
        -------
        self

        Raises
        ------
        DataError
            Data that no model can use: NaN, infinity, wrong lengths, folds without rows ...
        MemoryPlanError
            The fit cannot run within ``memory_limit``.
        CheckpointError
            The checkpoint is damaged, of another version, or belongs to another fit.
        DaskregError
            Passes or time ran out before anything could be chosen.
        KeyboardInterrupt
            After Ctrl-C, once the choice among what was solved till then is kept; where there is
            nothing to choose from, nothing is.

        Notes
        -----
        Where ``max_passes``, ``deadline`` or Ctrl-C end the fit, the choice is among the
        combinations of alpha and l1_ratio that were solved on all rows and on all folds, which are
        the larger alphas as a rule: scores of others are NaN, ``status_`` tells what ended the
        fit, and a warning how many there were.  A pass that scores follows in any case.  Where
        passes or time ran out before one was solved, the best iterates of all are chosen among.
        """
        started = perf_counter()
        self._check()
        more = {"sample_dim": sample_dim, "start": type(start).__name__}
        journal = checkpoint_of(self, checkpoint, checkpoint_every, resume, more)
        opening = opened(
            *(self, X, y, sample_weight, offset),
            groups=groups,
            one_column=self._one_column,
            sample_dim=sample_dim,
            feature_names=feature_names,
        )
        try:
            known = known_models(start, opening, is_classifier(self))
            with (
                watched(self, X, y, sample_weight) as watching,
                kept(journal, opening.design) as log,
            ):
                found = self._validate(opening.design, known)
            self._set_common(opening, found.kept)
            self._set_validated(found, flat=opening.flat)
            self._paths = Paths.validated(found)
        finally:
            opening.design.close()
        self.fit_seconds_ = perf_counter() - started
        self._keep_report(watching)
        kind, solution = type(self).__name__, found.kept.solution
        warn_unconverged(kind, solution, self.n_passes_, self.max_iter, self.tol)
        warn_of_memory(found.fitted)
        self._tell_cut(found, log)
        return self

    def _tell_cut(self, found: Validated, log: EventLog) -> None:
        """Say what kept combinations from the choice, if anything did."""
        if found.cut is None:
            if log.interrupted:  # as the last pass ended
                raise log.interruption(f"{type(self).__name__}.fit: the choice is kept")
            return
        status = np.full(len(found.chosen), str(found.cut), dtype=object)
        self.status_ = str(found.cut) if isinstance(self.status_, str) else status
        n_all, kind = int(np.prod(found.grid.shape[1:])), type(self).__name__
        warnings.warn(
            f"{kind}: {found.cut} ended the fit: the choice is among {found.n_complete} of {n_all} "
            "combinations, those that were solved on all rows and folds",
            ConvergenceWarning,
            stacklevel=outside(),
        )
        if found.cut is Status.INTERRUPTED:
            raise log.interruption(f"{kind}.fit: the choice among what was solved is kept")

    def _check(self) -> None:
        super()._check()
        if self.selection not in RULES:
            raise ValueError(
                f"selection must be 'best' or '1se', the one-standard-error rule; got "
                f"{self.selection!r}"
            )
        _params.folds(self.cv)
