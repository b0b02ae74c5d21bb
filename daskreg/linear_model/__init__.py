"""Estimators in scikit-learn's style for data larger than memory."""

from __future__ import annotations

import os
from typing import Any

from ._path import enet_path, lasso_path
from ._path_logistic import logistic_path
from .bootstrap import BootstrapPaths
from .elastic_net import ElasticNet
from .elastic_net_cv import ElasticNetCV
from .lasso import Lasso
from .lasso_cv import LassoCV
from .lasso_ic import LassoIC
from .logistic import LogisticRegression
from .logistic_cv import LogisticRegressionCV
from .ridge import Ridge
from .ridge_cv import RidgeCV
from .stability import StabilitySelection

__all__ = [
    "BootstrapPaths",
    "ElasticNet",
    "ElasticNetCV",
    "Lasso",
    "LassoCV",
    "LassoIC",
    "LogisticRegression",
    "LogisticRegressionCV",
    "Ridge",
    "RidgeCV",
    "StabilitySelection",
    "enet_path",
    "lasso_path",
    "load",
    "logistic_path",
]


def load(path: str | os.PathLike[str]) -> Any:
    """Return the fitted estimator that ``save`` wrote; no code in the file is run.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    estimator
        Of the class that was saved, with its parameters and fitted attributes.

    Raises
    ------
    ModelFileError
        The file is absent, damaged, or of a class or version that this daskreg lacks.
    """
    from daskreg.model_io import restore_estimator

    classes = (
        *(ElasticNet, ElasticNetCV, Lasso, LassoCV, LassoIC),
        *(LogisticRegression, LogisticRegressionCV, Ridge, RidgeCV),
    )
    return restore_estimator(path, {kind.__name__: kind for kind in classes})
