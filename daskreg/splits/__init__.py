"""Who trains on which rows: folds and resamples as pure functions of a row's number and label."""

from __future__ import annotations

from .base import Folds, RowKeys, RowWeights
from .explicit import ExplicitFolds, explicit_folds
from .recognise import as_folds
from .resamples import HalfSamples, PoissonBootstrap
from .rules import ContiguousFolds, GroupedFolds, ShuffledFolds, TimeSeriesFolds
from .stratified import ArrayCensus, LabelCensus, StratifiedFolds, stratified_folds

__all__ = [
    "ArrayCensus",
    "ContiguousFolds",
    "ExplicitFolds",
    "Folds",
    "GroupedFolds",
    "HalfSamples",
    "LabelCensus",
    "PoissonBootstrap",
    "RowKeys",
    "RowWeights",
    "ShuffledFolds",
    "StratifiedFolds",
    "TimeSeriesFolds",
    "as_folds",
    "explicit_folds",
    "stratified_folds",
]
