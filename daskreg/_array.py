"""The only file that asks what kind of array it has: dense or sparse."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._typing import AnyArray, Float, Matrix


def is_sparse(X: Matrix) -> bool:
    """Whether X is a compressed sparse row matrix; asks for its parts, not for its type's name."""
    return hasattr(X, "indptr")


def take_rows(X: Matrix, start: int, stop: int) -> Matrix:
    """Return rows ``start:stop``: of a dense X a view, of a sparse one a copy, unless all."""
    if not is_sparse(X):
        return X[start:stop]
    if start == 0 and stop >= X.shape[0]:
        return X
    pointers = X.indptr[start : stop + 1]
    part = slice(pointers[0], pointers[-1])
    return csr_like(X, X.data[part], X.indices[part], pointers - pointers[0])


def csr_like(X: Matrix, data: AnyArray, indices: AnyArray, indptr: AnyArray) -> Matrix:
    """Return a sparse matrix of X's kind and width from its three parts."""
    return type(X)((data, indices, indptr), shape=(len(indptr) - 1, X.shape[1]))


def with_data(X: Matrix, data: AnyArray) -> Matrix:
    """Return the sparse matrix X with other numbers in the same places."""
    return csr_like(X, data, X.indices, X.indptr)


def scale_rows(X: Matrix, factor: Float) -> Matrix:
    """Return the sparse matrix ``diag(factor) @ X`` in float64; X itself stays as it is."""
    repeated = np.repeat(factor, np.diff(X.indptr))
    return with_data(X, X.data.astype(np.float64) * repeated)


def as_type(X: Matrix, dtype: np.dtype[Any] | str) -> Matrix:
    """Return X in ``dtype``, without a copy where it is already."""
    if not is_sparse(X):
        return X.astype(dtype, copy=False)
    return X if X.dtype == dtype else with_data(X, X.data.astype(dtype))


def to_dense(X: Matrix) -> AnyArray:
    """Return X as an ndarray."""
    return np.asarray(X.toarray() if hasattr(X, "toarray") else X)
