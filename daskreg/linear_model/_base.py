"""What the estimators share: fit a Design, keep the certificate, predict in the kind of X."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from copy import copy
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

import numpy as np

from daskreg.design.rowwise import map_rows
from daskreg.fitting.settings import Fitted, Settings
from daskreg.fitting.solve import fit_problems
from daskreg.solvers import Status

from . import _input, _params
from ._checkpoint import checkpoint_of, kept
from ._early import watch
from ._opening import Opening, opened, remember
from ._predict import LinearPredictor
from ._report import path_dataset, solution_dataset, warn_of_memory, warn_unconverged
from ._reported import Reported
from ._scikit_learn import (
    BaseEstimator,
    CallbackSupportMixin,
    check_is_fitted,
    is_classifier,
    with_callbacks,
)
from ._start import known_models, previous_models
from ._watching import watched


class LinearModel(Reported, CallbackSupportMixin, BaseEstimator, ABC):
    """A linear model fitted by whole passes over X; subclasses name the loss and the problems."""

    #: Whether y is one column of labels.
    _one_column: ClassVar[bool] = False
    status_: Any
    _paths: Any

    @abstractmethod
    def _check_params(self) -> None:
        """Raise ``ValueError`` for parameters that this estimator cannot take."""

    @abstractmethod
    def _settings(self, design: Any) -> Settings:
        """Say what is to be solved; no data is read."""

    @abstractmethod
    def _set_outputs(self, fitted: Fitted, *, flat: bool) -> None:
        """Set the attributes whose shape depends on the kind of y."""

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
        *,
        sample_dim: Any = None,
        feature_names: Any = None,
        start: Any = None,
        validation: Any = None,
        patience: int = 5,
        checkpoint: Any = None,
        checkpoint_every: float = 60.0,
        resume: bool | str = False,
    ) -> Any:
        """Fit the model.

        Parameters
        ----------
        X : array, data frame, store or path of shape (n_samples, n_features)
            numpy, scipy.sparse, pandas, polars, Dask, xarray, zarr, or the path of a .npy, .zarr,
            .parquet, .nc or .csv; nothing is copied whole.
        y : array of shape (n_samples,) or (n_samples, n_targets), or column name(s) of X
        sample_weight : array of shape (n_samples,) or column name, optional
            Not negative.
        offset : array of shape (n_samples,) or (n_samples, n_targets), or column name, optional
            Added to the linear predictor, in its unit.
        sample_dim : str or list of str, optional
            The dimension(s) of an xarray X that are rows.
        feature_names : sequence of str, optional
            Names of the columns of an X without names; of tables, the columns to use.
        start : fitted model or path of one, optional
            To begin from: a daskreg model of the same columns, and of the same classes or targets.
            Of a model that was cross-validated in this process, each problem begins at the nearest
            alpha of its path.
        validation : float, (X, y) or (X, y, sample_weight), optional
            Rows to stop early on: a fraction of the rows, taken out of training by a hash of
            their numbers, or other rows.  After each iteration the mean loss on them is noted in
            ``validation_scores_``; the fit ends after ``patience`` iterations without a smaller
            one, and the iterate with the smallest, ``best_iteration_``, is kept.  A fraction
            costs no pass, other rows one over them an iteration.
        patience : int, default=5
            Iterations without a smaller mean loss on the ``validation`` rows that end the fit.
        checkpoint : str or path-like, optional
            A file, or a URL that fsspec knows, that the fit writes now and then and at its end,
            with ``PATH.previous`` beside it.  A pass that is under way is kept too.
        checkpoint_every : float, default=60
            Seconds between two writings; 0: after each step and each finished part of a pass.
        resume : {False, True, "must", "auto"}, default=False
            True or "must": go on from the checkpoint; "auto": if there is one.  The same data and
            parameters are expected (other limits of memory and time, other workers may be), and
            what differs is named.

        Returns
        -------
        self

        Raises
        ------
        DataError
            Data that no model can use: NaN, infinity, wrong lengths, negative weights ...
        MemoryPlanError
            The fit cannot run within ``memory_limit``.
        CheckpointError
            The checkpoint is damaged, of another version, or belongs to another fit.
        """
        started = perf_counter()
        self._check()
        more = {"sample_dim": sample_dim, "validation": validation, "patience": patience}
        more["start"] = type(start).__name__
        journal = checkpoint_of(self, checkpoint, checkpoint_every, resume, more)
        rows = {"sample_dim": sample_dim, "feature_names": feature_names}
        opening = opened(self, X, y, sample_weight, offset, one_column=self._one_column, **rows)
        design = opening.design
        early = None
        try:
            settings = self._settings(design)
            known = None
            if start is not None:
                known = known_models(start, opening, is_classifier(self))
            known = known or previous_models(self, opening)
            early = watch(validation, patience, self, **rows)
            settings = settings if early is None else early.settings(settings)
            with watched(self, X, y, sample_weight) as watching, kept(journal, design) as log:
                watching.models = partial(self._model_so_far, opening)
                fitted = fit_problems(design, settings, known)
            self._note_early(early)
            fitted = fitted if early is None else early.chosen(fitted)
            self._set_common(opening, fitted)
            self.bytes_read_ += 0 if early is None else early.bytes_read
        finally:
            design.close()
            if early is not None:
                early.close()
        self.fit_seconds_ = perf_counter() - started
        self._keep_report(watching)
        kind = type(self).__name__
        if early is None or Status.STOPPED not in fitted.solution.status:
            told = fitted.solution, self.n_passes_, self.max_iter, self.tol
            warn_unconverged(kind, *told)
            warn_of_memory(fitted)
        if log.interrupted or Status.INTERRUPTED in fitted.solution.status:
            raise log.interruption(f"{kind}.fit: the best coefficients so far are in coef_")
        return self

    def _check(self) -> None:
        """Check every parameter, so that a wrong one is told before anything is opened."""
        _params.solver_name(self.solver)
        _params.integer("max_iter", self.max_iter)
        _params.number("tol", self.tol)
        _params.limits(self)
        _params.flags(self, ["fit_intercept", "standardize", "warm_start"])
        self._check_params()

    def _note_early(self, early: Any) -> None:
        """Set what early stopping tells; forget that of an earlier fit."""
        for name in ("validation_scores_", "best_iteration_"):
            self.__dict__.pop(name, None)
        if early is not None:
            self.validation_scores_ = np.array(early.scores)
            self.best_iteration_ = int(early.best)

    def _common_settings(self, loss: Any, problems: Any, n_features: int, **more: Any) -> Settings:
        """Settings of this estimator with the parameters that all of them have."""
        return Settings(
            loss,
            problems,
            solver=self.solver,
            penalty_weight=_params.penalty_weights(self.penalty_weight, n_features),
            fit_intercept=bool(self.fit_intercept),
            standardize=bool(self.standardize),
            tol=float(self.tol),
            max_iter=int(self.max_iter),
            callbacks=_params.callbacks(self.callbacks, self.verbose),
            limits=_params.limits(self),
            **more,
        )

    def _set_common(self, opening: Opening, fitted: Fitted) -> None:
        remember(self, opening)
        self.solver_ = fitted.choice.name
        self.solver_reason_ = fitted.choice.reason
        self._set_outputs(fitted, flat=opening.flat)

    def _model_so_far(self, opening: Opening, fitted: Fitted) -> Any:
        """A copy of this estimator as if the fit had ended here."""
        model = copy(self)
        model._set_common(opening, fitted)
        return model

    # ------------------------------------------------------------------ predictions

    def _eta(self) -> LinearPredictor:
        """The linear predictor as a function of a run of rows."""
        return LinearPredictor(
            np.asarray(self.coef_, dtype=np.float64), np.asarray(self.intercept_, dtype=np.float64)
        )

    def _map(
        self,
        X: Any,
        function: Any,
        width: int | None,
        dtype: Any,
        *,
        offset: Any,
        sample_dim: Any,
        column: tuple[str, Any] = ("target", None),
    ) -> Any:
        """Apply a function of rows to X; the result has the kind of X."""
        check_is_fitted(self, "coef_")
        X = _input.as_rows(X)
        _input.check_features(self, X)
        return map_rows(
            X,
            function,
            width,
            dtype,
            n_features=self.n_features_in_,
            feature_names=getattr(self, "feature_names_in_", None),
            feature_dims=self.feature_dims_,
            sample_dim=self.sample_dim_ if sample_dim is None else sample_dim,
            missing_chunks=self.missing_chunks,
            offset=offset,
            column=column,
        )

    # ------------------------------------------------------------------ results

    @property
    def solution_(self) -> Any:
        """The fitted arrays as an ``xarray.Dataset`` with the names of features and outputs.

        Where alpha was chosen these are those of the whole path; a model that was loaded from a
        file has the kept coefficients only.
        """
        check_is_fitted(self, "coef_")
        labels = getattr(self, "_labels", None)
        if hasattr(self, "_paths"):
            return path_dataset(self, self._paths, labels)
        return solution_dataset(self, labels)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the fitted model to one file that ``daskreg.load`` and ``xarray`` read.

        Parameters
        ----------
        path : str or path-like
            A file in a folder that exists, usually ``NAME.zarr.zip``; one that is there is
            replaced whole.

        Returns
        -------
        Path

        Raises
        ------
        ModelFileError
            The folder does not exist or the model is not fitted.
        """
        from daskreg.model_io import save_estimator

        check_is_fitted(self, "coef_")
        return save_estimator(path, self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        return tags
