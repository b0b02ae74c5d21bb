"""Functions of a run of rows: the linear predictor and what a classifier makes of it.

Frozen, small and picklable: they travel inside the tasks of lazy predictions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Float
from daskreg.exceptions import DataError


@dataclass(frozen=True)
class LinearPredictor:
    """``eta = X @ coef.T + intercept + offset`` for one run of rows.

    Attributes
    ----------
    coef : ndarray of float64, shape (n_features,) or (n_outputs, n_features)
        One-dimensional coef gives one-dimensional eta.
    intercept : ndarray of float64, shape () or (n_outputs,)
    """

    coef: Float
    intercept: Any

    def __call__(self, X: Any, offset: Any = None) -> Float:
        eta = np.asarray(X @ self.coef.T + self.intercept, dtype=np.float64)
        if not np.isfinite(eta).all():
            raise DataError(
                "Input X contains NaN or infinity: no prediction is defined for such rows; "
                "drop or fill them"
            )
        if offset is None:
            return eta
        offset = np.asarray(offset, dtype=np.float64)
        if eta.ndim == 1:
            return eta + offset.reshape(eta.shape)
        return eta + (offset if offset.ndim == 2 else offset[:, None])


@dataclass(frozen=True)
class BinaryLabel:
    """The more probable of two classes; the first one where eta is 0."""

    eta: LinearPredictor
    classes: AnyArray

    def __call__(self, X: Any, offset: Any = None) -> AnyArray:
        return self.classes[(self.eta(X, offset) > 0).astype(np.intp)]


@dataclass(frozen=True)
class BinaryProbability:
    """Probabilities of two classes, or their logarithms: no difference ``1 - p`` is formed."""

    eta: LinearPredictor
    log: bool = False

    def __call__(self, X: Any, offset: Any = None) -> Float:
        eta = self.eta(X, offset)
        from scipy.special import expit, log_expit

        sigmoid = log_expit if self.log else expit
        return np.stack([sigmoid(-eta), sigmoid(eta)], axis=1)


@dataclass(frozen=True)
class ClassLabel:
    """The most probable of several classes; the first of equals."""

    eta: LinearPredictor
    classes: AnyArray

    def __call__(self, X: Any, offset: Any = None) -> AnyArray:
        return self.classes[class_predictors(self.eta, X, offset).argmax(axis=1)]


@dataclass(frozen=True)
class ClassProbability:
    """Probabilities of several classes, or their logarithms, exact also where tiny."""

    eta: LinearPredictor
    log: bool = False

    def __call__(self, X: Any, offset: Any = None) -> Float:
        from scipy.special import log_softmax, softmax

        function = log_softmax if self.log else softmax
        return np.asarray(function(class_predictors(self.eta, X, offset), axis=1))


@dataclass(frozen=True)
class ClassPredictor:
    """The linear predictors of several classes."""

    eta: LinearPredictor

    def __call__(self, X: Any, offset: Any = None) -> Float:
        return class_predictors(self.eta, X, offset)


def class_predictors(eta: LinearPredictor, X: Any, offset: Any) -> Float:
    """Return eta (rows, n_classes); raise ``DataError`` for an offset, which no class model has."""
    if offset is not None:
        raise DataError(
            "an offset was given to a model of several classes, which is fitted without one"
        )
    return eta(X)
