"""Rows of a numpy array in the memory of this process."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from daskreg._typing import AnyArray

from .base import Reader, Rows
from .checks import native_dtype
from .selected import SelectedColumns, describe, names_of, take_columns


class ArrayRows(Rows):
    """A resident array; blocks are views where it is C-contiguous, else copies of a few rows.

    Parameters
    ----------
    array : ndarray, shape (n, n_columns) or (n,)
        One dimension becomes one column.
    what : str
        For error messages.
    names : sequence of str or None
    labels : bool
        Whether strings are welcome.
    first, n_rows : int
        Number of the first row of ``array`` and rows of the whole data, for a part of it.

    Raises
    ------
    DataError
        The type is not one that blocks can hold.
    """

    resident = True

    def __init__(
        self,
        array: AnyArray,
        *,
        what: str = "numpy array",
        names: Sequence[str] | None = None,
        labels: bool = False,
        first: int = 0,
        n_rows: int | None = None,
    ) -> None:
        self._array = array.reshape(-1, 1) if array.ndim == 1 else array
        self._first = first
        self._columns: AnyArray | None = None
        self.describe = what
        self.dtype = native_dtype(array.dtype, what, labels=labels)
        self.n_rows = len(array) if n_rows is None else n_rows
        self.n_columns = self._array.shape[1]
        self.names = None if names is None else tuple(names)

    def cut(self, start: int, stop: int) -> Rows:
        """A view of these rows: its pickle holds no others."""
        rows = ArrayRows(
            self._array[start - self._first : stop - self._first],
            what=self.describe,
            labels=True,
            first=start,
            n_rows=self.n_rows,
        )
        return rows if self._columns is None else rows._only(self._columns)

    def select(self, columns: AnyArray) -> Rows:
        """These columns, taken out without a copy of whole rows."""
        return SelectedColumns(self._only(columns), None)

    def _only(self, columns: AnyArray) -> ArrayRows:
        rows = copy.copy(self)
        rows._columns, rows.n_columns = columns, len(columns)
        rows.names, rows.describe = names_of(self, columns), describe(self, columns)
        return rows

    @property
    def in_place(self) -> bool:
        array = self._array
        return self._columns is None and array.flags.c_contiguous and array.dtype == self.dtype

    def open(self, values: Sequence[Any] = ()) -> Reader:
        return _ArrayReader(self._array, self._first, self.dtype, self._columns)


class _ArrayReader(Reader):
    def __init__(
        self, array: AnyArray, first: int, dtype: np.dtype[Any], columns: AnyArray | None
    ) -> None:
        self._array, self._first, self._dtype, self._columns = array, first, dtype, columns

    def read(self, start: int, stop: int, out: AnyArray | None = None) -> AnyArray:
        rows = self._array[start - self._first : stop - self._first]
        if self._columns is not None:
            if rows.dtype != self._dtype:
                return fill(out, rows[:, self._columns], self._dtype)
            return np.asarray(take_columns(rows, self._columns, out))
        if rows.flags.c_contiguous and rows.dtype == self._dtype:
            return rows
        if self._dtype.kind == "U":
            return np.ascontiguousarray(rows.astype(self._dtype, copy=False))
        return fill(out, rows, self._dtype)


def fill(out: AnyArray | None, rows: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    """Copy rows into ``out``, where it fits them, else into a new C-contiguous array."""
    if out is None or out.shape != rows.shape or out.dtype != dtype:
        out = np.empty(rows.shape, dtype)
    out[...] = rows
    return out
