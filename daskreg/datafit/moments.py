"""Weighted means and centred second moments of rows, as values that add."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Float

from .few_rows import FewRows, joined, matrix_of


@dataclass(frozen=True)
class Moments:
    r"""Moments of rows of X and of targets z, centred at their own weighted means.

    Two runs of rows are joined pairwise: with :math:`\delta` the difference of the means and
    :math:`f = W_1 W_2 / (W_1 + W_2)`, second moments add up plus :math:`f \delta\delta^T`.
    Nothing is ever subtracted from a large uncentred sum, so columns with a mean of 1e4 and a
    standard deviation of 1e-2 keep their digits.

    Attributes
    ----------
    weight : float
        Sum of the row weights.
    n_rows : int
        Rows with a positive weight.
    mean, m2 : ndarray, shape (p,)
        Weighted mean and sum of weighted squared deviations of each column.
    target_mean, target_m2 : ndarray, shape (q,)
        The same of the targets.
    cross : ndarray, shape (p, q)
        Sums of weighted products of the deviations of columns and targets.
    gram : ndarray, shape (p, f), FewRows or None
        The same between all columns and the chosen ``columns``; of few rows those rows.
    columns : ndarray of int, shape (f,), or None
        Chosen columns of ``gram``; None: all of them, in their order.

    References
    ----------
    Chan, Golub & LeVeque (1983), "Algorithms for computing the sample variance", The American
    Statistician 37(3), equation 2.1.
    """

    weight: float
    n_rows: int
    mean: Float
    m2: Float
    target_mean: Float
    target_m2: Float
    cross: Float
    gram: Float | FewRows | None = None
    columns: AnyArray | None = None

    def __add__(self, other: Any) -> Moments:
        return self._joined(other) if isinstance(other, Moments) else NotImplemented

    def absorb(self, other: Moments) -> Moments:
        """Add like ``+``, the Gram matrix in its own memory: of no use afterwards itself."""
        return self._joined(other, own=True)

    def _joined(self, other: Moments, own: bool = False) -> Moments:
        weight = self.weight + other.weight
        share = other.weight / weight if weight else 0.0
        factor = self.weight * share
        delta = other.mean - self.mean
        target_delta = other.target_mean - self.target_mean
        gram: Float | FewRows | None = None
        with np.errstate(over="ignore", invalid="ignore"):
            if self.gram is not None and other.gram is not None:
                if self.columns is None:
                    gram = joined(self.gram, other.gram, float(np.sqrt(factor)) * delta, own)
                else:
                    gram = matrix_of(self.gram) + matrix_of(other.gram)
                    add_outer(gram, delta[:, None], np.array([factor]), self.columns)
            return Moments(
                weight,
                self.n_rows + other.n_rows,
                self.mean + share * delta,
                self.m2 + other.m2 + factor * (delta * delta),
                self.target_mean + share * target_delta,
                self.target_m2 + other.target_m2 + factor * (target_delta * target_delta),
                self.cross + other.cross + factor * (delta[:, None] * target_delta[None, :]),
                gram,
                self.columns,
            )

    def scaled(self, factor: float) -> Moments:
        """Return the moments of the same rows with all weights times ``factor``."""
        if factor == 1.0:
            return self
        return Moments(
            self.weight * factor,
            self.n_rows,
            self.mean,
            self.m2 * factor,
            self.target_mean,
            self.target_m2 * factor,
            self.cross * factor,
            None if self.gram is None else self.gram * factor,
            self.columns,
        )

    def mapped(self, change: Callable[[Any], Any]) -> Moments:
        """Return the moments with changed arrays: fetched from a card, or sent to one.

        Few rows are multiplied before: a card adds matrices.
        """
        whole = self.whole()
        names = ("mean", "m2", "target_mean", "target_m2", "cross", "gram")
        return replace(whole, **{name: change(getattr(whole, name)) for name in names})

    def whole(self) -> Moments:
        """Return the moments with the Gram matrix as an array."""
        if self.gram is None or isinstance(self.gram, np.ndarray):
            return self
        return replace(self, gram=matrix_of(self.gram))

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(int(getattr(getattr(self, f.name), "nbytes", 8)) for f in fields(self))


def add_outer(gram: Float, vectors: Float, factors: Float, columns: AnyArray | None) -> None:
    """Add ``sum_r factors[r] v_r v_r'`` to ``gram`` in place; ``vectors`` has shape (p, r)."""
    right = vectors if columns is None else vectors[columns]
    step = max(1, 2**17 // max(1, right.shape[0]))  # about 1 MiB at a time
    for start in range(0, len(gram), step):
        part = slice(start, start + step)
        gram[part] += (vectors[part] * factors) @ right.T


@dataclass(frozen=True)
class MomentsBatch:
    """Moments of the same rows under several weights at once, without Gram columns.

    Attributes
    ----------
    weight, n_rows : ndarray, shape (n,)
    mean, m2 : ndarray, shape (p, n)
    target_mean, target_m2 : ndarray, shape (q, n)
    cross : ndarray, shape (p, q, n)
        As in :class:`Moments`, one weighting a column.
    """

    weight: Float
    n_rows: AnyArray
    mean: Float
    m2: Float
    target_mean: Float
    target_m2: Float
    cross: Float

    def __add__(self, other: Any) -> MomentsBatch:
        if not isinstance(other, MomentsBatch):
            return NotImplemented
        weight = self.weight + other.weight
        share = np.divide(other.weight, weight, out=np.zeros_like(weight), where=weight > 0.0)
        factor = self.weight * share
        delta = other.mean - self.mean
        target_delta = other.target_mean - self.target_mean
        outer = delta[:, None] * target_delta
        with np.errstate(over="ignore", invalid="ignore"):
            return MomentsBatch(
                weight,
                self.n_rows + other.n_rows,
                self.mean + share * delta,
                self.m2 + other.m2 + factor * np.square(delta),
                self.target_mean + share * target_delta,
                self.target_m2 + other.target_m2 + factor * np.square(target_delta),
                self.cross + other.cross + factor * outer,
            )

    def of(self, column: int) -> Moments:
        """Return the moments of one weighting."""
        return Moments(
            float(self.weight[column]),
            int(self.n_rows[column]),
            *(self.mean[:, column], self.m2[:, column]),
            *(self.target_mean[:, column], self.target_m2[:, column]),
            self.cross[..., column],
        )

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(int(getattr(self, field.name).nbytes) for field in fields(self))


def sum_of(parts: list[Moments]) -> Moments:
    """Return the moments of all the rows of several runs of rows."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
