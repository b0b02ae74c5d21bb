"""Estimators that choose their penalty by cross-validation: the fit that they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.design import as_design
from daskreg.select import choose

from . import _input, _params
from ._base import LinearModel
from ._cross_validation import Grid, Validated, open_folds, squared_error, validate
from ._report import path_dataset, warn_unconverged
from ._solve import Fitted, Settings

#: What ``selection`` may be, and the rule that it stands for.
RULES = {"best": "best", "1se": "one_standard_error"}


@dataclass(frozen=True)
class Paths:
    """The models of all rows of a cross-validation, whatever was chosen.

    Attributes
    ----------
    coef : ndarray, shape (n_targets or n_classes, n_l1_ratio, n_alphas, n_features)
    intercept, dual_gap, relative_gap : ndarray, shape (n_targets, n_l1_ratio, n_alphas)
    alpha : ndarray of the same shape
        In the unit of the estimator.
    n_iter, n_passes, status : ndarray of the same shape
        ``n_passes`` are those that the column took part in.
    scores : ndarray, shape (n_folds, n_targets, n_l1_ratio, n_alphas)
    l1_ratio : ndarray, shape (n_l1_ratio,)
    """

    coef: Float
    intercept: Float
    alpha: Float
    dual_gap: Float
    relative_gap: Float
    n_iter: AnyArray
    n_passes: AnyArray
    status: AnyArray
    scores: Float
    l1_ratio: Float

    @classmethod
    def of(cls, found: Validated) -> Paths:
        """Keep what belongs to all rows; coupled classes stand where targets do."""
        shape = found.grid.shape[1:]
        n = int(np.prod(shape))
        fitted, solution = found.fitted, found.fitted.solution
        coef, intercept = fitted.coef[:n], fitted.intercept[:n]
        n_classes = coef.shape[1] if coef.ndim == 3 else 1
        if n_classes > 1:
            coef, intercept = coef.transpose(1, 0, 2), intercept.T
        outputs = (n_classes * shape[0], *shape[1:])

        def each(values: Any) -> Any:
            return np.broadcast_to(np.reshape(values, shape), outputs).copy()

        return cls(
            coef=coef.reshape(*outputs, -1).copy(),
            intercept=intercept.reshape(outputs).copy(),
            alpha=each(_in_own_unit(found)),
            dual_gap=each(solution.dual_gap[:n]),
            relative_gap=each(solution.relative_gap[:n]),
            n_iter=each(solution.n_iter[:n]),
            n_passes=each(solution.n_passes_each[:n]),
            status=each(np.array([str(status) for status in solution.status[:n]])),
            scores=np.broadcast_to(found.scores, (len(found.scores), *outputs)).copy(),
            l1_ratio=found.grid.l1_ratio,
        )


def _in_own_unit(found: Validated) -> Float:
    """Alphas as the user knows them, shape (n_targets, n_l1_ratio, n_alphas)."""
    if found.grid.alpha_unit != "sum":
        return found.alpha.copy()
    return np.broadcast_to(found.grid.alpha, found.grid.shape[1:]).copy()


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

    def _validate(self, design: Any) -> Validated:
        """Make the folds, solve, score and choose."""
        folds = open_folds(design, self.cv, classifier=self._one_column)
        settings = self._settings(design.n_features, design.n_targets)
        settings = replace(settings, folds=folds, share_alpha_max=False, scores=self._metrics)
        grid = self._grid(settings, design, folds.n)
        return validate(design, settings, grid, self._score, self._choose)

    def fit(  # type: ignore[override]  # rows to stop early on are for lone fits
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
        *,
        groups: Any = None,
        sample_dim: Any = None,
        feature_names: Any = None,
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

        Returns
        -------
        self

        Raises
        ------
        DataError
            Data that no model can use: NaN, infinity, wrong lengths, folds without rows ...
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
            groups=_input.as_numbers(groups),
            memory_limit=self.memory_limit,
            block_size=self.block_size,
            missing_chunks=self.missing_chunks,
            sample_dim=sample_dim,
            scratch=self.scratch,
            feature_names=feature_names,
        )
        try:
            found = self._validate(design)
            flat = flat and design.n_targets == 1
            named = feature_names is not None or _input.has_text_names(X)
            self._set_common(design, targets, sample_dim, found.kept, flat=flat, named=named)
            self._set_validated(found, flat=flat)
            self._paths = Paths.of(found)
            self.bytes_read_ = int(design.bytes_read)
            self.columns_beside_ = _input.columns_beside(targets, sample_weight, offset, groups)
        finally:
            design.close()
        self.fit_seconds_ = perf_counter() - started
        kind, solution = type(self).__name__, found.kept.solution
        warn_unconverged(kind, solution, self.n_passes_, self.max_iter, self.tol)
        return self

    def _check(self) -> None:
        super()._check()
        if self.selection not in RULES:
            raise ValueError(
                f"selection must be 'best' or '1se', the one-standard-error rule; got "
                f"{self.selection!r}"
            )
        _params.folds(self.cv)

    @property
    def solution_(self) -> Any:
        """The whole path as an ``xarray.Dataset``: coefficients and held-out scores by alpha.

        A model that was loaded from a file has the kept coefficients only.
        """
        if not hasattr(self, "_paths"):
            return super().solution_
        return path_dataset(self, self._paths, getattr(self, "_labels", None))
