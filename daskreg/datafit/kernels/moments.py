"""The first pass: moments of every column, with or without the Gram matrix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from daskreg._array import is_sparse, scale_rows, take_rows, to_dense, with_data
from daskreg._typing import AnyArray, Float, Matrix, State
from daskreg.datafit.moments import ByLabel, Moments, add_outer
from daskreg.design.blocks import Block
from daskreg.design.partials import Sums
from daskreg.exceptions import DataError

from .tiles import (
    BLOCK_BYTES,
    block_rows,
    gram_tile_rows,
    moment_tile_rows,
    numeric_target,
    tile_borders,
)

#: More distinct labels than this are taken for a continuous target.
MAX_LABELS = 1000
#: Sparse columns with empty places are not shifted: below this share of the mean square a
#: variance is rounding.
SPARSE_NOISE = 1e-12
#: Classes that the losses can tell apart so far.
N_CLASSES = 2


@dataclass(frozen=True)
class MomentsKernel:
    """Moments of the columns and of ``y - offset``; for a classification, of each class.

    Columns are shifted tile by tile by the mean of the tile before, sums are float64.

    Parameters
    ----------
    by_label : bool
        y holds labels of any kind: find them and keep the sums of each apart.
    columns : tuple of int or None
        Gram columns wanted; empty: none, None: all of them.
    gram_dtype : str
        Type of the Gram products of one tile; tiles are added in float64.
    """

    name: ClassVar[str] = "moments"
    reads_X: ClassVar[bool] = True
    by_label: bool = False
    columns: tuple[int, ...] | None = ()
    gram_dtype: str = "float64"

    def __call__(self, block: Block, state: State) -> Sums:
        if block.y is None:
            raise DataError("the data have no target: expected y, got None")
        if self.by_label:
            return Sums(moments=self._by_label(block))
        z = numeric_target(block.y)
        if block.offset is not None:
            z = z - block.offset
        return Sums(moments=self._moments(block.X, z, block.sample_weight))

    def _by_label(self, block: Block) -> ByLabel:
        y = block.y[:, 0] if block.y is not None else np.empty(0)
        weight = block.sample_weight
        rows = np.arange(len(y)) if weight is None else np.flatnonzero(weight)
        labels, codes = find_labels(y[rows])
        refuse_many(labels)
        parts = []
        for code in range(len(labels)):
            chosen = rows[codes == code]
            own = None if weight is None else weight[chosen]
            parts.append(self._moments(block.X, np.empty((len(chosen), 0)), own, chosen))
        return ByLabel(labels, tuple(parts))

    def _moments(
        self, X: Matrix, z: Float, weight: Float | None, rows: AnyArray | None = None
    ) -> Moments:
        sums = _Running(X.shape[1], z.shape[1], self)
        root = None if weight is None else np.sqrt(weight)
        with np.errstate(over="ignore", invalid="ignore"):
            for start, stop in tile_borders(len(z), self.rows(X)):
                tile = take_rows(X, start, stop) if rows is None else X[rows[start:stop]]
                sums.add(tile, z[start:stop], None if root is None else root[start:stop])
            return sums.result()

    def rows(self, X: Matrix) -> int:
        """Return the rows of one tile."""
        rows = moment_tile_rows if self.columns == () else gram_tile_rows
        return rows(X.shape[1], X.dtype, is_sparse(X))

    def temporaries(self, n_features: int, dtype: np.dtype[Any], sparse: bool = False) -> int:
        """Return the bytes one call needs beside its block and its result."""
        gram = n_features**2 if self.columns is None else 0
        if sparse:
            return 24 * gram + BLOCK_BYTES
        pick = moment_tile_rows if self.columns == () else gram_tile_rows
        rows = min(pick(n_features, dtype), block_rows(n_features, dtype))
        labels = 64 * block_rows(n_features, dtype) if self.by_label else 0
        return (rows + 64) * n_features * 24 + 12 * gram + labels

    def partial_nbytes(self, n_features: int, n_targets: int) -> int:
        """Return the bytes of one partial."""
        gram = n_features if self.columns is None else len(self.columns)
        return 8 * n_features * (2 + n_targets + gram) * (2 if self.by_label else 1)


class _Running:
    """The sums of one block, built up tile by tile."""

    def __init__(self, n_features: int, n_targets: int, kernel: MomentsKernel) -> None:
        self.columns = None if kernel.columns is None else np.array(kernel.columns, dtype=np.intp)
        self.dtype = np.dtype(kernel.gram_dtype)
        width = n_features if self.columns is None else len(self.columns)
        self.gram = np.zeros((n_features, width)) if width else None
        empty = np.zeros(n_features), np.zeros(n_features), np.zeros(n_targets)
        self.plain = Moments(0.0, 0, *empty, np.zeros(n_targets), np.zeros((n_features, n_targets)))
        self.vectors: list[Float] = []
        self.factors: list[float] = []
        self.shift: Float | None = None
        self.scratch = np.empty((0, n_features))

    def add(self, tile: Matrix, z: Float, root: Float | None) -> None:
        """Add one tile; ``root`` are the square roots of its weights."""
        ones = np.ones(len(z)) if root is None else root
        weight = float(np.add.reduce(np.square(ones))) if root is not None else float(len(z))
        if not weight:
            return
        z_shift = np.square(ones) @ z / weight
        right = np.column_stack([ones, (z - z_shift) * ones[:, None]])
        shift = self._shift(tile, ones, weight)
        scaled: Matrix
        if is_sparse(tile):
            scaled = scale_rows(_shift_stored(tile, shift), ones)
            squares = _column_squares(scaled)
        else:
            scaled = self._shifted(tile, shift, root)
            squares = np.einsum("ij,ij->j", scaled, scaled)
        sums = scaled.T @ right if is_sparse(tile) else (right.T @ scaled).T
        m2 = squares - np.square(sums[:, 0]) / weight
        least = SPARSE_NOISE * squares if is_sparse(tile) else 0.0
        m2 = np.where(m2 <= least, 0.0, m2)  # what overflowed stays NaN, and is refused later
        self._join(sums, m2, right, weight, shift, z_shift)
        if self.gram is not None:
            self._add_gram(scaled)

    def _shift(self, tile: Matrix, root: Float, weight: float) -> Float:
        """Return a point inside each column: the mean of the tile before, or of this one.

        Rows without weight have no say: a column that only they vary is constant.  Sparse columns
        are shifted where every row of the tile is stored, elsewhere zero lies inside them.
        """
        if is_sparse(tile):
            whole = np.bincount(tile.indices, minlength=tile.shape[1]) == tile.shape[0]
            if not whole.any():
                return np.zeros(tile.shape[1])
            return np.where(whole, (tile.T @ np.square(root)) / weight, 0.0)
        if self.shift is not None:
            return self.shift
        return np.square(root) @ tile / weight

    def _shifted(self, tile: AnyArray, shift: Float, root: Float | None) -> Float:
        if len(self.scratch) < len(tile):
            self.scratch = np.empty(tile.shape)
        out = self.scratch[: len(tile)]
        np.copyto(out, tile)  # a cast and a subtraction in one would go through small buffers
        out -= shift
        if root is not None:
            out *= root[:, None]
        return out

    def _join(
        self, sums: Float, m2: Float, right: Float, weight: float, shift: Float, z_shift: Float
    ) -> None:
        """Centre the sums of a tile at its own means and join them to those before."""
        first, products = sums[:, 0], sums[:, 1:]
        z_first = right[:, 0] @ right[:, 1:]
        mean = shift + first / weight
        tile = Moments(
            weight,
            int(np.count_nonzero(right[:, 0])),
            mean,
            m2,
            z_shift + z_first / weight,
            np.maximum(np.square(right[:, 1:]).sum(axis=0) - np.square(z_first) / weight, 0.0),
            products - np.outer(first, z_first) / weight,
        )
        before = self.plain
        if self.gram is not None:
            # Rank-one corrections wait for the end of the block: one product instead of many.
            self.vectors += [first, mean - before.mean]
            self.factors += [-1.0 / weight, before.weight * weight / (before.weight + weight)]
        self.plain = before + tile
        self.shift = mean

    def _add_gram(self, scaled: Matrix) -> None:
        assert self.gram is not None
        if is_sparse(scaled):
            right = scaled if self.columns is None else scaled[:, self.columns]
            self.gram += to_dense(scaled.T @ right)
            return
        scaled = scaled.astype(self.dtype, copy=False)
        self.gram += scaled.T @ (scaled if self.columns is None else scaled[:, self.columns])

    def result(self) -> Moments:
        gram = self.gram
        if gram is not None and self.vectors:
            add_outer(gram, np.column_stack(self.vectors), np.array(self.factors), self.columns)
        p = self.plain
        return Moments(
            *(p.weight, p.n_rows, p.mean, p.m2, p.target_mean, p.target_m2, p.cross),
            gram,
            self.columns,
        )


def _shift_stored(X: Matrix, shift: Float) -> Matrix:
    """Return sparse X less ``shift`` where it is stored; all of it where shift is not zero."""
    return with_data(X, X.data - shift[X.indices]) if shift.any() else X


def _column_squares(X: Matrix) -> Float:
    squares = np.bincount(X.indices, np.square(X.data), minlength=X.shape[1])
    return squares.astype(np.float64, copy=False)


def find_labels(y: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Return the distinct labels of y and, for each row, the number of its label.

    Raises
    ------
    DataError
        If y is continuous, or holds labels that cannot be told apart.
    """
    if y.dtype.kind == "f" and not np.all(y == np.floor(y)):
        value = next(_continuous(y))
        raise DataError(
            f"y holds {value!r}: a continuous target is no class label; use a regression loss"
        )
    try:
        labels, codes = np.unique(y, return_inverse=True)
    except TypeError:
        raise DataError(
            "y mixes labels that have no order, such as text and numbers or missing values: "
            "expected labels of one kind"
        ) from None
    if len(labels) > MAX_LABELS:
        raise DataError(
            f"y holds more than {MAX_LABELS} distinct labels, a continuous target: "
            "use a regression loss"
        )
    return labels, codes


def refuse_many(labels: AnyArray) -> None:
    """Raise ``DataError`` that names the classes where there are more than two."""
    if len(labels) > N_CLASSES:
        shown = ", ".join(repr(label) for label in labels[:8].tolist())
        more = f" and {len(labels) - 8} more" if len(labels) > 8 else ""
        raise DataError(
            f"Only binary classification is supported. y holds the classes {shown}{more}: "
            "keep the rows of two, or set one class against the rest (y == label)"
        )


def _continuous(y: AnyArray) -> Iterator[Any]:
    return (value.item() for value in y if value != np.floor(value))
