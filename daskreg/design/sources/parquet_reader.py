"""Decoding Parquet row groups into blocks, with little beside the block."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from daskreg._typing import AnyArray

from .arrow import column_values
from .base import Reader
from .columnwise import put_columns

#: Rows that are streamed at once, at most, and their bytes: few enough for the core's cache and
#: for memory, enough to amortise the call.
BATCH_ROWS = 16_384
BATCH_NBYTES = 8 * 2**20
#: What decoding holds of every column while streaming: a page, a dictionary, buffers.
COLUMN_NBYTES = 192 * 2**10
#: Bytes of columns that are decoded at once where row groups are read whole.
COLUMNS_NBYTES = 4 * 2**20
#: Bytes of a column chunk that are read ahead when streaming, at least and at most.
BUFFER_NBYTES = (2**14, 2**20)


class ParquetReader(Reader):
    """Reads whole row groups a few columns at a time, other runs of rows by streaming.

    A stream goes forward; going back or leaping starts it anew at a row group.

    Parameters
    ----------
    groups : sequence of (path, number within the file)
    starts : sequence of int
        First row of each group, and the row after the last one.
    columns : tuple of str
    dtype : numpy.dtype
    """

    def __init__(
        self,
        groups: Sequence[tuple[str, int]],
        starts: Sequence[int],
        columns: tuple[str, ...],
        dtype: np.dtype[Any],
    ) -> None:
        self._groups, self._starts = groups, starts
        self._columns, self._dtype = columns, dtype
        self._file: tuple[tuple[str, bool], Any] | None = None
        self._batches: Iterator[Any] = iter(())
        self._batch: Any = None
        self._position = -1

    def close(self) -> None:
        self._batches, self._batch, self._position = iter(()), None, -1
        self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            self._file[1].close()
            self._file = None

    def read(self, start: int, stop: int, out: AnyArray | None = None) -> AnyArray:
        shape = stop - start, len(self._columns)
        if self._dtype.kind == "U":
            pieces = self._strings(start, stop)
            return np.concatenate(pieces) if pieces else np.empty(shape, "U1")
        if out is None or out.shape != shape or out.dtype != self._dtype:
            out = np.empty(shape, self._dtype)
        first = bisect_right(self._starts, start) - 1
        last = bisect_right(self._starts, stop) - 1
        if start < stop and self._starts[first] == start and self._starts[last] == stop:
            self._read_groups(first, last, out)
        else:
            self._stream(start, stop, out)
        return out

    def _read_groups(self, first: int, last: int, out: AnyArray) -> None:
        self._position = -1  # a stream may lose its file
        zero = self._starts[first]
        for group in range(first, last):
            rows = out[self._starts[group] - zero : self._starts[group + 1] - zero]
            path, number = self._groups[group]
            file = self._open(path, whole=True)
            width = max(1, COLUMNS_NBYTES // max(1, 8 * len(rows)))
            for j in range(0, len(self._columns), width):
                names = list(self._columns[j : j + width])
                table = file.read_row_group(number, names, use_threads=False)
                chunks = (_one_chunk(table.column(name)) for name in names)
                columns = [
                    column_values(chunk, name, self._dtype, self._starts[group])
                    for chunk, name in zip(chunks, names, strict=True)
                ]
                put_columns(rows, j, columns)

    def _open(self, path: str, whole: bool = False) -> Any:
        """The file; ``whole``: column chunks are read in one go, since they are small."""
        import pyarrow.parquet as parquet

        if self._file is None or self._file[0] != (path, whole):
            self._close_file()
            low, high = BUFFER_NBYTES
            buffer = 0 if whole else min(high, max(low, 2**24 // len(self._columns)))
            # Arrow keeps what it has buffered before until the file is closed.
            file = parquet.ParquetFile(path, buffer_size=buffer, pre_buffer=False)
            self._file = (path, whole), file
        return self._file[1]

    def _stream(self, start: int, stop: int, out: AnyArray) -> None:
        done = 0
        for batch in self._walk(start, stop):
            rows = out[done : done + batch.num_rows]
            columns = [
                column_values(batch.column(name), name, self._dtype, start + done)
                for name in self._columns
            ]
            put_columns(rows, 0, columns)
            done += batch.num_rows

    def _strings(self, start: int, stop: int) -> list[AnyArray]:
        name, pieces = self._columns[0], []
        for batch in self._walk(start, stop):
            pieces.append(column_values(batch.column(0), name, self._dtype, start).reshape(-1, 1))
            start += batch.num_rows
        return pieces

    def _walk(self, start: int, stop: int) -> Iterator[Any]:
        """Yield record batches that hold the rows ``start:stop`` exactly."""
        if start != self._position:
            group = max(0, bisect_right(self._starts, start) - 1)
            self._batches, self._batch = self._decode(group), None
            for _ in self._take(start - self._starts[group]):
                pass
        self._position = -1
        yield from self._take(stop - start)
        self._position = stop

    def _take(self, n: int) -> Iterator[Any]:
        while n > 0:
            batch = self._batch if self._batch is not None else next(self._batches)
            used = min(n, batch.num_rows)
            self._batch = batch.slice(used) if used < batch.num_rows else None
            yield batch.slice(0, used)
            n -= used

    def _decode(self, group: int) -> Iterator[Any]:
        """Decode from one row group to the last one, a batch at a time."""
        while group < len(self._groups):
            path = self._groups[group][0]
            inside = [i for file, i in self._groups[group:] if file == path]
            file = self._open(path)
            size = max(1, BATCH_NBYTES // max(1, 8 * len(self._columns)))
            yield from file.iter_batches(
                min(BATCH_ROWS, size), inside, list(self._columns), use_threads=False
            )
            group += len(inside)


def _one_chunk(column: Any) -> Any:
    """A chunked column as one array; copied only where it has several chunks."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
