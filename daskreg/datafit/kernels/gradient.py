"""The pass that solvers live on: value, gradient and the sums of a dual point, in one look at X."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from daskreg._array import as_type, is_sparse, name_of, take_rows
from daskreg._typing import AnyArray, Float, Matrix, State
from daskreg.datafit.weightings import ALL_ROWS, Weightings
from daskreg.design.blocks import Block
from daskreg.design.device import DeviceBlock
from daskreg.design.partials import Sums
from daskreg.losses import Logistic, Multinomial, PointwiseLoss

from .coupled import add_classes, empty_class_sums, n_pairs
from .cuda.gradient import device_sums
from .cuda.tiles import STORED
from .fused import fused_sums, is_fused
from .margins import RUN_NUMBERS, MarginRuns
from .pointwise import add_pointwise, empty_sums
from .tiles import (
    BLOCK_BYTES,
    Labels,
    block_rows,
    dense_scratch,
    row_data,
    tile_borders,
    tile_rows,
)
from .wide import BAND, ROWS, WIDE, WideProducts, is_wide

#: Numbers of an array of predictors of coupled classes: its functions stay in the cache.
COUPLED_PREDICTORS = 2**14
#: Bytes of a tile of their rows in float64, at most: the third-level cache feeds both products.
CLASS_TILE_BYTES = 2**23


@dataclass(frozen=True)
class GradientKernel:
    """Sums over rows of w loss, X'w r and what a lower bound of the optimum needs.

    r is the derivative of the loss by eta.  The state holds ``coef`` (p, q C), the columns of a
    class side by side, ``intercept`` (q C,), ``target`` (C,), the column of y for each problem,
    ``weighting`` (C,), how each counts the rows, and, where columns lie far from zero, ``shift``
    (p,), subtracted from every dense tile; eta = offset + intercept + (X - shift) coef, and the
    gradient (p, q C) is that of shifted columns.  q is 1 unless the loss is multinomial; with
    anything as ``bends`` its sums hold these too, see :func:`add_classes`.

    Parameters
    ----------
    loss : PointwiseLoss
    dtype : str
        Type of the two products; everything else, and all sums, are float64.
    labels : Labels or None
        How a classification encodes y.
    weightings : Weightings
    compiled : bool
        Run compiled loops where there are any for the loss.
    """

    name: ClassVar[str] = "gradient"
    reads_X: ClassVar[bool] = True
    loss: PointwiseLoss
    dtype: str = "float64"
    labels: Labels | None = None
    weightings: Weightings = ALL_ROWS
    compiled: bool = False

    def __call__(self, block: Block, state: State) -> Sums:
        return self._sums(block, state, None)

    def adds(self, block: Block, state: State, onto: Sums) -> bool:
        """Add the sums of a block to others, the gradient to the last bit as if it came in an
        array of its own; False, and nothing done, where that is not possible."""
        whole = is_wide(block.X) and block.n_rows <= ROWS
        if not whole or not _is_own(onto["grad"]):
            return False
        for name, value in self._sums(block, state, onto["grad"]).items():
            if name != "grad":
                onto[name] = onto[name] + value
        return True

    def _sums(self, block: Block, state: State, onto: Float | None) -> Sums:
        rows = row_data(block, self.labels, self.weightings, state.get("weighting"))
        wide = is_wide(block.X)
        if self.compiled and is_fused(self.loss) and not wide:
            return fused_sums(self.loss, block, rows, state, np.dtype(self.dtype))
        coupled = isinstance(self.loss, Multinomial)
        narrow = ClassProducts if coupled and not is_sparse(block.X) else Products
        products = (WideProducts if wide else narrow)(block, state, self.dtype)
        sums = (
            empty_class_sums(state["coef"].shape[1], len(state["target"]), "bends" in state)
            if coupled
            else empty_sums(self.loss, state["coef"], rows.offset is not None)
        )

        def of_tile(start: int, stop: int, eta: Float) -> Float:
            tile = rows.tile(start, stop)
            if coupled:
                return add_classes(sums, tile, eta)
            return add_pointwise(self.loss, sums, tile, eta, state["target"])

        residual = of_tile
        if isinstance(self.loss, Logistic):
            residual = MarginRuns(sums, rows, state["coef"].shape[1]).residual
        # A step too far overflows: its value is then not finite, which solvers understand.
        with np.errstate(over="ignore", invalid="ignore"):
            if onto is None:
                sums["grad"] = products.walk(residual)
            else:
                assert isinstance(products, WideProducts)
                sums["grad"] = products.walk(residual, onto)
        return sums

    def runs_on_device(self, X_dtype: np.dtype[Any], sparse: bool, state: State) -> bool:
        """Whether blocks of this storage type can be summed on a card; all but wide integers."""
        return name_of(X_dtype) in STORED and (not sparse or X_dtype.kind == "f")

    def on_device(self, block: DeviceBlock, state: State) -> Sums:
        """Return the sums of a block on a card, as arrays there; nothing waits for it."""
        return device_sums(self, block, state)

    def temporaries(
        self, n_features: int, n_columns: int, dtype: np.dtype[Any], sparse: bool = False
    ) -> int:
        """Return the bytes one call needs beside its block and its result; classes are columns."""
        rows = tile_rows(n_features, dtype, sparse, n_columns)
        seen = max(rows * n_columns, 2 * RUN_NUMBERS)
        columns = 8 * (20 * seen + 2 * n_features * max(2, n_columns))
        if sparse:
            return columns + BLOCK_BYTES
        encoded = 32 * block_rows(n_features, dtype) if self.loss.is_classifier else 0
        if n_features >= WIDE:
            columns = 8 * max(2, n_columns) * (20 * ROWS + 2 * n_features)
            return columns + encoded + 16 * ROWS * BAND
        if isinstance(self.loss, Multinomial):
            rows = class_rows(n_features, n_columns, dtype)
            columns = 8 * max(2, n_columns) * (40 * rows + 2 * n_features)
        return columns + encoded + 8 * rows * n_features

    def partial_nbytes(self, n_features: int, n_columns: int, n_outputs: int = 1) -> int:
        """Return the bytes of one partial of columns that are problems times outputs."""
        coupled = n_outputs if n_outputs > 1 else 0
        bends = math.prod(n_pairs(n_outputs)) * (n_columns // max(1, n_outputs))
        return 8 * (max(2, n_columns) * (n_features + 10 + coupled) + bends)


def _is_own(grad: AnyArray) -> bool:
    """Whether a gradient is the kind of array that ``WideProducts`` makes, and can be changed."""
    return isinstance(grad, np.ndarray) and grad.flags.writeable and grad.T.flags.c_contiguous


class Products:
    """``X @ coef`` and ``X.T @ residual`` of one block, tile by tile."""

    def __init__(self, block: Block, state: State, dtype: str) -> None:
        self.X = block.X
        self.n_rows = block.n_rows
        self.dtype = np.dtype(dtype)
        self.n_columns = state["coef"].shape[1]
        self.coef = np.ascontiguousarray(state["coef"], dtype=self.dtype)
        self.intercept = np.asarray(state["intercept"])
        self.offset = None
        if block.offset is not None:
            wide = block.offset.shape[1] > 1
            self.offset = block.offset[:, state["target"]] if wide else block.offset
        self.sparse = is_sparse(self.X)
        self.rows = tile_rows(self.X.shape[1], self.X.dtype, self.sparse, self.n_columns)
        self.shift = None if self.sparse else state.get("shift")
        copies = self.X.dtype != self.dtype or self.shift is not None
        self.scratch = dense_scratch(block, self.rows, self.dtype) if copies else None

    def walk(self, residual: Callable[[int, int, Float], Float]) -> Float:
        """Return the float64 sum of ``tile.T @ residual(start, stop, eta)`` over all tiles."""
        total: Float | None = None
        for start, stop in tile_borders(self.n_rows, self.rows):
            tile = self.tile(start, stop)
            eta = np.asarray(tile @ self.coef, dtype=np.float64)
            eta += self.intercept
            if self.offset is not None:
                eta += self.offset[start:stop]
            r = residual(start, stop, eta)
            product = tile.T @ r.astype(self.dtype, copy=False)
            if total is None:
                total = np.asarray(product, dtype=np.float64)
            else:
                total += product
        assert total is not None
        return total

    def tile(self, start: int, stop: int) -> Matrix:
        """Return rows of X in the type of the products, shifted; X itself stays as it is."""
        tile = take_rows(self.X, start, stop)
        if self.sparse:
            return as_type(tile, self.dtype)
        if self.scratch is None:
            return tile
        out = self.scratch[: len(tile)]
        if self.shift is None:
            np.copyto(out, tile)
        else:
            np.subtract(tile, self.shift, out=out, casting="same_kind")
        return out


class ClassProducts(Products):
    """The same with the columns of coupled classes side by side, in larger tiles of dense rows.

    In memory the classes come first, as in what runs over them: with ten columns that takes two
    thirds of the time for ``X.T @ residual``.
    """

    def __init__(self, block: Block, state: State, dtype: str) -> None:
        super().__init__(block, state, dtype)
        self.rows = class_rows(self.X.shape[1], self.n_columns, self.X.dtype)
        if self.scratch is not None:
            self.scratch = dense_scratch(block, self.rows, self.dtype)

    def walk(self, residual: Callable[[int, int, Float], Float]) -> Float:
        total = np.zeros((self.n_columns, self.X.shape[1]))
        turned = np.ascontiguousarray(self.coef.T)
        for start, stop in tile_borders(self.n_rows, self.rows):
            tile = self.tile(start, stop)
            eta = (turned @ tile.T).T.astype(np.float64, copy=False)
            eta += self.intercept
            if self.offset is not None:
                eta += self.offset[start:stop]
            total += residual(start, stop, eta).T.astype(self.dtype, copy=False) @ tile
        return total.T


def class_rows(n_features: int, n_columns: int, dtype: np.dtype[Any] | str) -> int:
    """Return the rows of a tile: enough that calls are few, as long as a tile is no large one."""
    in_cache = CLASS_TILE_BYTES // (8 * max(1, n_features))
    most = min(COUPLED_PREDICTORS // max(1, n_columns), in_cache, 1024)
    return max(tile_rows(n_features, dtype, n_columns=n_columns), most // 16 * 16)
