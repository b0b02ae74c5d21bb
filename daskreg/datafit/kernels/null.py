"""Sweeps over targets, weights and offset alone: the null model needs no column of X."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from daskreg._typing import State
from daskreg.design.blocks import Block
from daskreg.design.partials import Sums
from daskreg.losses import PointwiseLoss

from .tiles import Labels, column_sums, row_data


@dataclass(frozen=True)
class NullKernel:
    """Loss, slope and curvature of the model ``eta = offset + intercept``.

    The state holds ``intercept``, shape (n_targets,).  X is not read.
    """

    name: ClassVar[str] = "null"
    reads_X: ClassVar[bool] = False
    loss: PointwiseLoss
    labels: Labels | None = None

    def __call__(self, block: Block, state: State) -> Sums:
        rows = row_data(block, self.labels)
        eta = state["intercept"] + np.zeros_like(rows.y)
        if rows.offset is not None:
            eta = eta + rows.offset
        value, slope = self.loss.value_and_gradient(rows.y, eta)
        return Sums(
            value=column_sums(value, rows.weight),
            slope=column_sums(slope, rows.weight),
            curvature=column_sums(self.loss.curvature(rows.y, eta), rows.weight),
        )
