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
from .tiles import ARRAYS_ABOUT, card_tile_rows, dtype_of, widened


class ArrayForm:
    """Two matrix products a tile and array functions between them.

    Sparse rows are taken as one tile: only cards without CUDA C for the loss see them here.

    Parameters
    ----------
    loss : PointwiseLoss
    state : mapping
    dtype : numpy.dtype
        Of the products; those of sparse rows are float64 always.
    """

    def __init__(self, loss: PointwiseLoss, state: State, dtype: np.dtype[Any]) -> None:
        self.loss = loss
        self.state = state
        self.dtype = dtype
        self.coupled = isinstance(loss, Multinomial)

    def sums(self, block: DeviceBlock, rows: DeviceRows) -> Sums:
        """Return the sums of a block, on the card."""
        xp: Any = block.xp
        X: Any = block.X
        dtype = np.dtype(np.float64) if is_sparse(X) else self.dtype
        sums = self._zeros(block, rows.offset is not None)
        coef = block.upload("coef", self.state["coef"].astype(dtype))
        intercept = block.upload("intercept", np.asarray(self.state["intercept"]))
        if is_sparse(X):
            eta = csr_times(xp, X, coef)
            r = self._residual(sums, rows, (0, block.n_rows), eta, intercept)
            sums["grad"] += times_csr(xp, X, r)
            return sums
        shift = self.state.get("shift")
        copied = shift is not None or dtype_of(X) != dtype
        if shift is not None:
            shift = block.upload("shift", np.asarray(shift, dtype=dtype))
        beside = 8 * ARRAYS_ABOUT * coef.shape[1]
        n_rows = card_tile_rows(block.n_features if copied else 0, beside, dtype)
        for start, stop in tile_borders(block.n_rows, n_rows):
            tile = widened(xp, X[start:stop, :], dtype, shift)
            r = self._residual(sums, rows, (start, stop), xp.matmul(tile, coef), intercept)
            product = xp.matmul(xp.matrix_transpose(tile), xp.astype(r, tile.dtype))
            sums["grad"] += xp.astype(product, xp.float64)
            del tile, r  # before the next ones are made
        return sums

    def _zeros(self, block: DeviceBlock, has_offset: bool) -> Sums:
        coef = self.state["coef"]
        zeros = (
            empty_class_sums(coef.shape[1], len(self.state["target"]), "bends" in self.state)
            if self.coupled
            else empty_sums(self.loss, coef, has_offset)
        )
        zeros["grad"] = np.zeros(coef.shape)
        return Sums({name: block.send_beside(zero) + 0.0 for name, zero in zeros.items()})

    def _residual(
        self, sums: Sums, rows: DeviceRows, some: tuple[int, int], eta: Any, intercept: Any
    ) -> Any:
        eta = rows.xp.astype(eta, rows.xp.float64) + intercept
        tile = rows.tile(*some)
        if tile.offset is not None:
            eta = eta + tile.offset
        if self.coupled:
            return add_classes(sums, tile, eta)
        return add_pointwise(self.loss, sums, tile, eta, None)
