"""Losses of one row, as functions of its target and linear predictor only."""

from .base import PointwiseLoss
from .labels import LogLoss
from .logistic import Logistic, binary_entropy
from .multinomial import Multinomial, entropy
from .squared import Squared

__all__ = [
    "LogLoss",
    "Logistic",
    "Multinomial",
    "PointwiseLoss",
    "Squared",
    "binary_entropy",
    "entropy",
]
