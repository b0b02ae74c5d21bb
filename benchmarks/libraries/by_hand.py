"""What a specialist writes in thirty lines: one pass for a Gram matrix, then scikit-learn on it.

Neither a library nor a rival: the mark that a library for squared loss should meet. The Gram matrix
is summed in the type of the data, and a root of it stands for the rows.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from cases import Problem

from .base import Array, Found, Library


class ByHand(Library):
    """Gram matrix by numpy; no certificate, no other loss, no wide data."""

    PACKAGES: ClassVar[tuple[str, ...]] = ("numpy", "scikit-learn", "zarr")

    @classmethod
    def lacks(cls, problem: Problem) -> str:
        if problem.loss != "squared" or problem.n_columns > problem.n_rows:
            return "squared loss of tall data only"
        return ""

    def load(self) -> None:
        if self.problem.on_disk:
            self.y = np.load(Path(self.problem.folder) / "y.npy")
        else:
            self.load_arrays("C")

    def fit(self, tol: Any) -> Found:
        problem = self.problem
        if problem.kind == "fit":
            moments = self._moments(slice(0, problem.n_rows))
            coefs, intercepts = _solve(moments, problem.alphas, tol)
            return Found.path(coefs, intercepts)
        folds = [self._moments(rows) for rows, _ in problem.folds()]
        total = sum(folds)
        errors = []
        for fold in folds:
            coefs, intercepts = _solve(total - fold, problem.alphas, tol)
            both = np.vstack([-coefs, np.ones(coefs.shape[1]), -intercepts])
            errors.append(((fold @ both) * both).sum(axis=0) / fold[-1, -1])
        table = np.transpose(errors)
        place = int(np.argmin(table.mean(axis=1)))
        coefs, intercepts = _solve(total, problem.alphas, tol)
        return Found.chosen(coefs[:, place], intercepts[place], place, table)

    def _moments(self, rows: slice) -> Array:
        """Return sums of products (p + 2, p + 2) of columns, y and ones over some rows."""
        if not self.problem.on_disk:
            return _products(self.X[rows], self.y[rows])
        from data import open_columns

        X = open_columns(Path(self.problem.folder), self.problem.storage)
        step = X.chunks[0]
        parts = [
            slice(first, min(first + step, rows.stop))
            for first in range(rows.start, rows.stop, step)
        ]
        with ThreadPoolExecutor(1) as ahead:  # one block is read while another is summed
            coming = ahead.submit(X.__getitem__, parts[0])
            sums: Any = 0.0
            for part, following in zip(parts, [*parts[1:], None], strict=True):
                block = coming.result()
                if following is not None:
                    coming = ahead.submit(X.__getitem__, following)
                sums = sums + _products(block, self.y[part])
        return sums


def _products(X: Array, y: Array) -> Array:
    """Return the sums of products of the columns, y and ones."""
    p = X.shape[1]
    sums = np.empty((p + 2, p + 2))
    sums[:p, :p] = X.T @ X
    sides = np.column_stack([y, np.ones(len(y))])
    sums[:p, p:] = X.T @ sides.astype(X.dtype)
    sums[p:, :p] = sums[:p, p:].T
    sums[p:, p:] = sides.T @ sides
    return sums


def _solve(moments: Array, alphas: Any, tol: float) -> tuple[Array, Array]:
    """Return coefficients (p, n_alphas) and intercepts (n_alphas,)."""
    from sklearn.linear_model import lasso_path

    n = moments[-1, -1]
    mean = moments[:-1, -1] / n
    covariance = moments[:-1, :-1] / n - np.outer(mean, mean)
    root = np.linalg.cholesky(covariance[:-1, :-1]).T
    target = np.linalg.solve(root.T, covariance[:-1, -1])
    size = np.sqrt(len(root))
    rows = np.asfortranarray(root * size)
    coefs = lasso_path(rows, target * size, alphas=alphas, tol=tol, max_iter=10**6)[1]
    return coefs, mean[-1] - mean[:-1] @ coefs


ADAPTER = ByHand
