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
from daskreg._blas import blas_routine
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
#: Tiles of one column: in the first-level cache.
LONE_BYTES = 2**15
#: Tiles of several columns, and their linear predictors: in the second-level cache.
BATCH_BYTES = 2**19
#: Columns, and features from which on, for which compiled loops are faster than BLAS.
FEW_COLUMNS, LONG_ROW = range(3, 17), 128
#: Rows whose products may be added up in the type of the products.
FLUSH_ROWS = 1024
SPARSE_ROWS = 4096


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


def lone_tile(n_features: int, itemsize: int) -> int:
    """Return the rows of a tile of one column."""
    return min(max(LONE_BYTES // max(1, n_features * itemsize), 8), FLUSH_ROWS) // 8 * 8


def batch_tile(n_features: int, n_columns: int, itemsize: int) -> int:
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
    grad = _sparse(walk) if is_sparse(block.X) else _dense(walk, dtype)
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
    """What lies beside rows ``start : stop``, rows last.

    Where nothing does, there is a constant for one tile, which serves all.
    """

    start: int
    stop: int
    y: Float
    offset: Float
    weight: Float

    @classmethod
    def of(cls, tile: RowData, start: int, stop: int, rows: int) -> _Beside:
        same = 1, min(rows, stop - start)
        offset = np.zeros(same) if tile.offset is None else np.ascontiguousarray(tile.offset.T)
        weight = np.ones(same) if tile.weight is None else np.ascontiguousarray(tile.weight.T)
        return cls(start, stop, np.ascontiguousarray(tile.y.T), offset, weight)

    @property
    def parts(self) -> tuple[Float, Float, Float]:
        return self.y, self.offset, self.weight


class _Walk:
    """A block on its way through a pass: its parts, and the sums so far that need no X."""

    def __init__(
        self, block: Block, rows: RowData, state: State, sums: Float, is_logistic: bool
    ) -> None:
        self.X = block.X
        self.n_rows = block.n_rows
        self.rows = rows
        self.coef = state["coef"]
        self.shift: AnyArray | None = state.get("shift")
        intercept = np.asarray(state["intercept"], dtype=np.float64)
        self.columns = intercept, np.asarray(state["target"], dtype=np.intp)
        self.sums = sums
        self.offsets = np.zeros((2, len(sums)))
        self.is_logistic = is_logistic

    @property
    def by_loss(self) -> tuple[Float | None, Float | None]:
        """The sums of a squared loss and those of a logistic one, of which one is None."""
        return (None, self.sums) if self.is_logistic else (self.sums, None)

    def lone(self, beside: _Beside) -> tuple[float, Float, Float, Float]:
        """Return intercept, y, offset and weight of the only column."""
        intercept, target = self.columns
        offset = beside.offset[target[0] if len(beside.offset) > 1 else 0]
        return float(intercept[0]), beside.y[target[0]], offset, beside.weight[0]

    def beside(self, rows: int) -> Iterator[_Beside]:
        """Yield what lies beside the rows: of all at once, where it has one column each.

        Parameters
        ----------
        rows : int
            Of a tile, of which runs are made otherwise.
        """
        known = self.rows
        widths = [
            part.shape[1] for part in (known.y, known.weight, known.offset) if part is not None
        ]
        weighed = known.columns is not None or known.class_weight is not None
        plain = max(widths) == 1 and not (weighed and len(self.sums) > 1)
        run = self.n_rows if plain else max(1, FLUSH_ROWS // rows) * rows
        for start, stop in tile_borders(self.n_rows, run):
            tile = known.tile(start, stop)
            if tile.offset is not None and self.is_logistic:
                self.offsets[0] += column_sums(tile.offset, tile.weight)
                self.offsets[1] += column_sums(tile.offset * tile.y, tile.weight)
            yield _Beside.of(tile, start, stop, rows)


def _dense(walk: _Walk, dtype: np.dtype[Any]) -> Float:
    from .compiled.batch import batch_rows
    from .compiled.dense import lone_rows

    X, half = stored(walk.X)
    p, n_columns = walk.coef.shape
    lone, few = n_columns == 1, n_columns in FEW_COLUMNS and p >= LONG_ROW
    routine = None if few or lone else blas_routine("gemm", dtype)
    # Few columns are multiplied in fours.
    width = 1 if lone else -(-n_columns // 4) * 4 if few else n_columns
    coef = np.zeros((width, p), dtype)
    coef[:n_columns] = walk.coef.T
    rows = lone_tile(p, dtype.itemsize) if lone else batch_tile(p, n_columns, dtype.itemsize)
    shift = None if walk.shift is None else walk.shift.astype(dtype, copy=False)
    widened = X.dtype != dtype or shift is not None
    scratch = np.empty((min(rows, walk.n_rows), p), dtype) if widened else None
    sums = walk.by_loss
    room, part, grad = np.empty((width, rows), dtype), np.zeros_like(coef), np.zeros((width, p))
    flush = max(1, FLUSH_ROWS // rows)
    for beside in walk.beside(rows):
        tile = X[beside.start : beside.stop]
        tiles = (None, tile, half) if widened else (tile, None, None)
        if lone:
            first = (None if own is None else own[0] for own in sums)
            rest = *walk.lone(beside), flush, scratch, room[0], part[0]
            lone_rows(*tiles, coef[0], shift, *rest, *first, grad[0])
        else:
            several = *walk.columns, *beside.parts, flush, scratch, room, part
            batch_rows(*tiles, few or None, routine, coef, shift, *several, *sums, grad)
    return np.ascontiguousarray(grad[:n_columns].T)


def _sparse(walk: _Walk) -> Float:
    from .compiled.csr import sparse_rows

    X = walk.X
    coef = np.ascontiguousarray(walk.coef, dtype=np.float64)
    parts = stored(X.data)[0], stored(X.indices)[0], stored(X.indptr)[0]
    grad = np.zeros(coef.shape)
    room = np.empty(coef.shape[1] * SPARSE_ROWS)
    for beside in walk.beside(SPARSE_ROWS):
        rest = *walk.columns, *beside.parts, room, beside.start
        sparse_rows(*parts, coef, *rest, *walk.by_loss, grad)
    return grad
