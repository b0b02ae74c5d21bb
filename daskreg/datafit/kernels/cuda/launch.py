"""Launches of CUDA C: which form a pass takes on a card, and the arguments of its kernels."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from daskreg._array import is_sparse, stable_order
from daskreg._typing import AnyArray, State
from daskreg.datafit.kernels.tiles import tile_borders
from daskreg.design.device import DeviceBlock
from daskreg.design.partials import Sums
from daskreg.losses import PointwiseLoss

from .packed import PackedSums
from .program import OPTIONS, THREADS, WARPS, Program
from .rows import DeviceRows
from .sparse import row_numbers
from .tiles import card_tile_rows, dtype_of, widened

#: Of the cards that launches are cut for (H100, H200), whatever the card: sums keep their bits.
MULTIPROCESSORS = 132
#: Blocks between two products, about.
TILE_BLOCKS = 1024
#: Columns of coefficients that one launch over sparse rows takes: a warp's lanes.
GROUP = 32
#: Bytes of the predictors of sparse rows at most, unless one column of them takes more: columns of
#: X are added up over all rows of a block, which cannot be cut into tiles.
PREDICTORS = 2**28
#: Stored numbers of a column that one warp adds up; as in the source.
PIECE = 1024
#: The struct of the same name in the source, of which everything has eight bytes.
BESIDE = np.dtype(
    [(name, np.uint64) for name in ("y",)]
    + [("y_step", np.int64), ("weight", np.uint64), ("offset", np.uint64)]
    + [("offset_step", np.int64)]
    + [(name, np.uint64) for name in ("codes", "table", "drawn", "place")]
    + [(name, np.int64) for name in ("n_drawn", "drawn_size")]
    + [(name, np.int64) for name in ("first_row", "first_column", "n_columns", "stride")]
)


def program_of(
    loss: PointwiseLoss, state: State, dtype: np.dtype[Any], block: DeviceBlock, has_offset: bool
) -> Program | None:
    """Return the CUDA C of a pass; None where there is none, or arrays are not a card's."""
    if loss.cuda is None or not hasattr(block.xp, "RawModule"):
        return None
    stored = dtype_of(block.X).name
    if is_sparse(block.X):
        indices = dtype_of(block.X.indices).name, dtype_of(block.X.indptr).name
        return Program(loss, stored, "float64", has_offset=has_offset, indices=indices)
    lone, shifted = state["coef"].shape[1] == 1, state.get("shift") is not None
    whole = Program(loss, stored, dtype.name, block.n_features, shifted, has_offset)
    if lone and whole.fused:
        return whole
    return Program(loss, dtype.name, dtype.name, has_offset=has_offset)


