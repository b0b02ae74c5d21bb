"""Moments and Gram matrix of some rows of a sparse block, in machine code; none are gathered."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from daskreg._typing import AnyArray, Float, Matrix
from daskreg.compiled import add_sparse_by_label, add_sparse_gram, add_sparse_moments
from daskreg.datafit.label_sums import LabelSums

from .one_hot import OneHot

#: Rows of which the common columns are looked for before all rows are.
FIRST_ROWS = 8


@dataclass(frozen=True, eq=False)
class SparseRows:
    """Some rows of compressed sparse rows.

    Attributes
    ----------
    X : CSR matrix of shape (n_rows, p), without duplicates
    rows : ndarray of int, shape (m,)
    """

    X: Matrix
    rows: AnyArray

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.rows), int(self.X.shape[1])

    @cached_property
    def _parts(self) -> tuple[AnyArray, AnyArray, AnyArray]:
        return self.X.data, self.X.indices, self.X.indptr

    def shift(self, root: Float, weight: float) -> Float:
        """Return the weighted means of the columns that every row stores, (p,), zero elsewhere.

        Empty where there is no such column.
        """
        whole = self._whole()
        if not len(whole):
            return np.empty(0)
        p = self.shape[1]
        sums = self.sums(np.empty(0), root[:, None])[:, 1]
        shift = np.zeros(p)
        # With the root in both factors these are weighted sums.
        shift[whole] = sums[whole] / weight
        return shift

    def _whole(self) -> AnyArray:
        """Columns that every row stores."""
        indices, indptr = self.X.indices, self.X.indptr
        common = indices[indptr[self.rows[0]] : indptr[self.rows[0] + 1]]
        for row in self.rows[1:FIRST_ROWS]:
            if not len(common):
                return common
            common = np.intersect1d(common, indices[indptr[row] : indptr[row + 1]])
        if not len(common) or len(self.rows) <= FIRST_ROWS:
            return common
        count = self.sums(np.empty(0), np.ones((len(self.rows), 1)), counted=True)[:, 0]
        return np.flatnonzero(count == len(self.rows))

    def sums(self, shift: Float, right: Float, counted: bool = False) -> Float:
        """Return the sums of squares, and of products with ``right`` (m, 1 + q), (p, 2 + q).

        Of ``root (x - shift)``, with root the first column of ``right``; see ``add_moments``.
        ``counted`` takes one for each number that is stored.
        """
        data, indices, indptr = self._parts
        if counted:
            data = np.ones_like(data)
        total = np.zeros((self.shape[1], 1 + right.shape[1]))
        add_sparse_moments(data, indices, indptr, self.rows, _some(shift), right, total)
        return total

    def label_sums(self, labels: OneHot, weight: Float | None) -> LabelSums | None:
        """Return the sums by label, under weights (m,); None: some column is in every row."""
        if len(self._whole()):
            return None
        codes, q = labels.codes, labels.n_labels
        table = np.zeros((self.shape[1], 1 + q))
        add_sparse_by_label(*self._parts, self.rows, codes, weight, table)
        own = np.bincount(codes, weight, minlength=q).astype(np.float64, copy=False)
        n_rows = len(codes) if weight is None else int(np.count_nonzero(weight))
        return LabelSums(table, own, n_rows)

    def centred(
        self, shift: Float, right: Float, weight: float, noise: float
    ) -> tuple[Float, Float, Float]:
        """Return means (p,), second moments and products with the targets, (p,) and (p, q).

        ``shift`` and ``right`` are those of :meth:`sums`.  A second moment below the share
        ``noise`` of the squares is rounding; what overflowed stays NaN.
        """
        sums = self.sums(shift, right)
        square, mean = sums[:, 0], sums[:, 1] / weight
        m2 = square - mean * sums[:, 1]
        m2[m2 <= noise * square] = 0.0
        cross = sums[:, 2:] - np.outer(mean, right[:, 0] @ right[:, 1:])
        return (mean + shift if len(shift) else mean), m2, cross

    def add_gram(self, shift: Float, right: Float, gram: Float) -> None:
        """Add the products of the same numbers to the upper triangle of ``gram``, (p, p)."""
        add_sparse_gram(*self._parts, self.rows, _some(shift), right, gram)


def _some(shift: Float) -> Float | None:
    """Return what loops take: nothing where nothing is subtracted."""
    return shift if len(shift) else None
