"""A function of rows, with what is needed to check its input and to shape its output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from daskreg.exceptions import DataError

#: Rows are handed over in runs of about these bytes, so that what is made of them stays small.
RUN_NBYTES = 64 * 2**20


class Runs(Protocol):
    """Rows that come in runs, in order; ``n_rows`` is None where only reading them tells."""

    n_rows: int | None
    n_columns: int

    def __iter__(self) -> Iterator[Any]: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Call:
    """What ``map_rows`` was asked to do, whatever X is.

    Attributes
    ----------
    function : callable
        Of a run of rows, and of the offset of that run where there is one.
    width : int or None
        Columns of the result; None: it is one-dimensional.
    dtype : numpy.dtype
    n_features : int
    offset : array or None
    """

    function: Callable[..., Any]
    width: int | None
    dtype: np.dtype[Any]
    n_features: int
    offset: Any = None

    def check_width(self, n_columns: int) -> None:
        """Raise ``DataError`` for another number of columns than ``n_features``."""
        if n_columns != self.n_features:
            raise DataError(f"X has {n_columns} features; expected {self.n_features}")

    def host_offset(self, n_rows: int | None) -> Any:
        """The offset as a float64 ndarray of ``n_rows``, or None."""
        if self.offset is None:
            return None
        offset = np.asarray(self.offset, dtype=np.float64)
        if offset.ndim == 0 or (n_rows is not None and offset.shape[0] != n_rows):
            raise DataError(f"offset has shape {offset.shape}, but X has {n_rows} rows")
        return offset

    def whole(self, X: Any) -> Any:
        """Apply the function to all rows at once."""
        self.check_width(X.shape[1])
        offset = self.host_offset(X.shape[0])
        return self.function(X) if offset is None else self.function(X, offset)

    def over(self, runs: Runs) -> Any:
        """Apply the function to one run after the other and let go of the source."""
        with closing(runs):
            self.check_width(runs.n_columns)
            offset = self.host_offset(runs.n_rows)
            if runs.n_rows is None:
                parts = [result for _, result in self._each(runs, offset)]
                return np.concatenate(parts)
            tail = () if self.width is None else (self.width,)
            out = np.empty((runs.n_rows, *tail), self.dtype)
            for start, result in self._each(runs, offset):
                out[start : start + len(result)] = result
            return out

    def _each(self, runs: Runs, offset: Any) -> Iterator[tuple[int, Any]]:
        start = 0
        for rows in runs:
            stop = start + rows.shape[0]
            more = () if offset is None else (offset[start:stop],)
            yield start, self.function(rows, *more)
            start = stop
        if offset is not None and start != offset.shape[0]:
            raise DataError(f"offset has shape {offset.shape}, but X has {start} rows")


def rows_per_run(n_columns: int, itemsize: int) -> int:
    """Rows that make a run; what is computed of them is taken to be float64."""
    return max(1, RUN_NBYTES // max(1, n_columns * max(itemsize, 8)))
