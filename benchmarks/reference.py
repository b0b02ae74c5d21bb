"""Held-out errors of a cross-validated lasso, to compare those of every library with.

Libraries return errors, not the coefficients of every fold, so these cannot be judged by a gap.
The reference solves each fold from its own Gram matrix in float64 to a gap far below the goal: a
root of that matrix stands for the rows (p rows with the same normal equations).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from cases import Problem
from data import blocks
from sklearn.linear_model import lasso_path

Array = np.ndarray[Any, Any]


def held_out_errors(problem: Problem) -> Array:
    """Return mean squared errors of shape (n_alphas, n_folds), kept beside the data."""
    path = Path(problem.folder) / f"errors-{problem.case}.npz"
    if path.exists():
        with np.load(path) as kept:
            if np.array_equal(kept["alphas"], problem.alphas):
                return kept["errors"]
    folds = [_moments(problem, rows) for rows, _ in problem.folds()]
    total = sum(folds)
    errors = np.transpose([_errors(total - fold, fold, problem.alphas) for fold in folds])
    np.savez(path, alphas=problem.alphas, errors=errors)
    return errors


def _moments(problem: Problem, rows: slice) -> Array:
    """Return the sums of products (p + 2, p + 2) of the columns, y and ones over some rows."""
    y = np.load(Path(problem.folder) / "y.npy")
    sums = np.zeros((problem.n_columns + 2, problem.n_columns + 2))
    for block, X in blocks(Path(problem.folder), problem.storage):
        first, last = max(block.start, rows.start), min(block.stop, rows.stop)
        if first < last:
            part = np.asarray(X[first - block.start : last - block.start], float)
            table = np.column_stack([part, y[first:last], np.ones(last - first)])
            sums += table.T @ table
    return sums


def _errors(training: Array, held_out: Array, alphas: Any) -> Array:
    """Return the errors (n_alphas,) on one fold, from the moments of both its parts."""
    n = training[-1, -1]
    mean = training[:-1, -1] / n
    covariance = training[:-1, :-1] / n - np.outer(mean, mean)
    root = np.linalg.cholesky(covariance[:-1, :-1]).T
    target = np.linalg.solve(root.T, covariance[:-1, -1])
    size = np.sqrt(len(root))
    coefs = lasso_path(root * size, target * size, alphas=alphas, tol=1e-14, max_iter=10**7)[1]
    intercepts = mean[-1] - mean[:-1] @ coefs
    both = np.vstack([-coefs, np.ones(len(alphas)), -intercepts])
    return np.einsum("ik,ij,jk->k", both, held_out, both, optimize=True) / held_out[-1, -1]
