"""Estimators in scikit-learn's style for data larger than memory."""

from __future__ import annotations

import os
from typing import Any

from .bootstrap import BootstrapPaths
from .elastic_net import ElasticNet, Lasso
from .logistic import LogisticRegression
from .ridge import Ridge
from .stability import StabilitySelection

__all__ = [
    "BootstrapPaths",
    "ElasticNet",
    "Lasso",
    "LogisticRegression",
    "Ridge",
    "StabilitySelection",
    "load",
]


def load(path: str | os.PathLike[str]) -> Any:
    """Return the fitted estimator that ``save`` wrote; no code in the file is run.

    Raises
    ------
    ModelFileError
        The file is absent, damaged, or of a class or version that this daskreg lacks.
    """
    from daskreg.model_io import restore_estimator

    classes = (ElasticNet, Lasso, LogisticRegression, Ridge)
    return restore_estimator(path, {kind.__name__: kind for kind in classes})
