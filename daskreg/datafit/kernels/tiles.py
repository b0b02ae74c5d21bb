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

from daskreg._array import is_number, is_sparse, name_of, namespace
from daskreg._typing import AnyArray, Float
from daskreg.datafit.weightings import ColumnWeights, Weightings
from daskreg.design.blocks import Block
from daskreg.exceptions import DataError

TILE_BYTES = 2**20
GRAM_TILE_BYTES = 2**22
#: Numbers of the predictors of a tile, at most, unless it is of the fewest rows.
PREDICTORS = 2**18
SPARSE_PREDICTORS = 2**22
#: Largest block that the engine makes by default, in bytes.
BLOCK_BYTES = 2**26
#: Storage types whose numbers float32 holds exactly.
FLOAT32_KIND = ("bool", "int8", "uint8", "int16", "uint16", "float16", "bfloat16", "float32")
#: What compiled loops see of types that they widen from their bits, or that count as numbers.
KNOWN_AS = {"bool": np.uint8, "float16": np.uint16, "bfloat16": np.int16}
#: Below this relative gap float32 products are too rough (their floor is about 1e-7).
FLOAT32_TOL = 5e-7


def tile_rows(
    n_features: int, dtype: np.dtype[Any] | str, sparse: bool = False, n_columns: int = 1
) -> int:
    """Return the rows of one tile that is multiplied with C columns: a multiple of 16.

    The predictors of many columns are larger than the tile: they decide then.
    """
    widest = (SPARSE_PREDICTORS if sparse else PREDICTORS) // max(1, n_columns)
    if sparse:
        # A tile writes p x C sums: enough rows that this is little beside the products.
        return _round16(min(n_features, widest), min(2**14, max(2**10, widest)), 2**17)
    rows = TILE_BYTES // max(1, n_features * np.dtype(dtype).itemsize)
    return _round16(min(rows, widest), 64, 4096)


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
    small = name_of(dtype) in FLOAT32_KIND
    return np.dtype(np.float32 if small and tol >= FLOAT32_TOL else np.float64)


def tile_borders(n_rows: int, rows: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of each tile."""
    for start in range(0, n_rows, rows):
        yield start, min(start + rows, n_rows)


@dataclass(frozen=True, eq=False)
class Labels:
    """How raw labels become numbers, and what each class weighs.

    Attributes
    ----------
    classes : tuple
        The labels in ascending order.
    weight : ndarray, shape (n_classes, n_weightings)
        Factors of the row weights (``class_weight``) in each weighting of the rows.
    """

    classes: tuple[Any, ...]
    weight: Float

    def encode(self, y: AnyArray) -> Float:
        """Return the number of each row's class, 0.0, 1.0, ..., in the shape of y."""
        if len(self.classes) == 2:
            return np.asarray(y == self.classes[1], dtype=np.float64)
        places = np.searchsorted(np.array(self.classes), y)
        return np.minimum(places, len(self.classes) - 1).astype(np.float64)


@dataclass(frozen=True)
class RowData:
    """What a block knows of its rows beside X, as float64.

    Attributes
    ----------
    y : ndarray, shape (rows, n_targets)
        Numbers; of labels the number of the class.
    weight : ndarray, shape (rows, 1) or (rows, C), or None
        With ``columns`` it is that of each column of coefficients, once a tile is taken.
    offset : ndarray, shape (rows, 1 or n_targets), or None
    columns : ColumnWeights or None
        How often rows count in each of C columns, where these differ.
    class_weight : ndarray, shape (n_classes, C), or None
    """

    y: Float
    weight: Float | None
    offset: Float | None
    columns: ColumnWeights | None = None
    class_weight: Float | None = None

    def tile(self, start: int, stop: int) -> RowData:
        y = self.y[start:stop]
        weight = None if self.weight is None else self.weight[start:stop]
        offset = None if self.offset is None else self.offset[start:stop]
        if self.columns is not None:
            counts = self.columns.rows(start, stop)
            weight = counts if weight is None else counts * weight
        if self.class_weight is not None:
            factor = self.class_weight[y[:, 0].astype(np.intp)]
            weight = factor if weight is None else weight * factor
        return RowData(y, weight, offset)


def row_data(
    block: Block,
    labels: Labels | None,
    weightings: Weightings | None = None,
    columns: AnyArray | None = None,
) -> RowData:
    """Return targets, weights and offset of a block, labels encoded.

    Parameters
    ----------
    block : Block
    labels : Labels or None
    weightings : Weightings or None
        None: every row counts once in every column.
    columns : ndarray of int, shape (C,), or None
        Weighting of each column; None: all are the first one, all rows.
    """
    if block.y is None:
        raise DataError("the data have no target: expected y, got None")
    weight = None if block.sample_weight is None else block.sample_weight[:, None]
    own = None
    if weightings is not None and columns is not None and len(columns) and columns.any():
        own = ColumnWeights(weightings, columns, block)
    if labels is None:
        return RowData(numeric_target(block.y), weight, block.offset, own)
    class_weight = labels.weight[:, :1] if own is None else labels.weight[:, columns]
    plain = bool((class_weight == 1.0).all())
    y = labels.encode(block.y)
    return RowData(y, weight, block.offset, own, None if plain else class_weight)


def numeric_target(y: AnyArray) -> Float:
    """Return y as float64; raise ``DataError`` where it is no number."""
    if is_number(y.dtype):
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
    """Return the column sums of (rows, C) values under weights of shape (rows, 1) or (rows, C).

    A column's bits do not depend on C.
    """
    if weight is not None:
        values = values * weight
    xp = namespace(values)
    return np.add.reduce(values, axis=0) if xp is np else xp.sum(values, axis=0)


def dense_scratch(block: Block, rows: int, dtype: np.dtype[Any]) -> AnyArray | None:
    """Return room for one tile in ``dtype``; None for sparse blocks."""
    if is_sparse(block.X):
        return None
    return np.empty((min(rows, block.n_rows), block.X.shape[1]), dtype=dtype)


def stored(X: AnyArray) -> tuple[AnyArray, bool | None]:
    """Return X in a type that compiled loops know; True where these are bits of short floats, of
    float16 as unsigned integers and of bfloat16 as signed ones."""
    known = KNOWN_AS.get(name_of(X.dtype))
    if known is None:
        return X, None
    return X.view(known), True if X.itemsize == 2 else None
