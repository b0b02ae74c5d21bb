"""In-memory data frames of pandas, polars or Arrow as named columns and as rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from daskreg._typing import AnyArray
from daskreg.exceptions import DataError

from .base import Reader, Rows, Table
from .checks import STRING, common_dtype
from .memory import ArrayRows
from .selected import SelectedColumns, describe


class FrameTable(Table):
    """Columns of a data frame in memory.

    Parameters
    ----------
    frame : pandas.DataFrame, polars.DataFrame, pyarrow.Table or another that narwhals knows
    what : str
        For error messages.

    Raises
    ------
    DataError
        A lazy frame, or column names that repeat.
    """

    def __init__(self, frame: Any, *, what: str = "data frame") -> None:
        import narwhals as nw

        self.describe = what
        try:
            self._frame = nw.from_native(_text_names(frame), eager_only=True)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{what} of type {type(frame).__module__}.{type(frame).__name__} cannot be read: "
                f"{error}; lazy frames must be collected first"
            ) from error
        self.columns = tuple(self._frame.columns)

    def rows(self, columns: Sequence[str]) -> Rows:
        self.require(columns)
        frame = self._frame.select(list(columns))
        types = [_numpy_dtype(frame[name], name, self.describe) for name in columns]
        dtype = common_dtype(types, columns, self.describe)
        return FrameRows(frame, dtype, describe=self.describe)


def series_rows(series: Any, *, what: str = "series") -> Rows:
    """A pandas, polars or Arrow column as one column of rows.

    Raises
    ------
    DataError
        Not a column, or of a type that blocks cannot hold.
    """
    import narwhals as nw

    column = nw.from_native(series, series_only=True)
    frame = column.alias(str(column.name or what)).to_frame()
    return FrameTable(frame.to_native(), what=what).rows(frame.columns)


class FrameRows(Rows):
    """Columns of a data frame; blocks are filled column by column.

    A pickle holds the rows as an array: no data frame library is needed where it is opened.
    """

    resident = True

    def __init__(
        self,
        frame: Any,
        dtype: np.dtype[Any],
        *,
        describe: str,
        first: int = 0,
        n_rows: int | None = None,
    ) -> None:
        self._frame, self._first = frame, first
        self.dtype, self.describe = dtype, describe
        self.names: tuple[str, ...] = tuple(frame.columns)
        self.n_columns = len(self.names)
        self.n_rows: int = len(frame) if n_rows is None else n_rows

    def cut(self, start: int, stop: int) -> Rows:
        """A view of these rows."""
        part = self._frame[start - self._first : stop - self._first]
        return FrameRows(part, self.dtype, describe=self.describe, first=start, n_rows=self.n_rows)

    def select(self, columns: AnyArray) -> Rows:
        """These columns of the frame; the others are not converted."""
        frame = self._frame.select([self.names[column] for column in columns])
        what = describe(self, columns)
        rows = FrameRows(frame, self.dtype, describe=what, first=self._first, n_rows=self.n_rows)
        return SelectedColumns(rows, None)

    def open(self, values: Sequence[Any] = ()) -> Reader:
        return _FrameReader(self._frame, self.dtype, self._first)

    def __reduce__(self) -> tuple[Any, ...]:
        with self.open() as reader:
            array = reader.read(self._first, self._first + len(self._frame))
        return _rebuild, (array, self.describe, self.names, self._first, self.n_rows)


def _rebuild(
    array: AnyArray, what: str, names: tuple[str, ...], first: int, n_rows: int
) -> ArrayRows:
    return ArrayRows(array, what=what, names=names, labels=True, first=first, n_rows=n_rows)


class _FrameReader(Reader):
    def __init__(self, frame: Any, dtype: np.dtype[Any], first: int) -> None:
        self._frame, self._dtype, self._first = frame, dtype, first

    def read(self, start: int, stop: int, out: AnyArray | None = None) -> AnyArray:
        columns = [self._frame[name] for name in self._frame.columns]
        run = slice(start - self._first, stop - self._first)
        if self._dtype.kind == "U":
            return self._values(columns[0], run).astype(self._dtype).reshape(-1, 1)
        shape = stop - start, len(columns)
        if out is None or out.shape != shape or out.dtype != self._dtype:
            out = np.empty(shape, self._dtype)
        for j, column in enumerate(columns):
            out[:, j] = self._values(column, run)
        return out

    def _values(self, column: Any, run: slice) -> Any:
        part = column[run]
        if self._dtype.kind != "f" and part.null_count():
            row = run.start + self._first + int(part.is_null().arg_true()[0])
            raise DataError(
                f"column {column.name!r} has missing values, the first in row {row}, and "
                f"{self._dtype} has no NaN: fill or drop them"
            )
        if self._dtype.kind == "f" and part.null_count():
            import narwhals as nw

            part = part.cast(nw.Float64)
        return part.to_numpy()


def _numpy_dtype(column: Any, name: str, what: str) -> np.dtype[Any]:
    import narwhals as nw

    if column.dtype in (nw.String, nw.Categorical, nw.Enum):
        sample = np.asarray(column[:1].to_numpy())
        return sample.dtype if sample.dtype.kind in "biuf" else STRING
    if column.dtype == nw.Decimal:
        return np.dtype(np.float64)
    if column.dtype == nw.Object and column.null_count():
        raise DataError(
            f"column {name!r} of {what} holds Python objects, some missing: give it a type"
        )
    return np.asarray(column[:0].to_numpy()).dtype


def _text_names(frame: Any) -> Any:
    """A pandas frame whose columns are numbered gets text for names, without a copy of data."""
    if not hasattr(frame, "iloc") or all(isinstance(name, str) for name in frame.columns):
        return frame
    return frame.set_axis([str(name) for name in frame.columns], axis=1)
