"""Dask arrays, Dask data frames and xarray objects over them, as rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from daskreg.design.sources.base import Reader, Rows, Table
from daskreg.exceptions import DataError

from .graphs import is_future
from .matrices import Convert, frame_dtype, is_sparse_meta

#: Rows of chunks that are put together from column chunks stay below these bytes; others are
#: written to scratch as they are.
MAX_CHUNK = 256 << 20
#: Sparse ones are cut to rows of about these bytes.
CUT_CHUNK = 64 << 20


class DaskRows(Rows):
    """Rows of a Dask collection; ``settle`` makes them ready to be cut and read.

    Parameters
    ----------
    collection : dask Array or Frame
        Each key is one run of rows.
    lengths : sequence of int or None
        Rows of each key; None while unknown.
    convert : Convert
    frame : dask data frame, optional
        Where the columns are taken from: rows of one frame are read together.
    widths : sequence of int, optional
        Columns of each key where a run of rows has several, from left to right.
    chunked : dask Array, optional
        The same rows before chunks of some columns were put side by side.
    """

    #: Tasks of arrays call its functions, and it imports pandas.
    libraries = ("pandas", "dask.array")

    def __init__(
        self,
        collection: Any,
        lengths: Sequence[int] | None,
        convert: Convert,
        *,
        names: tuple[str, ...] | None = None,
        describe: str = "dask array",
        frame: Any = None,
        widths: Sequence[int] | None = None,
        chunked: Any = None,
    ) -> None:
        self.widths, self._chunked = None if widths is None else tuple(widths), chunked
        self.collection, self.convert, self.frame = collection, convert, frame
        self.lengths = None if lengths is None else tuple(int(n) for n in lengths)
        self.n_rows = None if self.lengths is None else sum(self.lengths)
        self.row_chunks = (
            None
            if self.lengths is None or self.widths is not None
            else tuple(n for n in self.lengths if n) or None
        )
        self.n_columns, self.dtype, self.sparse = convert.n_columns, convert.dtype, convert.sparse
        self.names, self.describe = names, describe
        self.persisted = frame is None and _is_persisted(collection)
        self.computed = not self.persisted
        self.decode_factor = 1.0 if self.persisted else 3.0
        if self.widths is not None:
            self.decode_factor = 2.0
            tile = max(self.lengths or (0,)) * max(self.widths)
            # A chunk as it is made, and in row order.
            self.settle_nbytes = 2 * tile * self.dtype.itemsize

    def turned(self) -> Rows | None:
        """Chunks of some columns can be written to scratch as they are, one at a time."""
        if self._chunked is None or self.sparse or self.widths is not None:
            return None
        return _tiled(self._chunked, self.convert, self.describe)

    @property
    def settled(self) -> bool:
        return False

    def open(self, values: Sequence[Any] = ()) -> Reader:
        raise RuntimeError(f"{self.describe}: settle() makes these rows ready to be read")

    @property
    def row_nbytes(self) -> float:
        dense = self.n_columns * max(self.dtype.itemsize, 1)
        return dense * 0.2 if self.sparse else dense


class FrameTable(Table):
    """The columns of a Dask data frame."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self.columns = tuple(frame.columns)
        self.describe = "dask data frame"

    def rows(self, columns: Sequence[str]) -> Rows:
        self.require(columns)
        if len(set(columns)) != len(columns):
            raise DataError(f"{self.describe}: a column is chosen twice in {list(columns)}")
        chosen = self._frame[list(columns)]
        dtype = frame_dtype(dict(chosen.dtypes), self.describe)
        return frame_rows(chosen, tuple(columns), dtype, self.describe)


def array_rows(array: Any, describe: str) -> DaskRows:
    width = 1 if array.ndim == 1 else array.shape[1]
    if isinstance(width, float) and math.isnan(width):
        raise DataError(
            f"{describe}: the number of columns is unknown; call compute_chunk_sizes() first"
        )
    dtype = np.dtype(array.dtype)
    if dtype.kind in "OT":
        dtype = np.dtype("U")
    convert = Convert(int(width), dtype, is_sparse_meta(array._meta), describe=describe)
    rows = array.chunks[0]
    if _unknown(rows):
        whole = array if array.ndim == 1 or array.numblocks[1] == 1 else array.rechunk({1: -1})
        return DaskRows(whole, None, convert, describe=describe)
    if array.ndim == 1 or array.numblocks[1] <= 1:
        return DaskRows(array, rows, convert, describe=describe)
    if not convert.sparse and max(rows) * _row_nbytes(convert) > MAX_CHUNK:
        return _tiled(array, convert, describe)
    whole = _whole_rows(array, convert)
    return DaskRows(whole, whole.chunks[0], convert, describe=describe, chunked=array)


def _tiled(array: Any, convert: Convert, describe: str) -> DaskRows:
    rows, columns = array.chunks
    return DaskRows(array, rows, convert, describe=describe, widths=columns)


def _row_nbytes(convert: Convert) -> int:
    return max(1, convert.n_columns * max(convert.dtype.itemsize, 1))


def _whole_rows(array: Any, convert: Convert) -> Any:
    """Put column chunks side by side, in runs of rows that memory can hold."""
    row = _row_nbytes(convert)
    if max(array.chunks[0]) * row <= MAX_CHUNK:
        return array.rechunk({1: -1}, method="tasks")
    return array.rechunk({0: max(1, CUT_CHUNK // row), 1: -1}, method="tasks")


def _is_persisted(collection: Any) -> bool:
    """Whether the keys are futures already, as far as that can be told without making tasks."""
    graph = collection.__dask_graph__()
    layers = list(getattr(graph, "layers", {}).values())
    values = getattr(layers[0], "mapping", {}).values() if len(layers) == 1 else ()
    return bool(values) and all(is_future(getattr(v, "value", v)) for v in values)


def _unknown(lengths: Sequence[float]) -> bool:
    return any(math.isnan(n) for n in lengths)


def frame_rows(
    frame: Any,
    columns: tuple[Any, ...] | None,
    dtype: np.dtype[Any],
    describe: str,
    names: tuple[str, ...] | None = None,
) -> DaskRows:
    if columns is not None:
        names = tuple(str(name) for name in columns)
    source, taken = _projected(frame, columns)
    convert = Convert(len(taken or (0,)), dtype, columns=taken or (), describe=describe)
    lengths = _frame_lengths(frame)
    return DaskRows(frame, lengths, convert, names=names, describe=describe, frame=source)


def _projected(frame: Any, columns: tuple[Any, ...] | None) -> tuple[Any, tuple[Any, ...] | None]:
    """The frame that columns were taken from, so that X and y of one file find each other."""
    from dask.dataframe.dask_expr import new_collection

    expr = frame.expr
    if columns is None and type(expr).__name__ == "Projection":
        columns = (frame.name,)
    while type(expr).__name__ == "Projection":
        expr = expr.frame
    source = new_collection(expr)
    return (source, columns) if columns is not None and source.ndim == 2 else (None, columns)


def _frame_lengths(frame: Any) -> tuple[int, ...] | None:
    """Rows of each partition where the source knows them without reading (Parquet footers)."""
    try:
        from dask.dataframe.dask_expr._expr import Lengths, Literal

        found = Lengths(frame.expr).optimize()
    except (ImportError, AttributeError):
        return None
    if not isinstance(found, Literal) or len(found.value) != len(frame.optimize().__dask_keys__()):
        return None
    return tuple(found.value)
