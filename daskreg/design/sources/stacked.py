"""Several sources, one below the other, as one matrix."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Matrix
from daskreg.exceptions import DataError

from .base import Reader, Rows
from .checks import STRING
from .memory import fill
from .npy import npy_rows


class SpooledRows(Rows):
    """The rows of several parts, in order.

    Parameters
    ----------
    parts : sequence of Rows
        Each of known length, with the same columns; strings may differ in width.
    describe : str
    first : int
        Number of the first row of the first part.
    n_rows : int or None
        Rows of the whole data; None: those of ``parts``.

    Raises
    ------
    DataError
        Parts with different columns or types.
    """

    def __init__(
        self,
        parts: Sequence[Rows],
        *,
        describe: str = "spooled rows",
        first: int = 0,
        n_rows: int | None = None,
    ) -> None:
        if not parts:
            raise DataError(f"{describe}: there is no part")
        self._parts, self.describe = tuple(parts), describe
        lengths = [part.n_rows or 0 for part in parts]
        self._starts = tuple(accumulate(lengths, initial=first))
        self.n_rows: int = self._starts[-1] if n_rows is None else n_rows
        self.n_columns, self.dtype = parts[0].n_columns, parts[0].dtype
        self.names = parts[0].names
        self.decode_factor = max(part.decode_factor for part in parts)
        self.resident = all(part.resident for part in parts)
        if self.dtype.kind == "U":
            self.dtype = STRING
        self._check()

    def _check(self) -> None:
        for number, part in enumerate(self._parts):
            same = part.dtype == self.dtype or part.dtype.kind == self.dtype.kind == "U"
            if part.n_columns != self.n_columns or not same:
                raise DataError(
                    f"{self.describe}: part {number} ({part.describe}) has {part.n_columns} "
                    f"columns of {part.dtype}; expected {self.n_columns} of {self.dtype}"
                )

    def cut(self, start: int, stop: int) -> Rows:
        """Only the parts that hold these rows."""
        low = max(0, bisect_right(self._starts, start) - 1)
        high = low + 1
        while high < len(self._parts) and self._starts[high] < stop:
            high += 1
        return SpooledRows(
            self._parts[low:high],
            describe=self.describe,
            first=self._starts[low],
            n_rows=self.n_rows,
        )

    def open(self, values: Sequence[Any] = ()) -> Reader:
        return _StackedReader(self._parts, self._starts, self.n_columns, self.dtype)


def spooled_rows(
    paths: Iterable[str | os.PathLike[str]], *, describe: str = "spooled rows", labels: bool = True
) -> SpooledRows:
    """Rows of several ``.npy`` files, in the given order; only their headers are read here."""
    return SpooledRows([npy_rows(path, labels=labels) for path in paths], describe=describe)


class _StackedReader(Reader):
    """Keeps the part it read last open."""

    def __init__(
        self, parts: Sequence[Rows], starts: Sequence[int], n_columns: int, dtype: np.dtype[Any]
    ) -> None:
        self._parts, self._starts = parts, starts
        self._n_columns, self._dtype = n_columns, dtype
        self._open: tuple[int, Reader] | None = None

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def read(self, start: int, stop: int, out: AnyArray | None = None) -> Matrix:
        spans = self._spans(start, stop)
        if len(spans) == 1:
            part, low, high = spans[0]
            return self._reader(part).read(low, high, out)
        if self._dtype.kind == "U":
            pieces = [self._reader(part).read(low, high) for part, low, high in spans]
            return np.concatenate(pieces) if pieces else np.empty((0, self._n_columns), "U1")
        return self._join(spans, stop - start, out)

    def _join(self, spans: list[tuple[int, int, int]], n: int, out: AnyArray | None) -> AnyArray:
        shape = n, self._n_columns
        if out is None or out.shape != shape or out.dtype != self._dtype:
            out = np.empty(shape, self._dtype)
        done = 0
        for part, low, high in spans:
            window = out[done : done + high - low]
            piece = self._reader(part).read(low, high, window)
            if piece is not window:
                fill(window, piece, self._dtype)
            done += high - low
        return out

    def _spans(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """Part, first row and last row + 1 within it, for every part that rows come from."""
        spans = []
        part = max(0, bisect_right(self._starts, start) - 1)
        while start < stop and part < len(self._parts):
            end = min(stop, self._starts[part + 1])
            if end > start:
                spans.append((part, start - self._starts[part], end - self._starts[part]))
            start, part = max(start, end), part + 1
        return spans

    def _reader(self, part: int) -> Reader:
        if self._open is None or self._open[0] != part:
            self.close()
            self._open = part, self._parts[part].open()
        return self._open[1]
