"""A Parquet file or folder as named columns and as rows."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from daskreg._typing import AnyArray
from daskreg.exceptions import DataError

from .arrow import column_values, numpy_dtype
from .base import Reader, Rows, Table
from .checks import common_dtype, existing, need

#: Rows that are decoded at once: few enough for the core's cache, enough to amortise the call.
BATCH_ROWS = 16_384
#: Row groups up to this many decoded bytes are worth a block border of their own.
SMALL_GROUP_NBYTES = 64 * 2**20
#: Bytes of a column chunk that are read ahead, at least and at most.
BUFFER_NBYTES = (2**14, 2**20)


@dataclass(frozen=True, slots=True)
class _File:
    """A file and the lengths of its row groups."""

    path: str
    groups: tuple[int, ...]


class ParquetTable(Table):
    """Columns of a ``.parquet`` file, or of all such files of a folder in order of their names.

    Only footers are read here.  Parts of a path such as ``year=2020`` are not columns.

    Raises
    ------
    DataError
        No file, or files whose columns or types differ.
    MissingDependencyError
        pyarrow is absent.
    """

    _schema: Any

    def __init__(self, path: str | os.PathLike[str]) -> None:
        parquet = need("pyarrow.parquet", "parquet", f"reading {path}")
        found = existing(path)
        self.describe = f"parquet {found.name}"
        self._schema = None  # of the first file; the others must have the same
        self._files = tuple(self._footer(parquet, file) for file in _files(found))
        names: list[str] = self._schema.names
        self.columns = tuple(n for n in names if not n.startswith("__index_level_"))

    def _footer(self, parquet: Any, file: Path) -> _File:
        try:
            footer = parquet.read_metadata(file)
        except (OSError, ValueError) as error:
            raise DataError(f"{file} is not a readable Parquet file: {error}") from error
        schema = footer.schema.to_arrow_schema().remove_metadata()
        if self._schema is None:
            self._schema = schema
        elif not self._schema.equals(schema):
            differ = sorted({f.name for f in set(self._schema) ^ set(schema)})
            raise DataError(
                f"{file} has other columns or types than the first file of {self.describe}: "
                f"{', '.join(differ[:8])}; write them alike"
            )
        groups = range(footer.num_row_groups)
        return _File(str(file), tuple(footer.row_group(i).num_rows for i in groups))

    def rows(self, columns: Sequence[str]) -> Rows:
        self.require(columns)
        types = [numpy_dtype(self._schema.field(c).type, c, self.describe) for c in columns]
        dtype = common_dtype(types, columns, self.describe)
        return ParquetRows(self._files, tuple(columns), dtype, describe=self.describe)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    inside = (file.relative_to(path) for file in path.rglob("*.parquet") if file.is_file())
    files = sorted(file for file in inside if not file.name.startswith(("_", ".")))
    if not files:
        raise DataError(f"the folder {path} holds no .parquet files")
    return [path / file for file in files]


class ParquetRows(Rows):
    """Chosen columns of Parquet files; decoded in runs of some thousand rows, in order.

    Parameters
    ----------
    files : sequence of files with the lengths of their row groups
    columns : sequence of str
    dtype : numpy.dtype
        Of the blocks; every column is cast to it.
    first, n_rows : int
        Number of the first row of ``files`` and rows of the whole data, for a part of it.
    """

    #: Compressed and decoded pages of a batch of every column, beside the block.
    decode_factor = 2.0

    def __init__(
        self,
        files: Sequence[_File],
        columns: tuple[str, ...],
        dtype: np.dtype[Any],
        *,
        describe: str,
        first: int = 0,
        n_rows: int | None = None,
    ) -> None:
        self._files, self._columns, self._first = tuple(files), columns, first
        self.names, self.n_columns, self.dtype = columns, len(columns), dtype
        self.describe = describe
        groups = [length for file in files for length in file.groups]
        self.n_rows: int = sum(groups) if n_rows is None else n_rows
        small = max(groups, default=0) * self.row_nbytes <= SMALL_GROUP_NBYTES
        if small and sum(groups) == self.n_rows:
            self.row_chunks = tuple(length for length in groups if length)

    def cut(self, start: int, stop: int) -> Rows:
        """Only the files that hold these rows."""
        starts = list(accumulate((sum(f.groups) for f in self._files), initial=self._first))
        keep = [i for i in range(len(self._files)) if starts[i] < stop and starts[i + 1] > start]
        low, high = (keep[0], keep[-1] + 1) if keep else (0, 1)
        return ParquetRows(
            self._files[low:high],
            self._columns,
            self.dtype,
            describe=self.describe,
            first=starts[low],
            n_rows=self.n_rows,
        )

    def open(self, values: Sequence[Any] = ()) -> Reader:
        return _ParquetReader(self._files, self._columns, self.dtype, self._first)


class _ParquetReader(Reader):
    """Walks the row groups forward; going back or leaping starts anew at a row group."""

    def __init__(
        self, files: Sequence[_File], columns: tuple[str, ...], dtype: np.dtype[Any], first: int
    ) -> None:
        self._columns, self._dtype = columns, dtype
        self._groups = [(file.path, i) for file in files for i in range(len(file.groups))]
        lengths = (length for file in files for length in file.groups)
        self._starts = list(accumulate(lengths, initial=first))
        self._batches: Iterator[Any] = iter(())
        self._batch: Any = None
        self._position = -1

    def close(self) -> None:
        self._batches, self._batch, self._position = iter(()), None, -1

    def read(self, start: int, stop: int, out: AnyArray | None = None) -> AnyArray:
        shape = stop - start, len(self._columns)
        if self._dtype.kind == "U":
            pieces = [self._strings(batch) for batch in self._walk(start, stop)]
            return np.concatenate(pieces) if pieces else np.empty(shape, "U1")
        if out is None or out.shape != shape or out.dtype != self._dtype:
            out = np.empty(shape, self._dtype)
        done = 0
        for batch in self._walk(start, stop):
            rows = out[done : done + batch.num_rows]
            for j, name in enumerate(self._columns):
                rows[:, j] = column_values(batch.column(j), name, self._dtype)
            done += batch.num_rows
        return out

    def _strings(self, batch: Any) -> AnyArray:
        return column_values(batch.column(0), self._columns[0], self._dtype).reshape(-1, 1)

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
        import pyarrow.parquet as parquet

        low, high = BUFFER_NBYTES
        buffer = min(high, max(low, 2**24 // len(self._columns)))
        while group < len(self._groups):
            path = self._groups[group][0]
            inside = [i for file, i in self._groups[group:] if file == path]
            with parquet.ParquetFile(path, buffer_size=buffer, pre_buffer=False) as file:
                yield from (
                    batch.select(self._columns)
                    for batch in file.iter_batches(
                        BATCH_ROWS, inside, list(self._columns), use_threads=False
                    )
                )
            group += len(inside)
