"""Products of compressed sparse rows on a card, by array functions alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._array import beside, concatenated, running_sum, stable_order

from .tiles import dtype_of


def csr_times(xp: Any, X: Any, coef: Any) -> Any:
    """Return ``X @ coef`` in float64, shape (n_rows, C).

    Parameters
    ----------
    X : Csr
    coef : float64, shape (n_features, C)
    """
    values = xp.astype(X.data, xp.float64)[:, None] * xp.take(coef, X.indices, axis=0)
    return run_sums(xp, values, X.indptr)


def times_csr(xp: Any, X: Any, r: Any) -> Any:
    """Return ``X.T @ r`` in float64, shape (n_features, C); stored numbers are sorted by column."""
    order = stable_order(X.indices)
    columns = xp.take(X.indices, order)
    edges = beside(columns, np.arange(X.shape[1] + 1, dtype=dtype_of(columns)))
    values = xp.astype(X.data, xp.float64)[:, None] * xp.take(r, row_numbers(xp, X), axis=0)
    return run_sums(xp, xp.take(values, order, axis=0), xp.searchsorted(columns, edges))


def row_numbers(xp: Any, X: Any) -> Any:
    """Return the row of each stored number, shape (n_stored,)."""
    places = running_sum(xp.astype(xp.ones_like(X.indices), X.indptr.dtype)) - 1
    return xp.searchsorted(X.indptr[1:], places, side="right")


def run_sums(xp: Any, values: Any, borders: Any) -> Any:
    """Return the sums of runs of rows, ``values[borders[i] : borders[i + 1]]``, shape (n, C)."""
    zero = xp.zeros_like(values[:1, :])
    before = concatenated([zero, running_sum(values)])
    before = xp.take(before, borders, axis=0)
    return before[1:, :] - before[:-1, :]
