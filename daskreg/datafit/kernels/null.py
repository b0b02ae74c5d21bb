"""Sweeps over targets, weights and offset alone: the null model needs no column of X."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from daskreg._typing import State
from daskreg.datafit.weightings import ALL_ROWS, Weightings
from daskreg.design.blocks import Block
from daskreg.design.partials import Sums
from daskreg.losses import PointwiseLoss

from .tiles import Labels, column_sums, row_data, tile_borders

#: Rows looked at together.
TILE_ROWS = 2**14


@dataclass(frozen=True)
class NullKernel:
    """Loss, slope and curvature of the model ``eta = offset + intercept``.

    The state holds ``intercept``, ``target`` and ``weighting``, shape (C,) each.  X is not read.
    """

    name: ClassVar[str] = "null"
    reads_X: ClassVar[bool] = False
    loss: PointwiseLoss
    labels: Labels | None = None
    weightings: Weightings = ALL_ROWS

    def __call__(self, block: Block, state: State) -> Sums:
        rows = row_data(block, self.labels, self.weightings, state["weighting"])
        names = ("value", "slope", "curvature")
        sums = Sums({name: np.zeros(len(state["intercept"])) for name in names})
        for start, stop in tile_borders(block.n_rows, TILE_ROWS):
            tile = rows.tile(start, stop)
            y = tile.y[:, state["target"]]
            eta = state["intercept"] + np.zeros_like(y)
            if tile.offset is not None:
                wide = tile.offset.shape[1] > 1
                eta += tile.offset[:, state["target"]] if wide else tile.offset
            value, slope = self.loss.value_and_gradient(y, eta)
            sums["value"] += column_sums(value, tile.weight)
            sums["slope"] += column_sums(slope, tile.weight)
            sums["curvature"] += column_sums(self.loss.curvature(y, eta), tile.weight)
        return sums
