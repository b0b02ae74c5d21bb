"""Rows of one raw file of numbers, read by position and never mapped."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from daskreg._typing import AnyArray
from daskreg.exceptions import DataError

from .base import Reader, Rows
from .checks import native_dtype
from .selected import describe, names_of

#: Columns of a column-major file that are read before they are turned into rows.
COLUMNS_AT_ONCE = 64


class RawRows(Rows):
    """Rows of a region of a file; a pickle holds the file's name and the region's place.

    Mapped pages would count as memory of the process, so the bytes are read by ``preadv`` into a
    buffer that the caller may hand in.

    Parameters
    ----------
    path : str
        Absolute path, the same on every worker.
    dtype : dtype
        As stored, of either byte order.
    n_rows, n_columns : int
    offset : int
        Bytes before the first element of the region.
    column_stride : int or None
        None: rows lie one after another.  Else the columns do, and this is the bytes from the
        start of one to the start of the next.
    labels : bool
        Whether strings are welcome.

    Raises
    ------
    DataError
        The type is not one that blocks can hold, or the file is shorter than the region.
    """

    def __init__(
        self,
        path: str,
        dtype: Any,
        n_rows: int,
        n_columns: int,
        *,
        offset: int = 0,
        column_stride: int | None = None,
        labels: bool = False,
    ) -> None:
        self.path, self._offset, self._column_stride = path, offset, column_stride
        self.describe = f"file {os.path.basename(path)}"
        self._stored = np.dtype(dtype)
        self.dtype = native_dtype(self._stored, self.describe, labels=labels)
        self.n_rows: int = n_rows
        self.n_columns = n_columns
        self.plain_file = path if column_stride is None else None
        self._columns: AnyArray = np.arange(n_columns)
        self._set_decode_factor()
        self._check_size()

    def _set_decode_factor(self) -> None:
        if self._column_stride is not None:
            self.decode_factor = 1.0 + min(1.0, self._columns_at_once() / max(1, self.n_columns))

    @property
    def reads_columns(self) -> bool:
        return self._column_stride is not None

    def select(self, columns: AnyArray) -> Rows | None:
        """Where columns lie one after another, these are read alone."""
        if self._column_stride is None:
            return None
        rows = copy.copy(self)
        rows._columns, rows.n_columns = self._columns[columns], len(columns)
        rows.names, rows.describe = names_of(self, columns), describe(self, columns)
        rows._set_decode_factor()
        return rows

    def _check_size(self) -> None:
        size = self.dtype.itemsize
        if self._column_stride is None:
            extent = self.n_rows * self.n_columns * size
        else:
            extent = (self.n_columns - 1) * self._column_stride + self.n_rows * size
        expected, found = self._offset + max(0, extent), os.path.getsize(self.path)
        if found < expected:
            raise DataError(
                f"{self.path} is truncated: expected {expected} bytes for {self.n_rows} rows of "
                f"{self.n_columns} {self.dtype} columns, found {found}; copy or write it again"
            )

    def _columns_at_once(self) -> int:
        return max(1, min(COLUMNS_AT_ONCE, self.n_columns // 8))

    def open(self, values: Sequence[Any] = ()) -> Reader:
        if self._column_stride is None:
            return _RowMajorReader(self)
        return _ColumnMajorReader(self)


class _RawReader(Reader):
    """The open file."""

    _file: int | None = None

    def __init__(self, rows: RawRows) -> None:
        self._rows = rows
        try:
            self._file = os.open(rows.path, os.O_RDONLY)
        except OSError as error:
            raise DataError(
                f"{rows.path} cannot be opened any more: {error.strerror}; was it moved or removed "
                "after the plan was made?"
            ) from error

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __del__(self) -> None:
        self.close()

    def _buffer(self, n_rows: int, out: AnyArray | None) -> AnyArray:
        rows = self._rows
        shape = n_rows, rows.n_columns
        if out is not None and out.shape == shape and out.dtype == rows.dtype:
            return out
        return np.empty(shape, rows.dtype)

    def _fill(self, target: AnyArray, position: int) -> None:
        """Read bytes from ``position`` until the C-contiguous ``target`` is full."""
        view: Any = target.reshape(-1).view(np.uint8).data
        done = 0
        while done < len(view):
            assert self._file is not None, "the reader is closed"
            count = os.preadv(self._file, [view[done:]], position + done)
            if count == 0:
                path, found = self._rows.path, os.path.getsize(self._rows.path)
                raise DataError(
                    f"{path} is truncated: expected {position + len(view)} bytes or more, found "
                    f"{found}; it was cut short after it was opened"
                )
            done += count

    def _to_native(self, block: AnyArray) -> AnyArray:
        if self._rows._stored != self._rows.dtype:
            block.byteswap(inplace=True)
        return block


class _RowMajorReader(_RawReader):
    def read(self, start: int, stop: int, out: AnyArray | None = None) -> AnyArray:
        rows = self._rows
        block = self._buffer(stop - start, out)
        self._fill(block, rows._offset + start * rows.n_columns * rows.dtype.itemsize)
        return self._to_native(block)


class _ColumnMajorReader(_RawReader):
    def read(self, start: int, stop: int, out: AnyArray | None = None) -> AnyArray:
        rows = self._rows
        assert rows._column_stride is not None
        block = self._buffer(stop - start, out)
        pieces = np.empty((rows._columns_at_once(), stop - start), rows.dtype)
        for first in range(0, rows.n_columns, len(pieces)):
            some = pieces[: rows.n_columns - first]
            for column, piece in zip(rows._columns[first:].tolist(), some, strict=False):
                position = rows._offset + column * rows._column_stride
                self._fill(piece, position + start * rows.dtype.itemsize)
            block[:, first : first + len(some)] = some.T
        return self._to_native(block)
