"""What solvers need from a datafit, said as small protocols; checked before the first pass."""

from __future__ import annotations

from .curved import (
    CurvedDatafit,
    CurvedEvaluation,
    HessianDatafit,
    MetricDatafit,
    RowSample,
    SampledDatafit,
    SampleView,
)
from .needs import require
from .smooth import Datafit, Evaluation, SelectiveDatafit, SmoothDatafit
from .squared import FactoredData, GramData, QuadraticDatafit, SquaredSums

__all__ = [
    "CurvedDatafit",
    "CurvedEvaluation",
    "Datafit",
    "Evaluation",
    "FactoredData",
    "GramData",
    "HessianDatafit",
    "MetricDatafit",
    "QuadraticDatafit",
    "RowSample",
    "SampleView",
    "SampledDatafit",
    "SelectiveDatafit",
    "SmoothDatafit",
    "SquaredSums",
    "require",
]
