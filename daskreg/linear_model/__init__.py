"""Estimators in scikit-learn's style for data larger than memory.

Names load when they are first used: each brings only what it is made of.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

#: The module of each public name.
_HOMES = {
    "BootstrapPaths": "bootstrap",
    "ElasticNet": "elastic_net",
    "ElasticNetCV": "elastic_net_cv",
    "Lasso": "lasso",
    "LassoCV": "lasso_cv",
    "LassoIC": "lasso_ic",
    "LogisticRegression": "logistic",
    "LogisticRegressionCV": "logistic_cv",
    "Ridge": "ridge",
    "RidgeCV": "ridge_cv",
    "StabilitySelection": "stability",
    "enet_path": "_path",
    "lasso_path": "_path",
    "logistic_path": "_path_logistic",
}
#: Those that ``save`` and ``load`` know.
_STORED = (
    *("ElasticNet", "ElasticNetCV", "Lasso", "LassoCV", "LassoIC"),
    *("LogisticRegression", "LogisticRegressionCV", "Ridge", "RidgeCV"),
)

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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Before anything that brings the rest of SciPy, from which it keeps what no fit needs.
    importlib.import_module("._scikit_learn", __name__)
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


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

    return restore_estimator(path, {name: __getattr__(name) for name in _STORED})
