"""The Hessian of a loss over a few columns of sparse rows, at a point of each problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from daskreg._typing import Float, State
from daskreg.compiled import add_sparse_hessian
from daskreg.datafit.weightings import ALL_ROWS, Weightings
from daskreg.design.blocks import Block
from daskreg.design.partials import Sums
from daskreg.losses import PointwiseLoss

from .tiles import BLOCK_BYTES, Labels, RowData, row_data, tile_borders

#: Linear predictors of a tile: what surrounds its loops costs next to nothing, and they stay in
#: the second-level cache.
PREDICTORS, LEAST_ROWS = 2**15, 2**10


@dataclass(frozen=True)
class HessianKernel:
    """Sums over rows of ``w loss'' (x, 1) (x, 1)'``, with the columns of x that a problem asks for.

    The state is that of the gradient kernel for one output, with ``members``, column numbers of
    one problem after the other, ascending in each, and ``borders`` (C + 1,), where each begins.
    The sum of problem c, (m + 1, m + 1), is called by its number; its lower triangle is zero.

    Parameters
    ----------
    loss : PointwiseLoss
    labels : Labels or None
    weightings : Weightings
    """

    name: ClassVar[str] = "hessian"
    reads_X: ClassVar[bool] = True
    loss: PointwiseLoss
    labels: Labels | None = None
    weightings: Weightings = ALL_ROWS

    def __call__(self, block: Block, state: State) -> Sums:
        rows = row_data(block, self.labels, self.weightings, state["weighting"])
        borders = state["borders"]
        hessians = [np.zeros((size + 1, size + 1)) for size in np.diff(borders).tolist()]
        places = np.full((len(hessians), block.X.shape[1]), -1, dtype=np.int32)
        for place, start, stop in zip(places, borders[:-1], borders[1:], strict=True):
            place[state["members"][start:stop]] = np.arange(stop - start)
        for start, stop in tile_borders(block.n_rows, _tile(len(hessians))):
            self._add(block, state, rows.tile(start, stop), start, places, hessians)
        return Sums({str(number): hessian for number, hessian in enumerate(hessians)})

    def _add(
        self,
        block: Block,
        state: State,
        rows: RowData,
        start: int,
        places: Any,
        hessians: list[Float],
    ) -> None:
        X, target, stop = block.X, state["target"], start + len(rows.y)
        parts = X.data, X.indices, X.indptr
        tile = X if stop - start == block.n_rows else X[start:stop]
        eta = np.ascontiguousarray((tile @ state["coef"]).T)
        eta += np.asarray(state["intercept"])[:, None]
        if rows.offset is not None:
            eta += rows.offset.T[target if rows.offset.shape[1] > 1 else [0] * len(target)]
        bend = self.loss.curvature(rows.y.T[target], eta)
        if rows.weight is not None:
            bend = bend * rows.weight.T
        for place, own, hessian in zip(places, bend, hessians, strict=True):
            column, value = np.empty(len(hessian), dtype=np.intp), np.empty(len(hessian))
            own = np.ascontiguousarray(own)
            add_sparse_hessian(*parts, start, place, own, column, value, hessian)

    def temporaries(
        self, n_features: int, n_columns: int, dtype: np.dtype[Any], sparse: bool = False
    ) -> int:
        """Return the bytes that one call needs beside its block and its result."""
        return 8 * n_columns * (20 * _tile(n_columns) + 2 * n_features) + BLOCK_BYTES


def _tile(n_columns: int) -> int:
    """Return the rows of a tile."""
    return max(LEAST_ROWS, PREDICTORS // max(1, n_columns))
