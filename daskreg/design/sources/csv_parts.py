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

from .columnwise import put_columns

#: Rows that are parsed together: each frame costs as much as some hundred rows, and their values
#: are to stay in the cache.
ROWS_PARSED = 8192
#: Bytes of text that are asked of the file at once.
READ_NBYTES = 2**18
QUOTE = b'"'

_parsed = threading.local()


class _Lines(io.RawIOBase):
    """Bytes ``start`` to ``stop`` of a file, and how many double quotes were among them."""

    def __init__(self, path: str, start: int, stop: int) -> None:
        self.stop, self.n_quotes = stop, 0
        self._left = stop - start
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115
        self._file.seek(start)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        wanted = memoryview(buffer)[: self._left]
        n_read = self._file.readinto(wanted)
        self._left -= n_read
        found = wanted[:n_read].tobytes()
        if QUOTE in found:  # to look for one is several times as fast as to count them
            self.n_quotes += found.count(QUOTE)
        return n_read

    def close(self) -> None:
        self._file.close()
        super().close()


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
    has_gaps : bool
        Whether values are known to be missing.
    """

    def __init__(
        self,
        path: str,
        separator: str,
        columns: tuple[str, ...],
        part_nbytes: int | None,
        texts: Collection[str] = (),
        has_gaps: bool = False,
    ) -> None:
        self._texts = frozenset(texts)
        self.path, self._separator, self._columns = path, separator, columns
        self._part_nbytes = part_nbytes
        self._size = os.path.getsize(path)
        self.n_parts = 1 if part_nbytes is None else max(1, -(-self._size // part_nbytes))
        self._wanted: dict[str, None] = {}
        self._has_gaps = has_gaps

    def largest_part(self, compressed_factor: int) -> int:
        """Bytes of text parsed at once, guessed where it is compressed."""
        if self._part_nbytes is None:
            return self._size * compressed_factor
        return min(self._size, self._part_nbytes)

    def want(self, columns: Sequence[str]) -> None:
        """Parse these too, whenever a part is parsed."""
        self._wanted.update(dict.fromkeys(columns))

    def parse(self, part: int, columns: tuple[str, ...], dtype: np.dtype[Any]) -> AnyArray:
        """Values of the columns in one part, shape (its rows, n_columns), type ``dtype``.

        Labels (a ``dtype`` of kind "U") come as objects, each the text that it is.

        Raises
        ------
        DataError
            A value that does not parse, or a quoted line break where the file was cut.
        """
        frames = self._frames(part, columns)
        out = np.empty((sum(map(len, frames)), len(columns)), "O" if dtype.kind == "U" else dtype)
        if dtype.kind == "f" and _are_numbers(frames, "f"):
            start = 0
            for frame in frames:
                out[start : start + len(frame)] = frame.to_numpy()
                start += len(frame)
            return out
        put_columns(out, 0, [self._values(frames, name, part, dtype) for name in columns])
        return out

    def _frames(self, part: int, columns: tuple[str, ...]) -> list[Any]:
        key = self.path, os.stat(self.path).st_mtime_ns, part, self._part_nbytes
        held: tuple[Any, list[Any]] | None = getattr(_parsed, "last", None)
        if held is None or held[0] != key or not set(columns) <= set(held[1][0].columns):
            held = _parsed.last = None
            held = key, self._read(part, [*dict.fromkeys((*self._wanted, *columns))])
        chosen = list(columns)
        if chosen == list(held[1][0].columns):
            _parsed.last = None
            return held[1]
        left = [frame.drop(columns=chosen) for frame in held[1]]
        _parsed.last = (key, left) if left[0].shape[1] else None
        return [frame[chosen] for frame in held[1]]

    def _read(self, part: int, columns: list[str]) -> list[Any]:
        """Frames of some rows each, with the types that pandas infers from these rows alone.

        No value is looked up among the words for missing ones, a tenth of the work, before one is
        not a number.
        """
        frames = None
        if not self._has_gaps and not self._texts.intersection(columns):
            frames = self._read_csv(part, columns, only_numbers=True)
            self._has_gaps = frames is None
        if frames is None:
            frames = self._read_csv(part, columns, only_numbers=False)
        return frames or [_no_rows(columns)]

    def _read_csv(self, part: int, columns: list[str], *, only_numbers: bool) -> list[Any] | None:
        """Frames, or None as soon as one holds a gap or a text where only numbers are wanted."""
        import pandas

        start, stop = self._range(part)
        lines = _Lines(self.path, start, stop)
        names = {} if part == 0 else {"names": list(self._columns), "header": None}
        whole = self._part_nbytes is None
        frames = []
        try:
            with pandas.read_csv(
                self.path if whole else io.BufferedReader(lines, READ_NBYTES),
                sep=self._separator,
                usecols=None if len(columns) == len(self._columns) else columns,
                index_col=False,
                dtype=dict.fromkeys(self._texts.intersection(columns), str),
                chunksize=ROWS_PARSED,
                na_filter=not only_numbers,
                low_memory=not only_numbers,
                **names,
            ) as chunks:
                for frame in chunks:
                    if only_numbers and not _are_numbers([frame], "biuf"):
                        return None
                    frames.append(frame)
        except pandas.errors.EmptyDataError:
            pass
        except (ValueError, OSError, EOFError) as error:
            self._refuse_cut_quotes(lines)
            raise DataError(
                f"{self.path}: {error} (lines are counted from line {self.first_line(part)})"
            ) from error
        finally:
            lines.close()
        self._refuse_cut_quotes(lines)
        return frames

    def _refuse_cut_quotes(self, lines: _Lines) -> None:
        # A cut inside quotes leaves a quote without its partner before it.
        if self.n_parts > 1 and lines.n_quotes % 2:
            raise DataError(
                f"{self.path}: a quoted value runs over a line end near byte {lines.stop}; the "
                "file is read in parts cut at line ends: remove line breaks inside quotes, "
                "compress the file, or convert it to Parquet"
            )

    def _range(self, part: int) -> tuple[int, int]:
        """Bytes of the lines that begin in this part."""
        if self._part_nbytes is None:
            return 0, 0
        with open(self.path, "rb") as stream:
            start = self._next_line(stream, part * self._part_nbytes)
            return start, self._next_line(stream, (part + 1) * self._part_nbytes)

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
        with io.BufferedReader(_Lines(self.path, 0, self._range(part)[0]), READ_NBYTES) as text:
            return 1 + sum(
                piece.count(b"\n") for piece in iter(lambda: text.read(READ_NBYTES), b"")
            )

    def _values(self, frames: list[Any], name: str, part: int, dtype: np.dtype[Any]) -> AnyArray:
        import pandas

        column = pandas.concat([frame[name] for frame in frames], ignore_index=True)
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


def _no_rows(columns: list[str]) -> Any:
    import pandas

    return pandas.DataFrame({name: np.empty(0) for name in columns})


def _are_numbers(frames: list[Any], kinds: str) -> bool:
    return all(dtype.kind in kinds for frame in frames for dtype in frame.dtypes)
