"""The gradient pass by array functions alone: for any loss, and arrays of any library."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._array import is_sparse
from daskreg._typing import State
from daskreg.datafit.kernels.coupled import add_classes, empty_class_sums
from daskreg.datafit.kernels.pointwise import add_pointwise, empty_sums
from daskreg.datafit.kernels.tiles import tile_borders
from daskreg.design.device import DeviceBlock
from daskreg.design.partials import Sums
from daskreg.losses import Multinomial, PointwiseLoss

from .rows import DeviceRows
from .sparse import csr_times, times_csr
from .tiles import card_tile_rows, dtype_of, widened


class ArrayForm:
    """Two matrix products a tile and array functions between them.

    Sparse rows are taken as one tile: only cards without CUDA C for the loss see them here.

    Parameters
    ----------
    loss : PointwiseLoss
    state : mapping
    dtype : numpy.dtype
        Of the products; those of sparse rows are float64 always.
    block : DeviceBlock
        Where the sums are to live.
    has_offset : bool
    """

    def __init__(
        self,
        loss: PointwiseLoss,
        state: State,
        dtype: np.dtype[Any],
        block: DeviceBlock,
        has_offset: bool,
    ) -> None:
        self.loss = loss
        self.state = state
        self.dtype = np.dtype(np.float64) if is_sparse(block.X) else dtype
        self.coupled = isinstance(loss, Multinomial)
        coef = state["coef"]
        zeros = (
            empty_class_sums(coef.shape[1], len(state["target"]))
            if self.coupled
            else empty_sums(loss, coef, has_offset)
        )
        zeros["grad"] = np.zeros(coef.shape)
        self.sums = Sums({name: block.send_beside(zero) + 0.0 for name, zero in zeros.items()})

    def add(self, block: DeviceBlock, rows: DeviceRows) -> None:
        """Add the rows of a block."""
        coef = block.upload("coef", self.state["coef"].astype(self.dtype))
        intercept = block.upload("intercept", np.asarray(self.state["intercept"]))
        if is_sparse(block.X):
            r = self._residual(rows, 0, block.n_rows, csr_times(block.xp, block.X, coef), intercept)
            self.sums["grad"] += times_csr(block.xp, block.X, r)
            return
        xp: Any = block.xp
        X: Any = block.X
        shift = self.state.get("shift")
        if shift is not None:
            shift = block.upload("shift", np.asarray(shift, dtype=self.dtype))
        n_rows = card_tile_rows(block.n_features, coef.shape[1], dtype_of(X), self.dtype)
        for start, stop in tile_borders(block.n_rows, n_rows):
            tile = widened(xp, X[start:stop, :], self.dtype, shift)
            r = self._residual(rows, start, stop, xp.matmul(tile, coef), intercept)
            product = xp.matmul(xp.matrix_transpose(tile), xp.astype(r, tile.dtype))
            self.sums["grad"] += xp.astype(product, xp.float64)

    def _residual(self, rows: DeviceRows, start: int, stop: int, eta: Any, intercept: Any) -> Any:
        eta = rows.xp.astype(eta, rows.xp.float64) + intercept
        tile = rows.tile(start, stop)
        if tile.offset is not None:
            eta = eta + tile.offset
        if self.coupled:
            return add_classes(self.sums, tile, eta)
        return add_pointwise(self.loss, self.sums, tile, eta, None)

    def result(self) -> Sums:
        """Return the sums, on the card."""
        return self.sums
