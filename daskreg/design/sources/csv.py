"""A CSV file as named columns and as rows, a part of the file at a time."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from daskreg._typing import AnyArray
from daskreg.exceptions import DataError

from .base import Reader, Rows, Table
from .checks import STRING, common_dtype, existing, need
from .csv_parts import CsvFile

#: Compressed bytes have no borders to cut at: such a file is one part.
COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
#: Rows that types are inferred from.
ROWS_INFERRED = 10_000
#: Bytes of text that are parsed at once.
PART_NBYTES = 8 * 2**20
#: Memory that parsing takes, over the bytes of the text.
PARSE_FACTOR = 6
#: Text, over its bytes when compressed.
COMPRESSED_FACTOR = 5


class CsvTable(Table):
    """Columns of a ``.csv`` or ``.tsv`` file with a header line; compressed ones are one part.

    The header and the first rows are read here, for names and types: integer, float, bool or
    string.  The number of rows is unknown until every part was read.

    Parameters
    ----------
    path : path
        ``.csv`` or ``.tsv``, also followed by ``.gz``, ``.bz2``, ``.xz`` or ``.zst``.
    part_nbytes : int
        Bytes of text that are parsed at once.

    Raises
    ------
    DataError
        No such file, an empty one, or one without a header line.
    MissingDependencyError
        pandas is absent.
    """

    def __init__(self, path: str | os.PathLike[str], *, part_nbytes: int = PART_NBYTES) -> None:
        pandas = need("pandas", "dataframe", f"reading {path}")
        file = existing(path)
        self.describe = f"csv {file.name}"
        separator = "\t" if ".tsv" in file.suffixes else ","
        try:
            head = pandas.read_csv(file, sep=separator, nrows=ROWS_INFERRED, index_col=False)
        except (ValueError, OSError) as error:
            raise DataError(f"{file} cannot be read as a table: {error}") from error
        self.columns = tuple(map(str, head.columns))
        self._refuse_numbers_as_header(str(file))
        self._dtypes = dict(zip(self.columns, map(_inferred, head.dtypes), strict=True))
        whole = file.suffix in COMPRESSED
        texts = [name for name, dtype in self._dtypes.items() if dtype == STRING]
        size = None if whole else part_nbytes
        has_gaps = bool(head.isna().any(axis=None))
        self._file = CsvFile(str(file), separator, self.columns, size, texts, has_gaps)

    def _refuse_numbers_as_header(self, path: str) -> None:
        # pandas numbers unnamed columns 0, 1, 2 ... and marks repeated names with ".1".
        if all(re.fullmatch(r"[-+]?(\d+\.\d*|\.\d+)(e[-+]?\d+)?(\.\d+)?", c) for c in self.columns):
            raise DataError(
                f"{path} has no header line: the first one reads {', '.join(self.columns[:4])}; "
                "add a line with the names of the columns"
            )

    def rows(self, columns: Sequence[str]) -> Rows:
        self.require(columns)
        types = [self._dtypes[name] for name in columns]
        dtype = common_dtype(types, columns, self.describe)
        # A later part may hold fractions where the first rows hold integers.
        dtype = dtype if len(columns) == 1 else np.dtype(np.float64)
        self._file.want(columns)
        return CsvRows(self._file, tuple(columns), dtype, describe=self.describe)


def _inferred(dtype: Any) -> np.dtype[Any]:
    return np.dtype(dtype) if getattr(dtype, "kind", "O") in "biuf" else STRING


class CsvRows(Rows):
    """Chosen columns of a CSV file; of several columns all are float64.

    A lone column keeps the type of its first rows, so that labels stay labels.
    """

    decode_factor = 3.0
    libraries = ("pandas",)
    n_rows = None

    def __init__(
        self, file: CsvFile, columns: tuple[str, ...], dtype: np.dtype[Any], *, describe: str
    ) -> None:
        self._file = file
        self.names, self.n_columns, self.dtype = columns, len(columns), dtype
        self._columns, self.describe = columns, describe
        self.n_parts = file.n_parts
        self.reader_nbytes = PARSE_FACTOR * file.largest_part(COMPRESSED_FACTOR)

    def open(self, values: Sequence[Any] = ()) -> Reader:
        raise DataError(
            f"{self.describe}: the number of rows is unknown; its parts are read and counted first"
        )

    def read_part(self, part: int) -> AnyArray:
        """Parse one part, shape (its rows, n_columns).

        Raises
        ------
        DataError
            Names the file, the column and the line of a value that does not parse.
        """
        values = self._file.parse(part, self._columns, self.dtype)
        return np.asarray(values, dtype=np.str_) if self.dtype.kind == "U" else values