def tile_lines(n_columns: int) -> int:
    """Return the lines of blocks between two products of so many columns."""
    return max(64, TILE_BLOCKS // -(-n_columns // 32))


@cache
def kernel_of(program: Program, xp: Any, name: str) -> Any:
    """Return a kernel, compiled once a process and device; CuPy keeps it on disk beside."""
    return _module_of(program, xp).get_function(name)


@cache
def _module_of(program: Program, xp: Any) -> Any:
    return xp.RawModule(code=program.source, options=OPTIONS)


def launch(program: Program, xp: Any, name: str, grid: Any, block: Any, *arguments: Any) -> None:
    """Start a kernel on the current stream."""
    kernel_of(program, xp, name)(grid, block, arguments)


class _Form:
    """What all forms share: the state on the card, and the names of the sums of all columns."""

    def __init__(self, program: Program, state: State) -> None:
        self.program = program
        self.state = state
        self.shape: tuple[int, int] = state["coef"].shape
        self.n_sums = len(program.names)

    def upload(self, block: DeviceBlock, name: str, dtype: Any = np.float64) -> Any:
        """Return a part of the state on the card, contiguous in a type; converted once a pass."""
        found = block.uploads.get(name)
        if found is not None:
            return found
        return block.upload(name, np.ascontiguousarray(self.state[name], dtype=dtype))

    def beside(
        self, rows: DeviceRows, start: int, columns: tuple[int, int] | None = None
    ) -> AnyArray:
        """Return the struct for the rows from ``start`` on, and for some columns."""
        first, last = columns or (0, self.shape[1])
        drawn = rows.drawn
        parts = (
            _address(rows.y),
            rows.y.shape[1],
            _address(rows.weight),
            _address(rows.offset),
            1 if rows.offset is None else rows.offset.shape[1],
            _address(rows.codes),
            _address(rows.table),
            _address(drawn),
            _address(rows.place),
            0 if drawn is None else drawn.shape[1],
            0 if drawn is None else drawn.dtype.itemsize,
            *(start, first, last - first, self.shape[1]),
        )
        return np.array(parts, dtype=BESIDE)

    def between(
        self, name: str, eta: Any, block: DeviceBlock, rows: DeviceRows, struct: AnyArray, sums: Any
    ) -> None:
        """Turn predictors into residuals, and add to the sums; a launch copies the struct."""
        lanes = min(32, 1 << (eta.shape[1] - 1).bit_length())
        grid = (-(-eta.shape[1] // lanes), sums.shape[0])
        arguments = np.int64(eta.shape[0]), self.upload(block, "intercept"), rows.target, struct
        threads = (lanes, THREADS // lanes)
        launch(self.program, block.xp, name, grid, threads, eta, *arguments, sums)

    def packed(self, xp: Any, sums: Any, grad: Any) -> PackedSums:
        """Return the sums (n_sums, C) and the gradient (p, C) by name, as views of one array."""
        parts = [xp.reshape(part, (-1,)) for part in (sums, grad)]
        return PackedSums.of(xp.concatenate(parts), self.program.names, self.shape)


class FusedRows(_Form):
    """One column of coefficients: one launch a block, which reads X once."""

    def sums(self, block: DeviceBlock, rows: DeviceRows) -> Sums:
        """Return the sums of a block: those of all lines, in their order."""
        xp, product = block.xp, np.dtype(self.program.product)
        lines = MULTIPROCESSORS * self.program.blocks_per_sm
        partial = xp.empty((lines, self.n_sums + self.shape[0]), dtype=xp.float64)
        shift = self.upload(block, "shift", product) if self.program.shifted else None
        launch(
            *(self.program, xp, "gradient_rows", (lines,), (32 * WARPS,)),
            *(block.X, np.int64(block.n_rows), np.int64(block.n_features)),
            *(self.upload(block, "coef", product), shift),
            np.float64(self.state["intercept"][0]),
            np.int64(self.state["target"][0]),
            *(self.beside(rows, 0), partial),
        )
        return PackedSums.of(xp.sum(partial, axis=0), self.program.names, self.shape)


class TileRows(_Form):
    """Several columns: two products a row tile, and one kernel between."""

    def sums(self, block: DeviceBlock, rows: DeviceRows) -> Sums:
        """Return the sums of a block: those of all lines, in their order."""
        xp, dtype = block.xp, np.dtype(self.program.product)
        p, n_columns = self.shape
        shape = tile_lines(n_columns), self.n_sums, n_columns
        sums, grad = xp.zeros(shape, dtype=xp.float64), xp.zeros(self.shape, dtype=xp.float64)
        coef = self.upload(block, "coef", dtype)
        shifted = self.state.get("shift") is not None
        shift = self.upload(block, "shift", dtype) if shifted else None
        X: Any = block.X
        copied = shifted or dtype_of(X) != dtype
        n_rows = card_tile_rows(p if copied else 0, n_columns * dtype.itemsize, dtype)
        struct = self.beside(rows, 0)  # to make it takes as long as to launch a kernel
        for start, stop in tile_borders(block.n_rows, n_rows):
            tile = widened(xp, X[start:stop, :], dtype, shift)
            eta = xp.matmul(tile, coef)
            struct["first_row"] = start
            self.between("between_products", eta, block, rows, struct, sums)
            grad += xp.matmul(tile.T, eta)
            del tile, eta  # before the next ones are made
        return self.packed(xp, xp.sum(sums, axis=0), grad)


class SparseRows(_Form):
    """Compressed sparse rows, some columns of coefficients at a time.

    The gradient goes over the stored numbers in the order of their columns, which is kept beside
    the block: sums come in a fixed order, and no two threads write to one place.
    """

    def sums(self, block: DeviceBlock, rows: DeviceRows) -> Sums:
        """Return the sums of a block: those of all lines, in their order."""
        xp = block.xp
        stored = by_column(block)
        width = min(GROUP, max(1, PREDICTORS // (8 * block.n_rows)))
        groups = tile_borders(self.shape[1], width)
        found = [self._group(block, rows, group, stored) for group in groups]
        sums, grads = zip(*found, strict=True)
        return self.packed(xp, xp.concatenate(sums, axis=1), xp.concatenate(grads, axis=1))

    def _group(
        self, block: DeviceBlock, rows: DeviceRows, group: tuple[int, int], stored: list[Any]
    ) -> tuple[Any, Any]:
        """Return the sums (n_sums, c) and the gradient (p, c) of c columns of coefficients."""
        xp, X, (first, last) = block.xp, block.X, group
        n_rows, n_features = np.int64(block.n_rows), np.int64(block.n_features)
        columns = np.int64(last - first)
        lanes = np.int32(1 << (last - first - 1).bit_length())
        own = f"coef-{first}-{last}"
        coef = block.uploads.get(own)
        if coef is None:
            coef = np.ascontiguousarray(self.state["coef"][:, first:last], dtype=np.float64)
            coef = block.upload(own, coef)
        eta = xp.empty((block.n_rows, last - first), dtype=xp.float64)
        program, by_row = self.program, (X.data, X.indices, X.indptr)
        warps(program, xp, "csr_times", block.n_rows, *by_row, n_rows, coef, columns, lanes, eta)
        sums = xp.zeros((tile_lines(GROUP), self.n_sums, last - first), dtype=xp.float64)
        self.between("between_sparse", eta, block, rows, self.beside(rows, 0, group), sums)
        n_pieces = column_pieces(X)
        partial = xp.empty((n_pieces, last - first), dtype=xp.float64)
        after = n_features, eta, columns, lanes, partial
        warps(program, xp, "csc_pieces", n_pieces, *stored, *after)
        return xp.sum(sums, axis=0), join_pieces(program, block, partial, stored[3])


def warps(program: Program, xp: Any, name: str, n: int, *arguments: Any) -> None:
    """Start a kernel with a warp for each of n things."""
    grid = (max(1, -(-32 * n // THREADS)),)
    launch(program, xp, name, grid, (THREADS,), *arguments)


def column_pieces(X: Any) -> int:
    """Return how many pieces the columns of a sparse block have at most."""
    return int(X.shape[1] + X.data.shape[0] // PIECE)


def join_pieces(program: Program, block: DeviceBlock, partial: Any, pieces: Any) -> Any:
    """Return the sums of the pieces (n_pieces, C) of each column, (p, C), in their order."""
    xp, n_columns = block.xp, int(partial.shape[1])
    joined = xp.empty((block.n_features, n_columns), dtype=xp.float64)
    grid = (-(-block.n_features * n_columns // THREADS),)
    sizes = np.int64(block.n_features), np.int64(n_columns)
    launch(program, xp, "csc_join", grid, (THREADS,), partial, pieces, *sizes, joined)
    return joined


def by_column(block: DeviceBlock) -> list[Any]:
    """Return values and rows of a sparse block by column, column pointers and piece pointers; they
    are kept beside it."""
    return [block.kept.get(("csc", part), make) for part, make in _by_column(block.xp, block.X)]


def _by_column(xp: Any, X: Any) -> list[tuple[str, Any]]:
    """Return names and makers of values and rows by column, column pointers and piece pointers."""
    memo: dict[str, Any] = {}

    def order() -> Any:
        if "order" not in memo:
            memo["order"] = stable_order(X.indices)
        return memo["order"]

    def pointers() -> Any:
        edges = xp.arange(X.shape[1] + 1, dtype=X.indices.dtype)
        return xp.searchsorted(X.indices[order()], edges).astype(xp.int64)

    def pieces() -> Any:
        each = (xp.diff(pointers()) + (PIECE - 1)) // PIECE
        return xp.concatenate([xp.zeros(1, dtype=xp.int64), xp.cumsum(each)])

    return [
        ("values", lambda: X.data[order()]),
        ("rows", lambda: row_numbers(xp, X)[order()].astype(xp.int32)),
        ("pointers", pointers),
        ("pieces", pieces),
    ]


def _address(array: Any) -> int:
    """Return where an array lies on the card; 0 for None."""
    if array is None:
        return 0
    assert array.flags.c_contiguous, "a kernel knows of no strides"
    return int(array.data.ptr)
