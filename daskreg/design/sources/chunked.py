"""Chunks that blocks cut, decoded once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Matrix

from .base import Reader, Rows, matrix_nbytes


def by_whole_chunks(rows: Rows, values: Sequence[Any] = ()) -> Reader:
    """Open rows, ``values`` being the results of their futures; chunks are decoded whole."""
    reader = rows.open(values)
    return _ChunkReader(reader, rows) if rows.row_chunks is not None else reader


class _ChunkReader(Reader):
    """Decodes a chunk once where it is cut into several blocks."""

    def __init__(self, reader: Reader, rows: Rows) -> None:
        self._reader = reader
        self._borders = np.concatenate([[0], np.cumsum(rows.row_chunks or ())])
        self._chunk: tuple[int, int, Matrix] | None = None
        self._cuts, self._nbytes = False, (0, 1)

    def read(self, start: int, stop: int, out: AnyArray | None = None) -> Matrix:
        at = int(np.searchsorted(self._borders, start, side="right")) - 1
        low, high = int(self._borders[at]), int(self._borders[at + 1])
        self._cuts = stop <= high and (start, stop) != (low, high)
        if not self._cuts:
            return self._reader.read(start, stop, out)
        if self._chunk is None or self._chunk[:2] != (low, high):
            self._chunk = None
            chunk = self._reader.read(low, high)
            self._chunk = low, high, chunk
            self._nbytes = self._reader.nbytes_read(chunk), max(1, matrix_nbytes(chunk))
        rows = self._chunk[2][start - low : stop - low]
        # A view would keep the whole chunk, while the next one is decoded beside it.
        if out is not None and out.shape == rows.shape and out.dtype == rows.dtype:
            out[...] = rows
            rows = out
        elif stop == high:
            rows = rows.copy()
        if stop == high:
            self._chunk = None
        return rows

    def nbytes_read(self, values: Matrix) -> int:
        if not self._cuts:
            return self._reader.nbytes_read(values)
        # A block's part of what its chunk took.
        read, size = self._nbytes
        return matrix_nbytes(values) * read // size

    def close(self) -> None:
        self._chunk = None
        self._reader.close()
