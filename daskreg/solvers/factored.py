"""A Gram matrix of few rows, never multiplied: the rows themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from daskreg._pages import momentary
from daskreg._typing import AnyArray, Float

#: Columns that are copied together: they stay in cache, and no copy of all is made.
AT_ONCE = 64


def products(rows: Float, members: AnyArray, right: Float) -> Float:
    """Return some columns of Fortran-ordered rows, transposed, times ``right`` (n,) or (n, m)."""
    found = momentary((len(members), *right.shape[1:]))
    for start in range(0, len(members), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        # Transposed, columns are copied whole.
        found[some] = rows.T[members[some]] @ right
    return found


def combined(rows: Float, members: AnyArray, share: Float) -> Float:
    """Return the sum of some columns of Fortran-ordered rows times ``share`` (c,) or (c, m): of
    shape (n,) or (m, n)."""
    total = np.zeros((*share.shape[1:], len(rows)))
    for start in range(0, len(members), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        total += share[some].T @ rows.T[members[some]]
    return total


@dataclass(frozen=True, eq=False)
class Factored:
    """``rows.T @ rows``, for what needs its products, its diagonal and some small blocks.

    Attributes
    ----------
    rows : ndarray, shape (n_rows, p), Fortran-contiguous
        Rows in solver coordinates times the roots of their weights.
    """

    rows: Float

    def __matmul__(self, coef: Float) -> Float:
        """Return the matrix times ``coef`` (p, m): the columns in use, then all of them."""
        used = np.flatnonzero((coef != 0.0).any(axis=1))
        return np.asarray(self.rows.T @ combined(self.rows, used, coef[used]).T)

    @cached_property
    def squares(self) -> Float:
        """The diagonal, shape (p,)."""
        return np.asarray(np.einsum("ij,ij->j", self.rows, self.rows))

    def block(self, members: AnyArray) -> Float:
        """Rows and columns ``members`` of the matrix."""
        part = self.rows[:, members]
        return np.asarray(part.T @ part)

    def matrix(self) -> Float:
        """The matrix, (p, p)."""
        return np.asarray(self.rows.T @ self.rows)
