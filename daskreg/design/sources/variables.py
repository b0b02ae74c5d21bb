"""Rows of labelled variables: in memory or lazily backed by a file, but not by Dask."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from daskreg._typing import AnyArray

from .base import Reader, Rows
from .chunk_boxes import (
    CHUNK_CACHE,
    MAX_STRIP,
    bare,
    boxes_of,
    cache_nbytes,
    in_memory,
    loaded,
)
from .chunk_tiles import ChunkTiles
from .labels import Labels
from .memory import fill
from .selected import SelectedColumns, describe, names_of


class XarrayRows(Rows):
    """One or several variables; sample dimensions are stacked into rows, the rest into columns.

    Parameters
    ----------
    variables : sequence of xarray.Variable
        Each has all sample dimensions; its other ones become columns in C order.
    sample_dims : tuple of str
        Outermost first: the last one runs fastest.
    dtype : numpy.dtype
    labels : Labels or None
        Kept by the caller: a pickle goes without.
    """

    #: What a library loads, then the block.
    decode_factor = 2.3
    libraries = ("pandas", "xarray")

    def __init__(
        self,
        variables: Sequence[Any],
        sample_dims: tuple[str, ...],
        dtype: np.dtype[Any],
        *,
        labels: Labels | None = None,
        describe: str = "xarray",
    ) -> None:
        self.reader_nbytes = sum(map(cache_nbytes, variables))
        self._boxes = boxes_of(variables, sample_dims)
        self._variables = tuple(bare(variable) for variable in variables)
        self._sample_dims = sample_dims
        self._sizes = tuple(self._variables[0].sizes[dim] for dim in sample_dims)
        self.dtype, self.describe, self.labels = dtype, describe, labels
        self.names = None if labels is None else labels.feature_names
        self.n_rows = math.prod(self._sizes)
        self.n_columns = sum(self._widths)
        self.resident = all(in_memory(variable) for variable in self._variables)

    @property
    def _widths(self) -> list[int]:
        rows = math.prod(self._sizes)
        return [math.prod(v.shape) // rows if rows else 0 for v in self._variables]

    @property
    def reads_columns(self) -> bool:
        return self.resident or len(self._variables) > 1

    def select(self, columns: AnyArray) -> Rows:
        """Of several variables only those with these columns are read."""
        starts = np.cumsum([0, *self._widths])
        at = np.searchsorted(starts, columns, side="right") - 1
        touched = np.unique(at)
        rows = XarrayRows(
            [self._variables[i] for i in touched],
            self._sample_dims,
            self.dtype,
            describe=describe(self, columns),
        )
        rows.reader_nbytes = self.reader_nbytes
        before = np.cumsum([0, *(self._widths[i] for i in touched)])
        inside = before[np.searchsorted(touched, at)] + columns - starts[at]
        everything = len(inside) == rows.n_columns
        chosen = SelectedColumns(rows, None if everything else inside)
        chosen.names = names_of(self, columns)
        chosen.labels = None if self.labels is None else Labels(chosen.names)
        chosen.describe = rows.describe
        chosen.takes_whole_rows = not self.resident and rows.n_columns == self.n_columns
        return chosen

    def turned(self) -> Rows | None:
        """Chunks of some columns can be written to scratch, one at a time."""
        if self._boxes is None or len(self._boxes.columns) == 1 or self.dtype.kind == "U":
            return None
        return ChunkTiles(self._boxes, self)

    @property
    def row_chunks(self) -> tuple[int, ...] | None:  # type: ignore[override]
        if self._boxes is None or not self._boxes.aligned:
            return None
        return tuple(stop - start for start, stop in self._boxes.rows)

    @property
    def has_wide_chunks(self) -> bool:
        """Whether the chunks of a row hold so many rows that they are decoded for each block."""
        if self._boxes is None or not self.n_rows:
            return False
        rows = max(stop - start for start, stop in self._boxes.rows)
        kept = MAX_STRIP if self._boxes.aligned else CHUNK_CACHE * len(self._variables)
        return rows > 1 and rows * self.row_nbytes > kept

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "labels": None, "names": None, "_boxes": None}

    def cut(self, start: int, stop: int) -> Rows:
        """Of data in memory, little more than these rows."""
        return _CutRows(self, start, stop) if self.resident else self

    def open(self, values: Sequence[Any] = ()) -> Reader:
        return _XarrayReader(self._variables, self._sample_dims, self._widths, self.dtype)


class _CutRows(XarrayRows):
    """A run of rows in memory that keeps its row numbers."""

    def __init__(self, whole: XarrayRows, start: int, stop: int) -> None:
        outer, inner = whole._sample_dims[0], math.prod(whole._sizes[1:])
        run = {outer: slice(start // inner, -(-stop // inner))}
        parts = [variable.isel(run) for variable in whole._variables]
        super().__init__(parts, whole._sample_dims, whole.dtype, describe=whole.describe)
        self.n_rows, self._first = whole.n_rows, start // inner * inner

    def open(self, values: Sequence[Any] = ()) -> Reader:
        return _Shifted(super().open(), self._first)


class _Shifted(Reader):
    def __init__(self, reader: Reader, first: int) -> None:
        self._reader, self._first = reader, first

    def read(self, start: int, stop: int, out: AnyArray | None = None) -> Any:
        return self._reader.read(start - self._first, stop - self._first, out)


class _XarrayReader(Reader):
    def __init__(
        self,
        variables: Sequence[Any],
        sample_dims: tuple[str, ...],
        widths: list[int],
        dtype: np.dtype[Any],
    ) -> None:
        self._variables, self._sample_dims, self._widths = variables, sample_dims, widths
        self._sizes = tuple(variables[0].sizes[dim] for dim in sample_dims)
        self._dtype = dtype

    def read(self, start: int, stop: int, out: AnyArray | None = None) -> AnyArray:
        boxes = list(boxes_of_rows(start, stop, self._sizes))
        if len(boxes) == len(self._variables) == 1:
            rows = self._values(self._variables[0], boxes[0]).reshape(stop - start, self._widths[0])
            plain = rows.flags.c_contiguous and rows.dtype == self._dtype
            shared = out is None or in_memory(self._variables[0])
            return rows if plain and shared else fill(out, rows, self._dtype)
        shape = stop - start, sum(self._widths)
        if out is None or out.shape != shape or out.dtype != self._dtype:
            out = np.empty(shape, self._dtype)
        columns = list(itertools.accumulate(self._widths, initial=0))
        row = 0
        for box in boxes:
            n = math.prod(part.stop - part.start for part in box)
            for j, variable in enumerate(self._variables):
                values = self._values(variable, box)
                out[row : row + n, columns[j] : columns[j + 1]] = values.reshape(n, self._widths[j])
            row += n
        return out

    def _values(self, variable: Any, box: tuple[slice, ...]) -> AnyArray:
        part = variable.isel(dict(zip(self._sample_dims, box, strict=True)))
        return loaded(part, self._sample_dims)


def boxes_of_rows(start: int, stop: int, sizes: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Cover rows of stacked dimensions with boxes, in order and without a row too many.

    Examples
    --------
    >>> list(boxes_of_rows(2, 8, (3, 4)))
    [(slice(0, 1, None), slice(2, 4, None)), (slice(1, 2, None), slice(0, 4, None))]
    """
    if len(sizes) == 1:
        yield (slice(start, stop),)
        return
    inner = math.prod(sizes[1:])
    row = start
    while row < stop:
        index, within = divmod(row, inner)
        if within == 0 and stop - row >= inner:
            whole = (stop - row) // inner
            yield (slice(index, index + whole), *(slice(0, size) for size in sizes[1:]))
            row += whole * inner
            continue
        end = min(inner, within + stop - row)
        for box in boxes_of_rows(within, end, sizes[1:]):
            yield (slice(index, index + 1), *box)
        row += end - within
