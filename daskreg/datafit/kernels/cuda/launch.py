"""Launches of CUDA C: which form a pass takes on a card, and the arguments of its kernels."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from daskreg._array import is_sparse
from daskreg._typing import State
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
#: Stored numbers of a column that one warp adds up; as in the source.
PIECE = 1024
#: The struct of the same name in the source, of which everything has eight bytes.
BESIDE = np.dtype(
    [(name, np.uint64) for name in ("y",)]
    + [("y_step", np.int64), ("weight", np.uint64), ("offset", np.uint64)]
    + [("offset_step", np.int64)]
    + [(name, np.uint64) for name in ("codes", "table", "counts")]
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
def module_of(program: Program, xp: Any) -> Any:
    """Return the compiled module, once a process; CuPy keeps it on disk beside."""
    return xp.RawModule(code=program.source, options=OPTIONS)


def launch(program: Program, xp: Any, name: str, grid: Any, block: Any, *arguments: Any) -> None:
    """Start a kernel on the current stream."""
    module_of(program, xp).get_function(name)(grid, block, arguments)


class _Form:
    """What all forms share: the state on the card, and the sums of all columns."""

    def __init__(self, program: Program, state: State, block: DeviceBlock) -> None:
        self.program = program
        self.state = state
        self.xp = block.xp
        self.shape: tuple[int, int] = state["coef"].shape
        self.n_sums = len(program.names)

    def zeros(self, *shape: int) -> Any:
        return self.xp.zeros(shape, dtype=self.xp.float64)

    def upload(self, block: DeviceBlock, name: str, dtype: Any = np.float64) -> Any:
        """Return a part of the state on the card, contiguous in a type."""
        return block.upload(name, np.ascontiguousarray(self.state[name], dtype=dtype))

    def beside(
        self, rows: DeviceRows, start: int, stop: int, columns: tuple[int, int] | None = None
    ) -> tuple[Any, Any]:
        """Return the struct for some rows and columns, and the array that it alone points to."""
        counts = rows.multiplicities(start, stop)
        first, last = columns or (0, self.shape[1])
        parts = (
            _address(rows.y),
            rows.y.shape[1],
            _address(rows.weight),
            _address(rows.offset),
            1 if rows.offset is None else rows.offset.shape[1],
            _address(rows.codes),
            _address(rows.table),
            _address(counts),
            *(start, first, last - first, self.shape[1]),
        )
        return np.array(parts, dtype=BESIDE), counts

    def between(
        self, name: str, eta: Any, block: DeviceBlock, rows: DeviceRows, start: int, sums: Any,
        columns: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        """Turn predictors into residuals, and add to the sums."""
        struct, _alive = self.beside(rows, start, start + eta.shape[0], columns)
        lanes = min(32, 1 << (eta.shape[1] - 1).bit_length())
        grid = (-(-eta.shape[1] // lanes), sums.shape[0])
        arguments = np.int64(eta.shape[0]), self.upload(block, "intercept"), rows.target, struct
        threads = (lanes, THREADS // lanes)
        launch(self.program, self.xp, name, grid, threads, eta, *arguments, sums)

    def packed(self, sums: Any, grad: Any) -> PackedSums:
        """Return the sums (n_sums, C) and the gradient (p, C) by name, as views of one array."""
        parts = [self.xp.reshape(part, (-1,)) for part in (sums, grad)]
        return PackedSums.of(self.xp.concatenate(parts), self.program.names, self.shape)


class FusedRows(_Form):
    """One column of coefficients: one launch a block, which reads X once."""

    def __init__(self, program: Program, state: State, block: DeviceBlock) -> None:
        super().__init__(program, state, block)
        self.lines = MULTIPROCESSORS * program.blocks_per_sm
        self.partial = self.zeros(self.lines, self.n_sums + self.shape[0])

    def add(self, block: DeviceBlock, rows: DeviceRows) -> None:
        """Add the rows of a block."""
        product = np.dtype(self.program.product)
        struct, _alive = self.beside(rows, 0, block.n_rows)
        shift = self.upload(block, "shift", product) if self.program.shifted else None
        launch(
            *(self.program, self.xp, "gradient_rows", (self.lines,), (32 * WARPS,)),
            *(block.X, np.int64(block.n_rows), np.int64(block.n_features)),
            *(self.upload(block, "coef", product), shift),
            np.float64(self.state["intercept"][0]),
            np.int64(self.state["target"][0]),
            *(struct, self.partial),
        )

    def result(self) -> Sums:
        """Return the sums of all lines, in their order."""
        total = self.xp.sum(self.partial, axis=0)
        return PackedSums.of(total, self.program.names, self.shape)


class TileRows(_Form):
    """Several columns: two products a row tile that stays in cache, and one kernel between."""

    def __init__(self, program: Program, state: State, block: DeviceBlock) -> None:
        super().__init__(program, state, block)
        self.sums = self.zeros(tile_lines(self.shape[1]), self.n_sums, self.shape[1])
        self.grad = self.zeros(*self.shape)

    def add(self, block: DeviceBlock, rows: DeviceRows) -> None:
        """Add the rows of a block."""
        xp, dtype = self.xp, np.dtype(self.program.product)
        coef = self.upload(block, "coef", dtype)
        shifted = self.state.get("shift") is not None
        shift = self.upload(block, "shift", dtype) if shifted else None
        X: Any = block.X
        n_rows = card_tile_rows(block.n_features, self.shape[1], dtype_of(X), dtype)
        for start, stop in tile_borders(block.n_rows, n_rows):
            tile = widened(xp, X[start:stop, :], dtype, shift)
            eta = xp.matmul(tile, coef)
            self.between("between_products", eta, block, rows, start, self.sums)
            self.grad += xp.matmul(tile.T, eta)

    def result(self) -> Sums:
        """Return the sums of all lines, in their order."""
        return self.packed(self.xp.sum(self.sums, axis=0), self.grad)


class SparseRows(_Form):
    """Compressed sparse rows, some columns of coefficients at a time.

    The gradient goes over the stored numbers in the order of their columns, which is kept beside
    the block: sums come in a fixed order, and no two threads write to one place.
    """

    def __init__(self, program: Program, state: State, block: DeviceBlock) -> None:
        super().__init__(program, state, block)
        self.groups = list(tile_borders(self.shape[1], GROUP))
        lines = tile_lines(GROUP)
        self.sums = [self.zeros(lines, self.n_sums, last - first) for first, last in self.groups]
        self.grads = [self.zeros(self.shape[0], last - first) for first, last in self.groups]

    def add(self, block: DeviceBlock, rows: DeviceRows) -> None:
        """Add the rows of a block."""
        xp, X = self.xp, block.X
        n_rows, n_features = np.int64(block.n_rows), np.int64(block.n_features)
        by_column = [block.kept.get(("csc", part), make) for part, make in _by_column(xp, X)]
        n_pieces = block.n_features + X.data.shape[0] // PIECE
        for number, (first, last) in enumerate(self.groups):
            columns = np.int64(last - first)
            lanes = np.int32(1 << (last - first - 1).bit_length())
            coef = np.ascontiguousarray(self.state["coef"][:, first:last], dtype=np.float64)
            coef = block.upload(f"coef-{first}", coef)
            eta = xp.empty((block.n_rows, last - first), dtype=xp.float64)
            stored = X.data, X.indices, X.indptr
            self.warps("csr_times", block.n_rows, *stored, n_rows, coef, columns, lanes, eta)
            own = (first, last)
            self.between("between_sparse", eta, block, rows, 0, self.sums[number], own)
            partial = xp.empty((n_pieces, last - first), dtype=xp.float64)
            after = n_features, eta, columns, lanes, partial
            self.warps("csc_pieces", n_pieces, *by_column, *after)
            grad, pieces = self.grads[number], by_column[3]
            threads = -(-block.n_features * (last - first) // THREADS)
            arguments = partial, pieces, n_features, columns, grad
            launch(self.program, xp, "csc_join", (threads,), (THREADS,), *arguments)

    def warps(self, name: str, n: int, *arguments: Any) -> None:
        """Start a kernel with a warp for each of n things."""
        grid = (max(1, -(-32 * n // THREADS)),)
        launch(self.program, self.xp, name, grid, (THREADS,), *arguments)

    def result(self) -> Sums:
        """Return the sums of all lines, in their order."""
        sums = self.xp.sum(self.xp.concatenate(self.sums, axis=2), axis=0)
        return self.packed(sums, self.xp.concatenate(self.grads, axis=1))


def _by_column(xp: Any, X: Any) -> list[tuple[str, Any]]:
    """Return names and makers of values and rows by column, column pointers and piece pointers."""
    memo: dict[str, Any] = {}

    def order() -> Any:
        if "order" not in memo:
            memo["order"] = xp.argsort(X.indices, kind="stable")
        return memo["order"]

    def pointers() -> Any:
        edges = xp.arange(X.shape[1] + 1, dtype=X.indices.dtype)
        return xp.searchsorted(X.indices[order()], edges).astype(xp.int64)

    def pieces() -> Any:
        each = (xp.diff(pointers()) + (PIECE - 1)) // PIECE
        return xp.concatenate([xp.zeros(1, dtype=xp.int64), xp.cumsum(each)])

    return [
        ("values", lambda: X.data[order()]),
        ("rows", lambda: row_numbers(xp, X)[order()].astype(xp.int64)),
        ("pointers", pointers),
        ("pieces", pieces),
    ]


def _address(array: Any) -> int:
    """Return where an array lies on the card; 0 for None."""
    return 0 if array is None else int(array.data.ptr)
