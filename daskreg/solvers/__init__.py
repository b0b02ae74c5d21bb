"""Solvers: one method a file, one loop for all of them (``base.solve``)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .base import Solver, solve
from .fista import Fista
from .gram import Gram
from .quasi_newton import QuasiNewton
from .results import Progress, Solution, Status
from .screening import BatchScreening

#: Solvers by the name that estimators take.
SOLVERS: dict[str, Callable[[], Solver]] = {
    "gram": Gram,
    "fista": Fista,
    "quasi_newton": QuasiNewton,
    "sampled_newton": partial(QuasiNewton, metric="sample"),
    "screening": BatchScreening,
}

__all__ = [
    "SOLVERS",
    "BatchScreening",
    "Fista",
    "Gram",
    "Progress",
    "QuasiNewton",
    "Solution",
    "Solver",
    "Status",
    "solve",
]
