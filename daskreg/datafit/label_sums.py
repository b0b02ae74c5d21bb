"""Sums of sparse columns by label, from which moments come when all rows have been seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from daskreg._typing import Float

from .moments import Moments

#: Sparse columns with empty places are not shifted: below this share of the mean square a
#: variance is rounding.
SPARSE_NOISE = 1e-12


@dataclass(frozen=True, eq=False)
class LabelSums:
    """Weighted sums about zero of columns that some row leaves empty.

    Zero lies inside such columns, so that sums about it lose no digits that sums about the mean
    would keep; and adding them is adding numbers, where moments take ten times as many operations.

    Attributes
    ----------
    table : ndarray, shape (p, 1 + q)
        Of the squares, and of the entries of the rows of each label.
    weight : ndarray, shape (q,)
        Of the rows of each label.
    n_rows : int
        Rows with a positive weight.
    """

    table: Float
    weight: Float
    n_rows: int

    def __add__(self, other: object) -> LabelSums | Moments:
        if isinstance(other, LabelSums):
            return LabelSums(
                self.table + other.table, self.weight + other.weight, self.n_rows + other.n_rows
            )
        return self.moments() + other if isinstance(other, Moments) else NotImplemented

    def __radd__(self, other: object) -> Moments:
        return other + self.moments() if isinstance(other, Moments) else NotImplemented

    @property
    def finite(self) -> bool:
        """Whether all of the sums are; entries that are not would leave none behind."""
        return bool(np.isfinite(self.table.sum()))

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return int(self.table.nbytes + self.weight.nbytes)

    def moments(self) -> Moments:
        """Return moments about the means, with a target for each label."""
        weight = float(self.weight.sum())
        share = self.weight / weight
        square, by_label = self.table[:, 0], self.table[:, 1:]
        with np.errstate(over="ignore", invalid="ignore"):
            first = by_label.sum(axis=1)
            m2 = square - np.square(first) / weight
            m2[m2 <= SPARSE_NOISE * square] = 0.0  # what overflowed stays NaN, and is refused later
            cross = by_label - np.outer(first, share)
        target_m2 = self.weight * (1.0 - share)
        return Moments(weight, self.n_rows, first / weight, m2, share, target_m2, cross)


def absorbed(sums: Any, other: Any) -> Any:
    """Return ``sums + other``, of two of a kind in the memory of the first.

    Fresh memory for a table of many columns, or a Gram matrix, takes the system longer than the
    addition.
    """
    if isinstance(sums, Moments) and isinstance(other, Moments):
        return sums.absorb(other)
    if not (isinstance(sums, LabelSums) and isinstance(other, LabelSums)):
        return sums + other
    if sums.table.shape != other.table.shape:
        return sums + other
    table = np.add(sums.table, other.table, out=sums.table)
    return LabelSums(table, sums.weight + other.weight, sums.n_rows + other.n_rows)


def centred(sums: Moments | LabelSums) -> Moments:
    """Return moments about the means."""
    return sums.moments() if isinstance(sums, LabelSums) else sums
