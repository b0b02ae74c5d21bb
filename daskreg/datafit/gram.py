"""The squared loss in memory: once the Gram matrix is known, no pass is needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from daskreg._typing import AnyArray, Float

from .first import FirstPass
from .sample import RowSample

EPS = float(np.finfo(np.float64).eps)
#: Columns that are brought to solver coordinates together.
AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class GramData:
    r"""Sums of the squared loss in solver coordinates, per unit of weight.

    .. math:: f(b, c_0) = \tfrac12 (y'y - 2 b'c + b'Gb) + \tfrac12 (c_0 - \bar y)^2

    with y less the offset, everything centred and :math:`\bar y` its mean where there is an
    intercept (the last term is dropped without one).

    Attributes
    ----------
    G : ndarray, shape (p, p)
    c : ndarray, shape (p, n_targets)
    yy : ndarray, shape (n_targets,)
    rounding : float
        Error of an entry of G, relative to the root of the product of its diagonal entries:
        machine precision, or what the diagonal of a float32 matrix shows.
    first : FirstPass
        Of the same weighting.
    """

    G: Float
    c: Float
    yy: Float
    rounding: float
    first: FirstPass

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return int(self.G.nbytes + self.c.nbytes + self.yy.nbytes)


@dataclass(frozen=True, eq=False)
class FactoredData:
    """The same sums with rows that the Gram matrix is the product of, where these are fewer.

    Attributes
    ----------
    rows : ndarray, shape (n_rows, p), Fortran-contiguous
        Rows that count, in solver coordinates, times the roots of their shares of the weight.
    c, yy, rounding, first
        As in :class:`GramData`.
    """

    rows: Float
    c: Float
    yy: Float
    rounding: float
    first: FirstPass

    @classmethod
    def of(cls, rows: Float, first: FirstPass) -> FactoredData:
        """Return the sums of a weighting, from its rows and its first pass."""
        return cls(rows, first.cross, first.target_square, EPS, first)


class RowsOf:
    """The rows of a sample of all that count in a weighting, as ``FactoredData`` has them.

    Attributes
    ----------
    n_rows : int
    """

    def __init__(self, sample: RowSample, first: FirstPass, number: int) -> None:
        self._view = sample.view(first.center, first.inverse_scale, weighting=number)
        self._counted = np.flatnonzero(self._view.weight > 0.0)
        self._root = np.sqrt(self._view.weight[self._counted])[:, None]
        self.n_rows = len(self._counted)

    def into(self, room: Float, places: AnyArray) -> None:
        """Put each column into the row of ``room`` (m, n_rows) that its place says."""
        every = self.n_rows == len(self._view.weight)
        for start in range(0, len(places), AT_ONCE):
            some = slice(start, min(start + AT_ONCE, len(places)))
            columns = self._view.columns(some)
            if not every:
                columns = columns[self._counted]
            columns *= self._root
            room[places[some]] = columns.T
