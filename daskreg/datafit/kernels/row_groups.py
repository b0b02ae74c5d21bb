"""The rows of a block in groups: by label, or all of them with their targets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Float
from daskreg.datafit.groups import Tally
from daskreg.design.blocks import Block

from .classes import find_labels
from .one_hot import OneHot
from .tiles import numeric_target


@dataclass(frozen=True)
class RowGroups:
    """Groups of the rows of a block.

    Attributes
    ----------
    labels : ndarray, shape (n_classes,)
    groups : list of (label, row numbers)
        (None, None) for a regression.
    z : ndarray, shape (n_rows, n_targets)
    weight : ndarray, shape (n_rows,), or None
    """

    labels: AnyArray
    groups: list[tuple[Any, AnyArray | None]]
    z: Float | OneHot
    weight: Float | None

    @property
    def coded(self) -> RowGroups:
        """The same rows with a target for each label; those of weight zero may have any."""
        assert not isinstance(self.z, OneHot)
        codes = np.zeros(len(self.z), dtype=np.intp)
        for code, (_, chosen) in enumerate(self.groups):
            codes[chosen] = code
        return replace(self, z=OneHot(codes, len(self.labels)))

    @property
    def tallies(self) -> dict[Any, Tally]:
        """Rows and weight of each label."""
        found: dict[Any, Tally] = {}
        for label, chosen in self.groups:
            assert chosen is not None
            own = len(chosen) if self.weight is None else self.weight[chosen].sum()
            found[label] = len(chosen), float(own)
        return found

    @classmethod
    def numbers(cls, block: Block) -> RowGroups:
        """Return all rows, with their targets less the offset."""
        assert block.y is not None
        z = numeric_target(block.y)
        if block.offset is not None:
            z = z - block.offset
        return cls(np.empty(0), [(None, None)], z, block.sample_weight)

    @classmethod
    def by_label(cls, block: Block) -> RowGroups:
        """Return the rows that weigh something, by label; y, which numbers nothing, is left out."""
        assert block.y is not None
        y = block.y[:, 0]
        weight = block.sample_weight
        rows = np.arange(len(y)) if weight is None else np.flatnonzero(weight)
        labels, codes = find_labels(y[rows])
        groups = [(label, rows[codes == code]) for code, label in enumerate(labels.tolist())]
        return cls(labels, groups, np.empty((len(y), 0)), weight)
