"""Cutting a CSV file at line ends, parsing a part once for X and y, and finding bad values."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from daskreg._typing import AnyArray
from daskreg.exceptions import DataError

_parsed = threading.local()


class CsvFile:
    """A file, the parts it is read in and the columns anyone asked for.

    A part is parsed once for all columns that were asked for; each is handed out once, so that
    nothing stays behind when X and y both have theirs.

    Parameters
    ----------
    path, separator : str
    columns : tuple of str
        All columns, in the order of the file.
    part_nbytes : int or None
        None: one part.
    texts : collection of str
        Columns whose values stay the text that they are.
    """

    def __init__(
        self,
        path: str,
        separator: str,
        columns: tuple[str, ...],
        part_nbytes: int | None,
        texts: Collection[str] = (),
    ) -> None:
        self._texts = frozenset(texts)
        self.path, self._separator, self._columns = path, separator, columns
        self._part_nbytes = part_nbytes
        self._size = os.path.getsize(path)
        self.n_parts = 1 if part_nbytes is None else max(1, -(-self._size // part_nbytes))
        self._wanted: dict[str, None] = {}

    def largest_part(self, compressed_factor: int) -> int:
        """Bytes of text parsed at once, guessed where it is compressed."""
        if self._part_nbytes is None:
            return self._size * compressed_factor
        return min(self._size, self._part_nbytes)

    def want(self, columns: Sequence[str]) -> None:
        """Parse these too, whenever a part is parsed."""
        self._wanted.update(dict.fromkeys(columns))

    def parse(self, part: int, columns: tuple[str, ...], dtype: np.dtype[Any]) -> list[AnyArray]:
        """Values of the columns in one part, as type ``dtype`` or, for strings, as objects.

        Raises
        ------
        DataError
            A value that does not parse, or a quoted line break where the file was cut.
        """
        frame = self._frame(part, columns)
        return [self._values(frame.pop(name), name, part, dtype) for name in columns]

    def _frame(self, part: int, columns: tuple[str, ...]) -> dict[str, Any]:
        key = self.path, os.stat(self.path).st_mtime_ns, part, self._part_nbytes
        held: tuple[Any, dict[str, Any]] | None = getattr(_parsed, "last", None)
        if held is None or held[0] != key or not set(columns) <= set(held[1]):
            held = _parsed.last = None
            held = key, self._read(part, [*dict.fromkeys((*self._wanted, *columns))])
        left = {name: column for name, column in held[1].items() if name not in columns}
        _parsed.last = (key, left) if left else None
        return {name: held[1][name] for name in columns}

    def _read(self, part: int, columns: list[str]) -> dict[str, Any]:
        """Columns as pandas infers them from this part alone."""
        import pandas

        names = {} if part == 0 else {"names": list(self._columns), "header": None}
        source: Any = self.path if self._part_nbytes is None else io.BytesIO(self._text(part))
        try:
            frame = pandas.read_csv(
                source,
                sep=self._separator,
                usecols=columns,
                index_col=False,
                low_memory=False,
                dtype=dict.fromkeys(self._texts.intersection(columns), str),
                **names,
            )
        except pandas.errors.EmptyDataError:
            frame = pandas.DataFrame({name: np.empty(0) for name in columns})
        except (ValueError, OSError, EOFError) as error:
            raise DataError(
                f"{self.path}: {error} (lines are counted from line {self.first_line(part)})"
            ) from error
        return {name: frame[name] for name in columns}

    def _text(self, part: int) -> bytes:
        """The lines that begin in this part."""
        assert self._part_nbytes is not None
        with open(self.path, "rb") as stream:
            start = self._next_line(stream, part * self._part_nbytes)
            stop = self._next_line(stream, (part + 1) * self._part_nbytes)
            stream.seek(start)
            text = stream.read(max(0, stop - start))
        # A cut inside quotes leaves a quote without its partner before it.
        if self.n_parts > 1 and text.count(b'"') % 2:
            raise DataError(
                f"{self.path}: a quoted value runs over a line end near byte {stop}; the file is "
                "read in parts cut at line ends: remove line breaks inside quotes, compress the "
                "file, or convert it to Parquet"
            )
        return text

    def _next_line(self, stream: io.BufferedReader, position: int) -> int:
        if position == 0:
            return 0
        stream.seek(position - 1)
        stream.readline()
        return stream.tell()

    def first_line(self, part: int) -> int:
        """Number of the first line of values in a part, the header being line 1."""
        if part == 0:
            return 2
        return 1 + sum(self._text(before).count(b"\n") for before in range(part))

    def _values(self, column: Any, name: str, part: int, dtype: np.dtype[Any]) -> AnyArray:
        if dtype.kind == "U":
            self._refuse_missing(column, name, part, "a label")
            return np.asarray(column.astype(str), dtype=object)
        if column.dtype.kind not in "biuf":
            self._refuse_text(column, name, part, dtype)
        if dtype.kind == "f":
            return np.asarray(column, dtype=dtype)
        if column.dtype.kind == "f":
            self._refuse_missing(column, name, part, f"a value of type {dtype}")
        values = np.asarray(column)
        changed = np.flatnonzero(values.astype(dtype) != values)
        if changed.size:
            raise self._bad(column, int(changed[0]), name, part, dtype)
        return values.astype(dtype)

    def _refuse_missing(self, column: Any, name: str, part: int, expected: str) -> None:
        missing = np.flatnonzero(column.isna())
        if missing.size:
            line = self.first_line(part) + int(missing[0])
            raise DataError(
                f"{self.path}, line {line}: column {name!r} is empty; expected {expected}"
            )

    def _refuse_text(self, column: Any, name: str, part: int, dtype: np.dtype[Any]) -> None:
        import pandas

        wrong = pandas.to_numeric(column, errors="coerce").isna() & column.notna()
        for row in np.flatnonzero(wrong)[:1]:
            raise self._bad(column, int(row), name, part, dtype)

    def _bad(self, column: Any, row: int, name: str, part: int, dtype: np.dtype[Any]) -> DataError:
        value = column.iloc[row]
        return DataError(
            f"{self.path}, line {self.first_line(part) + row}: column {name!r} holds {value!r}, "
            f"which is not of type {dtype} as in the first rows of the file; correct it, or give "
            "the column one type"
        )
