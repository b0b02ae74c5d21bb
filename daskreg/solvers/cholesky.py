"""Cholesky factors of symmetric positive definite matrices, without the checks of their wrappers.

A step of little data makes a dozen factors of a few rows: their checks cost more than themselves.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import lapack

from daskreg._typing import Float


def factor_of(matrix: Float, *, overwrite: bool = False) -> Float:
    """Return the factor of a symmetric matrix (n, n), as :func:`solved` takes it.

    Raises
    ------
    LinAlgError
        Where the matrix is not positive definite, or not finite.
    """
    if not len(matrix):
        return matrix
    # The transpose of what is in C order is in the order of LAPACK.
    factor, info = lapack.dpotrf(matrix.T, lower=1, clean=0, overwrite_a=overwrite)
    # Some libraries take NaN for positive; whatever is not finite reaches the diagonal.
    if info or not math.isfinite(factor.trace()):
        raise np.linalg.LinAlgError(f"no Cholesky factor: order {len(matrix)}, LAPACK says {info}")
    return np.asarray(factor)


def solved(factor: Float, right: Float) -> Float:
    """Return ``inv(matrix) @ right`` for right of shape (n,) or (n, m)."""
    if not right.size:
        return np.zeros(right.shape)
    found, _ = lapack.dpotrs(factor, right.reshape(len(right), -1), lower=1)
    return np.asarray(found).reshape(right.shape)
