"""Model files: arrays and JSON in one zarr zip store, read without running code."""

from __future__ import annotations

from .estimators import restore_estimator, save_estimator
from .store import FORMAT_VERSION, StoredModel, load_model, save_model

__all__ = [
    "FORMAT_VERSION",
    "StoredModel",
    "load_model",
    "restore_estimator",
    "save_estimator",
    "save_model",
]
