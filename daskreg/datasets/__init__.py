"""Seeded sparse problems of any size, written block by block; any block can be made alone."""

from __future__ import annotations

from .files import SparseFiles, make_sparse_classification, make_sparse_regression, write_problem
from .problem import SparseProblem

__all__ = [
    "SparseFiles",
    "SparseProblem",
    "make_sparse_classification",
    "make_sparse_regression",
    "write_problem",
]
