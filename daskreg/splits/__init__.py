"""Who trains on which rows: folds and resamples as pure functions of a row's number and label."""

from __future__ import annotations

from .base import Folds, RowKeys, RowWeights

__all__ = ["Folds", "RowKeys", "RowWeights"]
