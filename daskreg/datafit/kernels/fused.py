"""The gradient pass in machine code: both products and everything between in one look at a tile.

One column of coefficients goes through compiled loops alone; several of them through BLAS, with
problems first in memory, so that each column of eta is a run of numbers.  Products have the type
of the coefficients; everything else, and sums over more than some 1000 rows, are float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from daskreg._array import is_sparse
from daskreg._blas import scipy_blas
from daskreg._typing import AnyArray, Float, State
from daskreg.design.blocks import Block
from daskreg.design.partials import Sums
from daskreg.losses import Logistic, PointwiseLoss, Squared

from .tiles import RowData, column_sums, stored, tile_borders

#: Multiplications of a pass from which compiled loops pay for loading them.
COMPILED_SIZE = 2**24
#: Bytes of a process that has room for the compiler beside its work.
COMPILED_MEMORY = 2**30
#: What compiled loops import, as the plan of a fit calls it.
LIBRARIES = ("numba",)
#: Tiles of one column: in the second-level cache with room to spare.
LONE_BYTES = 2**17
#: Tiles of several columns, and their linear predictors.
BATCH_BYTES = 2**19
#: Rows whose products may be added up in the type of the products.
FLUSH_ROWS = 1024
SPARSE_ROWS = 4096
#: Tiles of one column that one call works through.
TILES_A_CALL = 32


def is_fused(loss: PointwiseLoss) -> bool:
    """Whether there are compiled loops for a loss."""
    return type(loss) in (Squared, Logistic)


def pays(design: Any, n_columns: int) -> bool:
    """Whether a pass over so many columns of coefficients pays for loading compiled loops.

    They take time and memory, which small data and small processes do not have.
    """
    room = design.process_memory
    n_samples = design.n_samples
    large = n_samples is None or n_samples * design.n_features * n_columns >= COMPILED_SIZE
    return large and (room is None or room >= COMPILED_MEMORY)


def lone_rows(n_features: int, itemsize: int) -> int:
    """Return the rows of a tile of one column."""
    return min(max(LONE_BYTES // max(1, n_features * itemsize), 16), 4096) // 4 * 4


def batch_rows(n_features: int, n_columns: int, itemsize: int) -> int:
    """Return the rows of a tile of several columns."""
    wider = max(1, n_features, n_columns)
    return min(max(BATCH_BYTES // (wider * itemsize), 128), FLUSH_ROWS)


def fused_sums(
    loss: PointwiseLoss, block: Block, rows: RowData, state: State, dtype: np.dtype[Any]
) -> Sums:
    """Return the sums of :class:`GradientKernel` over one block, in machine code.

    Parameters
    ----------
    loss : Squared or Logistic
    block : Block
    rows : RowData
        Of the whole block.
    state : mapping
        As the kernel receives it.
    dtype : dtype
        float32 or float64, of the products; those of sparse rows are float64 always.
    """
    from .compiled import pointwise

    n_columns = state["coef"].shape[1]
    n_sums = pointwise.N_LOGISTIC if isinstance(loss, Logistic) else pointwise.N_SQUARED
    walk = _Walk(block, rows, state, np.zeros((n_columns, n_sums)), isinstance(loss, Logistic))
    if is_sparse(block.X):
        grad = _sparse(walk)
    elif n_columns == 1:
        grad = _lone(walk, dtype)
    else:
        grad = _batch(walk, dtype)
    sums = Sums(value=walk.sums[:, pointwise.VALUE], residual=walk.sums[:, pointwise.RESIDUAL])
    if isinstance(loss, Logistic):
        sums["curvature"] = walk.sums[:, pointwise.CURVATURE]
        sums["entropy"] = np.ascontiguousarray(walk.sums[:, pointwise.ENTROPY :].T)
        if rows.offset is not None:
            sums["offset_residual"] = walk.sums[:, pointwise.OFFSET]
            sums["offset"] = walk.offsets[0]
            sums["offset_y"] = walk.offsets[1]
    sums["grad"] = grad
    return sums


@dataclass(frozen=True)
class _Beside:
    """What lies beside some rows, rows last: y, offset and weight of shape (1 or more, m)."""

    y: Float
    offset: Float
    weight: Float

    @classmethod
    def of(cls, tile: RowData) -> _Beside:
        m = len(tile.y)
        offset = np.zeros((1, m)) if tile.offset is None else np.ascontiguousarray(tile.offset.T)
        weight = np.ones((1, m)) if tile.weight is None else np.ascontiguousarray(tile.weight.T)
        return cls(np.ascontiguousarray(tile.y.T), offset, weight)

    def part(self, start: int, stop: int) -> _Beside:
        """Return some of the rows."""
        y, offset, weight = (
            np.ascontiguousarray(part[:, start:stop]) for part in (self.y, self.offset, self.weight)
        )
        return _Beside(y, offset, weight)


class _Walk:
    """A block on its way through a pass: its parts, and the sums so far that need no X."""

    def __init__(
        self, block: Block, rows: RowData, state: State, sums: Float, is_logistic: bool
    ) -> None:
        from .compiled import pointwise

        self.X = block.X
        self.n_rows = block.n_rows
        self.rows = rows
        self.coef = state["coef"]
        self.shift: AnyArray | None = state.get("shift")
        self.intercept = np.asarray(state["intercept"], dtype=np.float64)
        self.target = np.asarray(state["target"], dtype=np.intp)
        self.sums = sums
        self.offsets = np.zeros((2, len(sums)))
        self.is_logistic = is_logistic
        self._columns = pointwise.logistic_columns if is_logistic else pointwise.squared_columns

    def beside(self, rows: int) -> Iterator[tuple[int, int, _Beside]]:
        """Yield (start, stop) of runs of rows and what lies beside them."""
        for start, stop in tile_borders(self.n_rows, rows):
            tile = self.rows.tile(start, stop)
            if tile.offset is not None and self.is_logistic:
                self.offsets[0] += column_sums(tile.offset, tile.weight)
                self.offsets[1] += column_sums(tile.offset * tile.y, tile.weight)
            yield start, stop, _Beside.of(tile)

    def residuals(self, eta: AnyArray, beside: _Beside) -> None:
        """Turn eta (C, m) into weighted residuals, and add to the sums."""
        parts = beside.y, beside.offset, beside.weight
        self._columns(eta, self.intercept, self.target, *parts, self.sums)


def _lone(walk: _Walk, dtype: np.dtype[Any]) -> Float:
    from .compiled.dense import logistic_rows, squared_rows

    run = logistic_rows if walk.is_logistic else squared_rows
    X, half = stored(walk.X)
    p = X.shape[1]
    coef = np.ascontiguousarray(walk.coef[:, 0], dtype=dtype)
    shift = np.zeros(p, dtype) if walk.shift is None else walk.shift.astype(dtype, copy=False)
    rows = lone_rows(p, dtype.itemsize)
    scratch = None if X.dtype == dtype and walk.shift is None else np.empty((rows, p), dtype)
    part, eta, grad = np.empty(p, dtype), np.empty(rows, dtype), np.zeros((p, 1))
    target = walk.target[0]
    for start, stop, beside in walk.beside(TILES_A_CALL * rows):
        offset = beside.offset[target if len(beside.offset) > 1 else 0]
        parts = beside.y[target], offset, beside.weight[0]
        run(
            *(X[start:stop], half, coef, shift, float(walk.intercept[0]), *parts),
            *(scratch, part, eta, walk.sums[0], grad[:, 0]),
        )
    return grad


def _batch(walk: _Walk, dtype: np.dtype[Any]) -> Float:
    from .compiled.dense import widen

    blas = scipy_blas()
    multiply = blas.sgemm if dtype == np.float32 else blas.dgemm
    X, half = stored(walk.X)
    p, n_columns = walk.coef.shape
    coef = np.asfortranarray(walk.coef, dtype=dtype)
    rows = batch_rows(p, n_columns, dtype.itemsize)
    shift = np.zeros(p, dtype) if walk.shift is None else walk.shift.astype(dtype, copy=False)
    widened = X.dtype != dtype or walk.shift is not None
    scratch = np.empty((min(rows, walk.n_rows) if widened else 0, p), dtype)
    room = np.empty(rows * n_columns, dtype)
    total = np.zeros((n_columns, p))
    part = total if dtype == np.float64 else np.empty((n_columns, p), dtype)
    for first, last, beside in walk.beside(FLUSH_ROWS // rows * rows):
        for start, stop in tile_borders(last - first, rows):
            tile = X[first + start : first + stop]
            if widened:
                widen(tile, half, shift, scratch[: len(tile)])
                tile = scratch[: len(tile)]
            eta = room[: n_columns * len(tile)].reshape(n_columns, len(tile))
            multiply(1.0, tile.T, coef, 0.0, eta.T, trans_a=1, overwrite_c=1)
            walk.residuals(eta, beside.part(start, stop))
            more = float(start > 0 or part is total)
            multiply(1.0, tile.T, eta.T, more, part.T, overwrite_c=1)
        if part is not total:
            total += part
    return np.ascontiguousarray(total.T)


def _sparse(walk: _Walk) -> Float:
    from .compiled.csr import add_rows, row_products

    X = walk.X
    coef = np.ascontiguousarray(walk.coef, dtype=np.float64)
    parts = stored(X.data)[0], stored(X.indices)[0], stored(X.indptr)[0]
    grad = np.zeros(coef.shape)
    for start, stop, beside in walk.beside(SPARSE_ROWS):
        eta = np.empty((coef.shape[1], stop - start))
        row_products(*parts, start, coef, eta)
        walk.residuals(eta, beside)
        add_rows(*parts, start, eta, grad)
    return grad
