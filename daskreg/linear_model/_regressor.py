"""What regressors share: attributes in the shape of y, predict and score."""

from __future__ import annotations

from abc import ABC
from typing import Any

import numpy as np

from daskreg.fitting.settings import Fitted

from . import _input
from ._base import LinearModel
from ._scikit_learn import RegressorMixin


class Regressor(RegressorMixin, LinearModel, ABC):
    """A linear model of one or several numeric targets."""

    def _set_outputs(self, fitted: Fitted, *, flat: bool) -> None:
        solution = fitted.solution

        def shaped(values: Any, kind: Any) -> Any:
            return kind(values[0]) if flat else np.array(values)

        self.coef_ = np.ascontiguousarray(fitted.coef[0] if flat else fitted.coef)
        self.intercept_ = shaped(fitted.intercept, float)
        self.n_iter_ = shaped(np.maximum(solution.n_iter, 1), int)  # a direct solve is one step
        self.dual_gap_ = shaped(solution.dual_gap, float)
        self.relative_gap_ = shaped(solution.relative_gap, float)
        self.certificate_ = shaped(np.array(solution.certificate, dtype=object), str)
        self.status_ = shaped(np.array([str(s) for s in solution.status], dtype=object), str)

    def predict(self, X: Any, offset: Any = None, *, sample_dim: Any = None) -> Any:
        """Predict ``X @ coef_ + intercept_ + offset``.

        Parameters
        ----------
        X : anything that ``fit`` takes, of shape (n_samples, n_features)
        offset : array of shape (n_samples,) or (n_samples, n_targets), optional
        sample_dim : str or list of str, optional
            The dimension(s) of an xarray X that are rows; default those of fit.

        Returns
        -------
        ndarray, lazy dask array or DataArray of shape (n_samples,) or (n_samples, n_targets)
            numpy, sparse, in-memory frames, stores and paths give ndarrays; Dask collections
            lazy Dask arrays; xarray objects DataArrays with their sample coordinates.

        Raises
        ------
        DataError
            X has other features than in fit, or NaN or infinity (lazily where X is lazy).
        """
        eta = self._eta() if hasattr(self, "coef_") else None
        width = None if eta is None or eta.coef.ndim == 1 else eta.coef.shape[0]
        labels = getattr(self, "target_names_", None)
        return self._map(
            X,
            eta,
            width,
            np.float64,
            offset=offset,
            sample_dim=sample_dim,
            column=("target", labels),
        )

    def score(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        offset: Any = None,
        *,
        sample_dim: Any = None,
    ) -> float:
        """Return R squared of the predictions, 1 at best; targets count equally.

        Parameters are those of ``fit``; y and weights may name columns of X.
        """
        from sklearn.metrics import r2_score

        predicted = self.predict(X, offset, sample_dim=sample_dim)
        flat = self.coef_.ndim == 1
        truth = _input.on_host(X, y, predicted, flat=flat)
        weight = _input.on_host(X, sample_weight, predicted)
        values = _input.on_host(X, predicted, predicted, flat=flat)
        return float(r2_score(truth, values, sample_weight=weight))

    @property
    def sparse_coef_(self) -> Any:
        """``coef_`` as ``scipy.sparse.csr_array`` of shape (n_targets, n_features)."""
        from scipy import sparse

        return sparse.csr_array(np.atleast_2d(self.coef_))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
