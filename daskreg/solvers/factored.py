"""A Gram matrix of few rows, never multiplied: the rows themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from daskreg._typing import AnyArray, Float


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
        part = self.rows if len(used) == len(coef) else self.rows[:, used]
        return np.asarray(self.rows.T @ (part @ coef[used]))

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
