"""Solvers: one method a file, one loop for all of them (``base.solve``)."""

from __future__ import annotations

from .base import Solver, solve
from .fista import Fista
from .gram import Gram
from .quasi_newton import QuasiNewton
from .results import Progress, Solution, Status

#: Solvers by the name that estimators take.
SOLVERS = {"gram": Gram, "fista": Fista, "quasi_newton": QuasiNewton}

__all__ = [
    "SOLVERS",
    "Fista",
    "Gram",
    "Progress",
    "QuasiNewton",
    "Solution",
    "Solver",
    "Status",
    "solve",
]
