"""The gradient pass in machine code: both products and everything between in one look at a tile.

One or two columns of coefficients go through compiled loops, and up to 64 of many features through
products in registers; others through BLAS.  Several have problems first in memory, so that each
column of eta is a run of numbers.  Products have the type
of the coefficients; everything else, and sums over more than some 1000 rows, are float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from daskreg._array import is_sparse, name_of
from daskreg._blas import blas_routine
from daskreg._typing import AnyArray, Float, State
from daskreg.compiled import dense_rows, sparse_rows
from daskreg.compiled.sums import CURVATURE, ENTROPY, N_LOGISTIC, N_SQUARED, OFFSET, RESIDUAL, VALUE
from daskreg.design.blocks import Block
from daskreg.design.partials import Sums
from daskreg.losses import Logistic, PointwiseLoss, Squared

from .tiles import RowData, column_sums, stored, tile_borders

#: Numbers of a pass over dense rows, times columns, and entries of one over sparse rows, from which
#: compiled loops pay: the first process of an installation waits for the compiler, some tenths of a
#: second, others load them in 0.01 s.  Of each number and column they save half a nanosecond or
#: two: in ten passes over this many numbers a tenth of a second and more.
COMPILED_SIZE, COMPILED_ENTRIES = 2**24, 2**20
#: The same for a look at dense rows that is made once, which takes up to three nanoseconds longer
#: for each number.
COMPILED_ONCE = 2**26
#: Numbers that one counts for which numpy widens first: that takes some nanoseconds.
WIDENED = 4
#: Bytes of the place of an entry.
INDEX_BYTES = 4
#: Bytes of a process that has room for the compiler beside its work.
COMPILED_MEMORY = 2**30
#: Columns that go through the loops of one column, one after the other, and the bytes of rows that
#: stay in the second-level cache between them: loops for several columns take long to compile.
LONE_COLUMNS, LONE_RUN_BYTES = 2, 2**20
#: Tiles of one column: in the first-level cache, with room for what else there is.
LONE_BYTES = 2**14
#: Tiles of several columns, and their linear predictors: in the second-level cache, with room for
#: the coefficients; BLAS arranges all that it needs anew for each of them, and has larger ones.
BATCH_BYTES, BLAS_BYTES = 2**17, 2**19
#: Features from which on, and columns up to which, products are made in registers: for others BLAS
#: is faster.
LONG_ROW, FEW_COLUMNS = 96, 64
#: Rows whose products may be added up in the type of the products.
FLUSH_ROWS = 1024
SPARSE_ROWS = 4096

_any_size = False


def is_fused(loss: PointwiseLoss) -> bool:
    """Whether there are compiled loops for a loss."""
    return type(loss) in (Squared, Logistic)


def pays(design: Any, n_columns: int, once: bool = False) -> bool:
    """Whether a pass over so many columns of coefficients pays for loading compiled loops.

    They take time and memory, which small data and small processes do not have.

    Parameters
    ----------
    design : Design
    n_columns : int
    once : bool
        It is a look at the data of which a fit makes one.
    """
    n_samples, sparse = design.n_samples, design.sparse
    known = n_samples is not None and not _any_size
    if known and not sparse and not _many(design, n_columns, once):
        return False
    room = design.process_memory
    if room is not None and room < COMPILED_MEMORY:
        return False
    if known and sparse:
        # Entries of some columns are not known, and loops that all columns need are loaded anyway.
        origin = getattr(design, "origin", None)
        if origin is not None:
            return pays(origin.design, n_columns, once)
        entries = n_samples * design.row_nbytes / (design.dtype.itemsize + INDEX_BYTES)
        return bool(entries * n_columns >= COMPILED_ENTRIES)
    return True


def _many(design: Any, n_columns: int, once: bool) -> bool:
    """Whether dense rows have many numbers, those that numpy widens first counted as several."""
    columns = n_columns if n_columns > 2 else 1  # numpy takes as long for two as for one
    each = 1 if name_of(design.dtype) in ("float32", "float64") else WIDENED
    least = COMPILED_ONCE if once else COMPILED_SIZE
    return bool(design.n_samples * design.n_features * columns * each >= least)


@contextmanager
def compiled_whatever_the_size() -> Iterator[None]:
    """Let passes over little data run compiled loops, too: to have them compiled is the purpose."""
    global _any_size
    _any_size = True
    try:
        yield
    finally:
        _any_size = False


def lone_tile(n_features: int, itemsize: int) -> int:
    """Return the rows of a tile of one column."""
    return min(max(LONE_BYTES // max(1, n_features * itemsize), 8), FLUSH_ROWS) // 8 * 8


def batch_tile(n_features: int, n_columns: int, itemsize: int) -> int:
    """Return the rows of a tile of several columns, a multiple of eight as products need it."""
    row_bytes = max(1, n_features, n_columns) * itemsize
    if in_registers(n_features, n_columns):
        return min(max(BATCH_BYTES // row_bytes, 64), 512) // 8 * 8
    return min(max(BLAS_BYTES // row_bytes, 128), FLUSH_ROWS) // 8 * 8


def in_registers(n_features: int, n_columns: int) -> bool:
    """Return whether products with several columns are made without BLAS."""
    return n_features >= LONG_ROW and n_columns <= FEW_COLUMNS


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
    n_columns, of_labels = state["coef"].shape[1], type(loss) is Logistic
    n_sums = N_LOGISTIC if of_labels else N_SQUARED
    walk = _Walk(block, rows, state, np.zeros((n_columns, n_sums)), of_labels)
    grad = _sparse(walk) if is_sparse(block.X) else _dense(walk, dtype)
    sums = Sums(value=walk.sums[:, VALUE], residual=walk.sums[:, RESIDUAL])
    if of_labels:
        sums["curvature"] = walk.sums[:, CURVATURE]
        sums["entropy"] = np.ascontiguousarray(walk.sums[:, ENTROPY:].T)
        if rows.offset is not None:
            sums["offset_residual"] = walk.sums[:, OFFSET]
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
        intercept = np.ascontiguousarray(state["intercept"], dtype=np.float64)
        target = np.ascontiguousarray(state["target"], dtype=np.intp)
        self.columns = intercept, target
        self.sums = sums
        self.offsets = np.zeros((2, len(sums)))
        self.is_logistic = is_logistic

    @property
    def by_loss(self) -> tuple[Float | None, Float | None]:
        """The sums of a squared loss and those of a logistic one, of which one is None."""
        return (None, self.sums) if self.is_logistic else (self.sums, None)

    def lone(self, beside: _Beside, k: int) -> tuple[AnyArray, ...]:
        """Return intercept, target, y, offset and weight of one column, as if it were alone."""
        intercept, target = self.columns
        t = target[k]
        offset, weight = beside.offset, beside.weight
        return (
            intercept[k : k + 1],
            np.zeros(1, target.dtype),
            beside.y[t : t + 1],
            offset[t : t + 1] if len(offset) > 1 else offset,
            weight[k : k + 1] if len(weight) > 1 else weight,
        )

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
    return _lone(walk, dtype) if walk.coef.shape[1] <= LONE_COLUMNS else _batch(walk, dtype)


def _lone(walk: _Walk, dtype: np.dtype[Any]) -> Float:
    p, n_columns = walk.coef.shape
    rows = lone_tile(p, dtype.itemsize)
    X, half, shift, scratch = _tiles(walk, dtype, rows, p)
    room, part = np.empty((1, rows), dtype), np.zeros((1, p), dtype)
    grad = np.zeros((n_columns, p))
    coef = np.ascontiguousarray(walk.coef.T, dtype)
    flush = max(1, FLUSH_ROWS // rows)
    cached = rows * min(flush, max(1, LONE_RUN_BYTES // (rows * max(1, p) * dtype.itemsize)))
    for beside in walk.beside(rows):
        n = beside.stop - beside.start
        for start, stop in tile_borders(n, max(1, n) if n_columns == 1 else cached):
            tile = X[beside.start + start : beside.start + stop]
            for k in range(n_columns):
                own = slice(k, k + 1)
                sums = (None if one is None else one[own] for one in walk.by_loss)
                *column, y, offset, weight = walk.lone(beside, k)
                # What is shorter is the same for every tile.
                parts = (
                    one[:, start:stop] if one.size == n else one for one in (y, offset, weight)
                )
                rest = flush, scratch, room, part
                left = True, None, None, coef[own], shift, *column, *parts
                dense_rows(tile, half, *left, *rest, *sums, grad[own])
    return np.ascontiguousarray(grad.T)


def _batch(walk: _Walk, dtype: np.dtype[Any]) -> Float:
    from daskreg.compiled.layout import FOURS, padded

    p, n_columns = walk.coef.shape
    routine = None if in_registers(p, n_columns) else blas_routine("gemm", dtype)
    few, sizes = None, (n_columns, p)
    if routine is None:
        few = True
        sizes = -(-n_columns // FOURS) * FOURS, padded(p, dtype)
    coef = np.zeros(sizes, dtype)
    coef[:n_columns, :p] = walk.coef.T
    rows = batch_tile(p, n_columns, dtype.itemsize)
    X, half, shift, scratch = _tiles(walk, dtype, rows, coef.shape[1])
    room, part, grad = np.empty((len(coef), rows), dtype), np.zeros_like(coef), np.zeros(coef.shape)
    flush = max(1, FLUSH_ROWS // rows)
    for beside in walk.beside(rows):
        tile = X[beside.start : beside.stop]
        several = *walk.columns, *beside.parts, flush, scratch, room, part
        dense_rows(tile, half, None, few, routine, coef, shift, *several, *walk.by_loss, grad)
    return np.ascontiguousarray(grad[:n_columns, :p].T)


def _tiles(
    walk: _Walk, dtype: np.dtype[Any], rows: int, width: int
) -> tuple[AnyArray, bool | None, AnyArray | None, AnyArray | None]:
    """Return X as ``stored`` does, its shift, and room for a tile of what is not as needed.

    Its rows need ``width`` numbers, zeros after their own.
    """
    X, half = stored(walk.X)
    shift = None if walk.shift is None else walk.shift.astype(dtype, copy=False)
    as_needed = X.dtype == dtype and X.flags.c_contiguous and width == X.shape[1]
    widened = not as_needed or shift is not None
    scratch = np.zeros((min(rows, walk.n_rows), width), dtype) if widened else None
    return X, half, shift, scratch


def _sparse(walk: _Walk) -> Float:
    X = walk.X
    coef = np.ascontiguousarray(walk.coef, dtype=np.float64)
    parts = X.data, X.indices, X.indptr
    grad = np.zeros(coef.shape)
    n_columns = coef.shape[1]
    room = np.empty(n_columns), np.empty((n_columns, min(SPARSE_ROWS, walk.n_rows)))
    for beside in walk.beside(SPARSE_ROWS):
        rest = *walk.columns, *beside.parts, *room, beside.start
        sparse_rows(*parts, coef, *rest, *walk.by_loss, grad)
    return grad
