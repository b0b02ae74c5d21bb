"""Row tiles: how a kernel walks a block so that X is read from memory once.

A tile of X stays in the core's second-level cache between ``X @ B`` and ``X.T @ R``.  Its rows
depend on the number of columns and on the storage type only, so that sums come out with the
same bits whoever adds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from daskreg._array import is_sparse
from daskreg._typing import AnyArray, Float
from daskreg.design.blocks import Block
from daskreg.exceptions import DataError

TILE_BYTES = 2**20
GRAM_TILE_BYTES = 2**22
#: Largest block that the engine makes by default, in bytes.
BLOCK_BYTES = 2**26
#: Storage types whose numbers float32 holds exactly.
FLOAT32_KIND = ("bool", "int8", "uint8", "int16", "uint16", "float16", "float32")
#: Below this relative gap float32 products are too rough (their floor is about 1e-7).
FLOAT32_TOL = 5e-7


def tile_rows(n_features: int, dtype: np.dtype[Any] | str, sparse: bool = False) -> int:
    """Return the rows of one tile: a multiple of 16."""
    if sparse:
        # A tile writes p x C sums: enough rows that this is little beside the products.
        return _round16(n_features, 2**14, 2**17)
    return _round16(TILE_BYTES // max(1, n_features * np.dtype(dtype).itemsize), 64, 4096)


def moment_tile_rows(n_features: int, dtype: np.dtype[Any] | str, sparse: bool = False) -> int:
    """Return the rows of one tile of the first pass, which holds a float64 copy of it."""
    if sparse:
        return tile_rows(n_features, dtype, sparse)
    return _round16(TILE_BYTES // (16 * max(1, n_features)), 64, 4096)


def gram_tile_rows(n_features: int, dtype: np.dtype[Any] | str, sparse: bool = False) -> int:
    """Return the rows of one tile of a Gram matrix: larger, for each tile adds p x p numbers."""
    if sparse:
        return tile_rows(n_features, dtype, sparse)
    rows = GRAM_TILE_BYTES // max(1, n_features * np.dtype(dtype).itemsize)
    return _round16(max(rows, n_features), 256, 8192)


def block_rows(n_features: int, dtype: np.dtype[Any] | str) -> int:
    """Return the rows of the largest dense block."""
    return BLOCK_BYTES // max(1, n_features * np.dtype(dtype).itemsize)


def _round16(rows: int, least: int, most: int) -> int:
    return min(max(rows, least), most) // 16 * 16


def compute_dtype(dtype: np.dtype[Any] | str, tol: float) -> np.dtype[Any]:
    """Return the type of the products: float32 where storage type and ``tol`` allow, else float64.

    Sums over tiles are float64 either way.
    """
    small = np.dtype(dtype).name in FLOAT32_KIND
    return np.dtype(np.float32 if small and tol >= FLOAT32_TOL else np.float64)


def tile_borders(n_rows: int, rows: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of each tile."""
    for start in range(0, n_rows, rows):
        yield start, min(start + rows, n_rows)


@dataclass(frozen=True)
class Labels:
    """How raw labels become 0 and 1, and what each class weighs.

    Attributes
    ----------
    classes : tuple
        The two labels in ascending order.
    weight : tuple of float
        Factors of the row weights (``class_weight``).
    """

    classes: tuple[Any, ...]
    weight: tuple[float, ...] = (1.0, 1.0)

    def encode(self, y: AnyArray) -> Float:
        """Return 1.0 where y is the second class, else 0.0."""
        return np.asarray(y == self.classes[1], dtype=np.float64)


@dataclass(frozen=True)
class RowData:
    """What a block knows of its rows beside X, as float64."""

    y: Float
    weight: Float | None
    offset: Float | None

    def tile(self, start: int, stop: int) -> RowData:
        weight = None if self.weight is None else self.weight[start:stop]
        offset = None if self.offset is None else self.offset[start:stop]
        return RowData(self.y[start:stop], weight, offset)

    @property
    def total_weight(self) -> float:
        return float(len(self.y)) if self.weight is None else float(np.sum(self.weight))


def row_data(block: Block, labels: Labels | None) -> RowData:
    """Return targets, weights and offset of a block, labels encoded and class weights applied."""
    if block.y is None:
        raise DataError("the data have no target: expected y, got None")
    weight = block.sample_weight
    if labels is None:
        return RowData(numeric_target(block.y), weight, block.offset)
    y = labels.encode(block.y)
    if labels.weight != (1.0, 1.0):
        factor = np.where(y[:, 0] == 1.0, labels.weight[1], labels.weight[0])
        weight = factor if weight is None else weight * factor
    return RowData(y, weight, block.offset)


def numeric_target(y: AnyArray) -> Float:
    """Return y as float64; raise ``DataError`` where it is no number."""
    if y.dtype.kind in "biuf":
        return y.astype(np.float64, copy=False)
    try:
        if y.dtype.kind == "O":
            return y.astype(np.float64)
    except (TypeError, ValueError):
        pass
    raise DataError(
        f"y holds values such as {y.ravel()[:1].tolist()[0]!r}, but a regression needs numbers; "
        "for labels use LogisticRegression (--loss logistic)"
    )


def column_sums(values: Float, weight: Float | None) -> Float:
    """Return the weighted column sums of (rows, C) values; a column's bits do not depend on C."""
    if weight is not None:
        values = values * weight[:, None]
    return np.asarray(np.add.reduce(values, axis=0))


def dense_scratch(block: Block, rows: int, dtype: np.dtype[Any]) -> AnyArray | None:
    """Return room for one tile in ``dtype``; None for sparse blocks."""
    if is_sparse(block.X):
        return None
    return np.empty((min(rows, block.n_rows), block.X.shape[1]), dtype=dtype)
