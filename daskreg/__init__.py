"""Sparse regression on data larger than memory, with a certificate of optimality.

Names load when they are first used: ``import daskreg`` costs milliseconds and starts nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .design import as_design
    from .exceptions import (
        CheckpointError,
        CompatibilityError,
        DaskregError,
        DataError,
        MemoryPlanError,
        MissingChunksError,
        MissingDependencyError,
        ModelFileError,
    )
    from .linear_model import (
        BootstrapPaths,
        ElasticNet,
        ElasticNetCV,
        Lasso,
        LassoCV,
        LassoIC,
        LogisticRegression,
        LogisticRegressionCV,
        Ridge,
        RidgeCV,
        StabilitySelection,
        enet_path,
        lasso_path,
        load,
        logistic_path,
    )

#: Where each public name lives.
_HOMES = {
    "BootstrapPaths": "linear_model",
    "CheckpointError": "exceptions",
    "CompatibilityError": "exceptions",
    "DaskregError": "exceptions",
    "DataError": "exceptions",
    "ElasticNet": "linear_model",
    "ElasticNetCV": "linear_model",
    "Lasso": "linear_model",
    "LassoCV": "linear_model",
    "LassoIC": "linear_model",
    "LogisticRegression": "linear_model",
    "LogisticRegressionCV": "linear_model",
    "MemoryPlanError": "exceptions",
    "MissingChunksError": "exceptions",
    "MissingDependencyError": "exceptions",
    "ModelFileError": "exceptions",
    "Ridge": "linear_model",
    "RidgeCV": "linear_model",
    "StabilitySelection": "linear_model",
    "as_design": "design",
    "enet_path": "linear_model",
    "lasso_path": "linear_model",
    "load": "linear_model",
    "logistic_path": "linear_model",
}
_MODULES = frozenset(
    (
        *("callbacks", "checkpoint", "cluster", "dashboard", "datasets", "exceptions"),
        *("linear_model", "plotting"),
    )
)

__all__ = [
    "BootstrapPaths",
    "CheckpointError",
    "CompatibilityError",
    "DaskregError",
    "DataError",
    "ElasticNet",
    "ElasticNetCV",
    "Lasso",
    "LassoCV",
    "LassoIC",
    "LogisticRegression",
    "LogisticRegressionCV",
    "MemoryPlanError",
    "MissingChunksError",
    "MissingDependencyError",
    "ModelFileError",
    "Ridge",
    "RidgeCV",
    "StabilitySelection",
    "as_design",
    "enet_path",
    "lasso_path",
    "load",
    "logistic_path",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES})
