"""Sweep over y: how far the targets spread on the rows of each fold, for R squared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float, State
from daskreg.design.blocks import Block
from daskreg.design.partials import Sums
from daskreg.exceptions import DataError
from daskreg.splits import Folds, RowKeys

from .tiles import numeric_target


@dataclass(frozen=True, eq=False)
class Spread:
    """Weight, mean and weighted sum of squares about the mean; parts merge without cancellation.

    Source: Chan, Golub and LeVeque (1983), Algorithms for computing the sample variance.
    """

    weight: Float
    mean: Float
    m2: Float

    def __add__(self, other: Spread) -> Spread:
        weight = self.weight + other.weight
        share = other.weight / np.where(weight > 0.0, weight, 1.0)
        step = other.mean - self.mean
        mean = self.mean + share * step
        return Spread(weight, mean, self.m2 + other.m2 + self.weight * share * np.square(step))

    @property
    def nbytes(self) -> int:
        """Bytes of the three arrays."""
        return 3 * int(self.weight.nbytes)

    @classmethod
    def of(cls, y: Float, weight: Float | None) -> Spread:
        """Return the spread of each column of y, shape (n_rows, q)."""
        own = np.ones(len(y)) if weight is None else weight
        total = float(np.add.reduce(own))
        mean = own @ y / total if total > 0.0 else np.zeros(y.shape[1])
        return cls(np.full(y.shape[1], total), mean, own @ np.square(y - mean))

    @classmethod
    def joined(cls, parts: list[Spread]) -> Spread:
        """Return the spreads of several sets of rows, one after the other."""
        names = ("weight", "mean", "m2")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True, eq=False)
class SpreadKernel:
    """Spread of every target on the test rows of every fold, or on all rows without folds.

    Returns ``spread``, of each fold (or once) all targets, and ``n_rows`` (n_folds or 1,), the rows
    of a positive weight.

    Parameters
    ----------
    folds : Folds or None
    """

    name: ClassVar[str] = "target-spread"
    reads_X: ClassVar[bool] = False
    folds: Folds | None = None

    def __call__(self, block: Block, state: State) -> Sums:
        if block.y is None:
            raise DataError("the data have no target: expected y, got None")
        y, weight = numeric_target(block.y), block.sample_weight
        counts = np.ones(len(y), dtype=bool) if weight is None else weight > 0.0
        parts, n_rows = [], []
        for rows in self._sets(block, block.y).T:
            own = np.flatnonzero(rows)
            parts.append(Spread.of(y[own], None if weight is None else weight[own]))
            n_rows.append(float(counts[own].sum()))
        return Sums(spread=Spread.joined(parts), n_rows=np.array(n_rows))

    def _sets(self, block: Block, y: AnyArray) -> npt.NDArray[np.bool_]:
        """Return which rows belong to each set, shape (n_rows, n_sets)."""
        if self.folds is None:
            return np.ones((len(y), 1), dtype=bool)
        return self.folds.held_out(RowKeys(block.start, len(y), y[:, 0], block.groups)) > 0.0
