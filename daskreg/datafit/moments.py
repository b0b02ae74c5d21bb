"""Weighted means and centred second moments of rows, as values that add."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Float


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
    gram : ndarray, shape (p, f), or None
        The same between all columns and the chosen ``columns``.
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
    gram: Float | None = None
    columns: AnyArray | None = None

    def __add__(self, other: Any) -> Moments:
        if not isinstance(other, Moments):
            return NotImplemented
        weight = self.weight + other.weight
        share = other.weight / weight if weight else 0.0
        factor = self.weight * share
        delta = other.mean - self.mean
        target_delta = other.target_mean - self.target_mean
        gram = None
        with np.errstate(over="ignore", invalid="ignore"):
            if self.gram is not None and other.gram is not None:
                gram = self.gram + other.gram
                add_outer(gram, delta[:, None], np.array([factor]), self.columns)
            return Moments(
                weight,
                self.n_rows + other.n_rows,
                self.mean + share * delta,
                self.m2 + other.m2 + factor * np.square(delta),
                self.target_mean + share * target_delta,
                self.target_m2 + other.target_m2 + factor * np.square(target_delta),
                self.cross + other.cross + factor * np.outer(delta, target_delta),
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

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(int(getattr(getattr(self, f.name), "nbytes", 8)) for f in fields(self))


def add_outer(gram: Float, vectors: Float, factors: Float, columns: AnyArray | None) -> None:
    """Add ``sum_r factors[r] v_r v_r'`` to ``gram`` in place; ``vectors`` has shape (p, r)."""
    right = vectors if columns is None else vectors[columns]
    step = max(1, 2**20 // max(1, right.shape[0]))  # about 8 MiB at a time
    for start in range(0, len(gram), step):
        part = slice(start, start + step)
        gram[part] += (vectors[part] * factors) @ right.T


class ByLabel:
    """Moments of the rows of each class; ``+`` joins the classes that blocks have found.

    Attributes
    ----------
    labels : ndarray, shape (n_classes,)
        Distinct labels in ascending order, in the type of y.
    moments : tuple of Moments
        One for each label.
    """

    def __init__(self, labels: AnyArray, moments: tuple[Moments, ...]) -> None:
        self.labels = labels
        self.moments = moments

    def __add__(self, other: Any) -> ByLabel:
        if not isinstance(other, ByLabel):
            return NotImplemented
        labels = np.union1d(self.labels, other.labels)
        return ByLabel(labels, tuple(self._joined(other, label) for label in labels))

    def _joined(self, other: ByLabel, label: Any) -> Moments:
        found = [
            moments
            for part in (self, other)
            for own, moments in zip(part.labels, part.moments, strict=True)
            if own == label
        ]
        return found[0] if len(found) == 1 else found[0] + found[1]

    @property
    def nbytes(self) -> int:
        """Bytes of labels and moments."""
        return int(self.labels.nbytes) + sum(m.nbytes for m in self.moments)
