"""What the estimators share: fit a Design, keep the certificate, predict in the kind of X."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from daskreg.design import as_design
from daskreg.design.rowwise import map_rows
from daskreg.solvers import Status

from . import _input, _params
from ._early import watch
from ._predict import LinearPredictor
from ._report import solution_dataset, warn_unconverged
from ._solve import Fitted, Settings, fit_problems


class LinearModel(BaseEstimator, ABC):
    """A linear model fitted by whole passes over X; subclasses name the loss and the problems."""

    #: Whether y is one column of labels.
    _one_column: ClassVar[bool] = False

    @abstractmethod
    def _check_params(self) -> None:
        """Raise ``ValueError`` for parameters that this estimator cannot take."""

    @abstractmethod
    def _settings(self, n_features: int, n_targets: int) -> Settings:
        """Say what is to be solved; no data is read."""

    @abstractmethod
    def _set_outputs(self, fitted: Fitted, *, flat: bool) -> None:
        """Set the attributes whose shape depends on the kind of y."""

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
        *,
        sample_dim: Any = None,
        feature_names: Any = None,
        validation: Any = None,
        patience: int = 5,
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
        validation : float, (X, y) or (X, y, sample_weight), optional
            Rows to stop early on: a fraction of the rows, taken out of training by a hash of
            their numbers, or other rows.  After each iteration the mean loss on them is noted in
            ``validation_scores_``; the fit ends after ``patience`` iterations without a smaller
            one, and the iterate with the smallest, ``best_iteration_``, is kept.  A fraction
            costs no pass, other rows one over them an iteration.
        patience : int, default=5

        Returns
        -------
        self

        Raises
        ------
        DataError
            Data that no model can use: NaN, infinity, wrong lengths, negative weights ...
        MemoryPlanError
            The fit cannot run within ``memory_limit``.
        """
        started = perf_counter()
        self._check()
        X = _input.as_rows(X)
        targets = _input.target_names(y)
        y, flat = _input.as_target(self, y, one_column=self._one_column, sample_dim=sample_dim)
        design = as_design(
            X,
            y,
            _input.as_numbers(sample_weight),
            _input.as_numbers(offset),
            memory_limit=self.memory_limit,
            block_size=self.block_size,
            missing_chunks=self.missing_chunks,
            sample_dim=sample_dim,
            scratch=self.scratch,
            cache=self.cache,
            feature_names=feature_names,
        )
        early = None
        try:
            settings = self._settings(design.n_features, design.n_targets)
            early = self._watch(validation, patience, sample_dim, feature_names)
            settings = settings if early is None else early.settings(settings)
            fitted = fit_problems(design, settings, self._start(design))
            self._note_early(early)
            fitted = fitted if early is None else early.chosen(fitted)
            flat = flat and design.n_targets == 1
            named = feature_names is not None or _input.has_text_names(X)
            self._set_common(design, targets, sample_dim, fitted, flat=flat, named=named)
            self.bytes_read_ = int(design.bytes_read)
            self.columns_beside_ = _input.columns_beside(targets, sample_weight, offset)
        finally:
            design.close()
            if early is not None:
                early.close()
        self.fit_seconds_ = perf_counter() - started
        kind = type(self).__name__
        if early is None or Status.STOPPED not in fitted.solution.status:
            warn_unconverged(kind, fitted.solution, self.n_passes_, self.max_iter, self.tol)
        if Status.INTERRUPTED in fitted.solution.status:
            raise KeyboardInterrupt(f"{kind}.fit: the best coefficients so far are in coef_")
        return self

    def _check(self) -> None:
        """Check every parameter, so that a wrong one is told before anything is opened."""
        _params.solver_name(self.solver)
        _params.integer("max_iter", self.max_iter)
        _params.number("tol", self.tol)
        _params.limits(self)
        _params.flags(self, ["fit_intercept", "standardize", "warm_start"])
        self._check_params()

    def _watch(self, validation: Any, patience: int, sample_dim: Any, feature_names: Any) -> Any:
        """Who looks at held-out rows during the fit; None: nobody."""

        def open_rows(X: Any, y: Any, weight: Any) -> Any:
            X = _input.as_rows(X)
            y, _ = _input.as_target(self, y, one_column=self._one_column, sample_dim=sample_dim)
            return as_design(
                X,
                y,
                _input.as_numbers(weight),
                memory_limit=self.memory_limit,
                block_size=self.block_size,
                missing_chunks=self.missing_chunks,
                sample_dim=sample_dim,
                scratch=self.scratch,
                cache=self.cache,
                feature_names=feature_names,
            )

        return watch(validation, patience, open_rows)

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

    def _start(self, design: Any) -> Any:
        """Coefficients of the previous fit where warm_start asks for them and they fit."""
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        coef = np.atleast_2d(np.asarray(self.coef_, dtype=np.float64))
        if coef.shape != (max(1, design.n_targets), design.n_features):
            return None
        return coef.T[:, None, :], np.atleast_1d(self.intercept_)[None, :]

    def _set_common(
        self, design: Any, targets: Any, sample_dim: Any, fitted: Fitted, *, flat: bool, named: bool
    ) -> None:
        self.n_features_in_ = int(design.n_features)
        features = design.feature_names if named else None
        if features is not None:
            self.feature_names_in_ = np.asarray(features, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self._labels = design.labels
        dims = getattr(design.labels, "dims", None)
        self.feature_dims_ = [str(dim) for dim in dims] if dims else None
        self.target_names_ = targets
        self.sample_dim_ = sample_dim
        self.n_passes_ = int(design.n_passes)
        self.solver_ = fitted.choice.name
        self.solver_reason_ = fitted.choice.reason
        self.plan_ = design.plan
        self._set_outputs(fitted, flat=flat)

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
        """The fitted arrays as an ``xarray.Dataset`` with the names of features and outputs."""
        check_is_fitted(self, "coef_")
        return solution_dataset(self, getattr(self, "_labels", None))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the fitted model to one file that ``daskreg.load`` and ``xarray`` read.

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
