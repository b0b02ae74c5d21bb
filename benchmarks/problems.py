"""Synthetic problems of the benchmarks; every one is the same for the same arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
#: Where data for disk go; set by the benchmark that runs.
SCRATCH = Path(".")


def columns(n_rows: int, n_columns: int, rho: float, rng: np.random.Generator) -> Array:
    """Columns of an autoregressive process, correlation ``rho`` between neighbours."""
    X = rng.standard_normal((n_rows, n_columns))
    for j in range(1, n_columns if rho else 0):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * X[:, j]
    return X


def _strengths(n_columns: int, n_informative: int | None, rng: np.random.Generator) -> Array:
    chosen = rng.choice(n_columns, n_informative or max(5, n_columns // 10), replace=False)
    strength = rng.standard_normal(len(chosen))
    coef = np.zeros(n_columns)
    coef[chosen] = strength + 0.5 * np.sign(strength)
    return coef


def lasso(
    n_rows: int, n_columns: int, rho: float, n_informative: int | None = None, seed: int = 0
) -> tuple[Array, Array]:
    """Columns and a target with three times as much signal as noise, in standard deviations."""
    rng = np.random.default_rng(seed)
    X = columns(n_rows, n_columns, rho, rng)
    eta = X @ _strengths(n_columns, n_informative, rng)
    return X, eta + rng.standard_normal(n_rows) * eta.std() / 3.0


def labels(
    n_rows: int, n_columns: int, rho: float, shift: float = 0.0, factor: float = 1.0
) -> tuple[Array, Array]:
    """Columns and labels with log odds of standard deviation ``2 factor`` about ``shift``."""
    rng = np.random.default_rng(0)
    X = columns(n_rows, n_columns, rho, rng)
    eta = X @ _strengths(n_columns, None, rng)
    odds = np.exp(-factor * 2.0 * eta / eta.std() - shift)
    return X, np.random.default_rng(5).random(n_rows) < 1 / (1 + odds)


def classes(n_rows: int, n_columns: int, rho: float, n_classes: int) -> tuple[Array, Array]:
    """Columns and classes drawn from a softmax of log odds of standard deviation 2."""
    rng = np.random.default_rng(0)
    X = columns(n_rows, n_columns, rho, rng)
    coef = np.column_stack([_strengths(n_columns, None, rng) for _ in range(n_classes)])
    eta = X @ coef
    eta *= 2.0 / eta.std()
    return X, np.argmax(eta + rng.gumbel(size=eta.shape), axis=1)


def counts(n_rows: int, n_columns: int, per_row: int) -> tuple[Any, Array]:
    """Log counts of words whose frequency falls with their number, and labels of 100 of them."""
    import scipy.sparse as sp

    rng = np.random.default_rng(0)
    frequency = 1.0 / (np.arange(n_columns) + 10.0)
    words = rng.choice(n_columns, size=n_rows * per_row, p=frequency / frequency.sum())
    rows = np.repeat(np.arange(n_rows), per_row)
    X = sp.csr_array((np.ones(len(rows)), (rows, words)), shape=(n_rows, n_columns))
    X.sum_duplicates()
    X.data = np.log1p(X.data)
    coef = np.zeros(n_columns)
    coef[rng.choice(min(2000, n_columns), 100, replace=False)] = 2.0 * rng.standard_normal(100)
    eta = X @ coef
    return X, (eta - np.median(eta) + rng.logistic(size=n_rows)) > 0


def on_disk(X: Array) -> str:
    """Write the columns by rows to a file in ``SCRATCH``; return its path."""
    path = SCRATCH / "X.npy"
    np.save(path, np.ascontiguousarray(X))
    return str(path)
