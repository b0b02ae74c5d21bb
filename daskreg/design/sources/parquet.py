"""A Parquet file or folder as named columns and as rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from daskreg._typing import AnyArray
from daskreg.exceptions import DataError

from .arrow import numpy_dtype
from .base import Reader, Rows, Table
from .checks import common_dtype, existing, need
from .parquet_reader import BATCH_NBYTES, COLUMN_NBYTES, ParquetReader
from .selected import describe

#: Row groups up to this many decoded bytes are worth a block border of their own.
SMALL_GROUP_NBYTES = 64 * 2**20


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
    """Chosen columns of Parquet files.

    Small row groups are decoded whole, column by column; large ones are streamed in order.

    Parameters
    ----------
    files : sequence of files with the lengths of their row groups
    columns : sequence of str
    dtype : numpy.dtype
        Of the blocks; every column is cast to it.
    first, n_rows : int
        Number of the first row of ``files`` and rows of the whole data, for a part of it.
    """

    libraries = ("pyarrow",)

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
        if small:
            self.decode_factor = 2.0
        else:
            self.reader_nbytes = 3 * BATCH_NBYTES + len(columns) * COLUMN_NBYTES
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

    @property
    def reads_columns(self) -> bool:
        return True

    def select(self, columns: AnyArray) -> Rows:
        """These columns are decoded alone."""
        names = tuple(self._columns[column] for column in columns)
        return ParquetRows(
            self._files, names, self.dtype, describe=describe(self, columns), first=self._first
        )

    def open(self, values: Sequence[Any] = ()) -> Reader:
        groups = [(file.path, i) for file in self._files for i in range(len(file.groups))]
        lengths = (length for file in self._files for length in file.groups)
        starts = list(accumulate(lengths, initial=self._first))
        return ParquetReader(groups, starts, self._columns, self.dtype)
