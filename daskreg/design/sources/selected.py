"""Some columns of other rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from daskreg._pages import momentary
from daskreg._typing import AnyArray, Matrix

from .base import Reader, Rows
from .chunked import by_whole_chunks
from .csr import columns_of
from .labels import Labels


def take_columns(matrix: Matrix, columns: AnyArray, out: AnyArray | None = None) -> Matrix:
    """Columns of a dense or CSR matrix, as blocks hold them: C-contiguous or canonical CSR."""
    if not isinstance(matrix, np.ndarray):
        return columns_of(matrix, columns)
    shape = len(matrix), len(columns)
    if out is None or out.shape != shape or out.dtype != matrix.dtype:
        out = momentary(shape, matrix.dtype)
    if matrix.flags.c_contiguous:
        # The other modes go through a buffer; the columns are known to be there.
        np.take(matrix, columns, axis=1, out=out, mode="clip")
    else:
        out[...] = matrix[:, columns]
    return out


class SelectedColumns(Rows):
    """Some columns of rows that are read whole and sliced, by whoever reads them.

    They are worth keeping whatever they come from, and so are neither ``resident`` nor
    ``persisted``; of rows that are, reading them counts no bytes.

    Parameters
    ----------
    base : Rows
    columns : ndarray of int, shape (n_columns,), or None
        Ascending places of the columns in ``base``; None: all of them.
    """

    def __init__(self, base: Rows, columns: AnyArray | None) -> None:
        self._base, self._columns = base, columns
        self.n_rows, self.dtype, self.sparse = base.n_rows, base.dtype, base.sparse
        self.n_columns = base.n_columns if columns is None else len(columns)
        self.row_chunks = base.row_chunks
        self.reader_nbytes, self.libraries = base.reader_nbytes, base.libraries
        self.futures = base.futures
        self.names = names_of(base, columns)
        self.labels = None if base.labels is None else Labels(self.names)
        self.describe = base.describe if columns is None else describe(base, columns)
        at_hand = base.resident or base.persisted
        # A whole block lives while the columns are taken from it; one in memory lives anyway.
        whole = self.row_nbytes if at_hand else base.row_nbytes * base.decode_factor
        self.decode_factor = 1.0 + whole / max(1.0, self.row_nbytes)
        self.takes_whole_rows = base.takes_whole_rows if columns is None else not at_hand
        homes = getattr(base, "chunk_homes", None)
        if homes is not None:
            self.chunk_homes = homes

    @property
    def reads_columns(self) -> bool:
        return self._base.reads_columns

    @property
    def row_nbytes(self) -> float:
        """Of CSR: as if entries were spread evenly over the columns."""
        return self._base.row_nbytes * self.n_columns / max(1, self._base.n_columns)

    def select(self, columns: AnyArray) -> Rows:
        """Columns of these columns: still one slice of each row."""
        if self._columns is None:
            return SelectedColumns(self._base, columns)
        return select_columns(self._base, self._columns[columns])

    def cut(self, start: int, stop: int) -> Rows:
        cut = SelectedColumns(self._base.cut(start, stop), self._columns)
        # The reader of whole rows keeps a chunk that blocks cut.
        cut.row_chunks = None
        return cut

    def open(self, values: Sequence[Any] = ()) -> Reader:
        counts = not (self._base.resident or self._base.persisted)
        whole = by_whole_chunks(self._base, values)
        return _SelectedReader(whole, self._base, self._columns, counts)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.pop("chunk_homes", None)
        return state | {"futures": (None,) * len(self.futures), "names": None, "labels": None}


def select_columns(rows: Rows, columns: AnyArray) -> Rows:
    """Some columns, ascending places: read alone where the source can, else sliced from rows."""
    alone = rows.select(columns)
    return SelectedColumns(rows, columns) if alone is None else alone


def describe(rows: Rows, columns: AnyArray) -> str:
    """What a selection is called in plans and messages."""
    return f"{len(columns)} of {rows.n_columns} columns of {rows.describe}"


def names_of(rows: Rows, columns: AnyArray | None) -> tuple[str, ...] | None:
    """Names of the chosen columns."""
    if rows.names is None or columns is None:
        return rows.names
    return tuple(rows.names[column] for column in columns)


class _SelectedReader(Reader):
    """Reads whole rows into a buffer of its own; nothing of them stays."""

    def __init__(self, whole: Reader, base: Rows, columns: AnyArray | None, counts: bool) -> None:
        self._whole, self._base, self._columns, self._counts = whole, base, columns, counts
        self._space: AnyArray | None = None
        self._nbytes = 0

    def read(self, start: int, stop: int, out: AnyArray | None = None) -> Matrix:
        whole = self._columns is None
        rows = self._whole.read(start, stop, out if whole else self._buffer(stop - start))
        self._nbytes = self._whole.nbytes_read(rows) if self._counts else 0
        return rows if self._columns is None else take_columns(rows, self._columns, out)

    def _buffer(self, n_rows: int) -> AnyArray | None:
        base = self._base
        if base.sparse or base.resident or base.persisted or base.dtype.kind == "U":
            return None
        if self._space is None or len(self._space) < n_rows:
            self._space = np.empty((n_rows, base.n_columns), base.dtype)
        return self._space[:n_rows]

    def nbytes_read(self, values: Matrix) -> int:
        return self._nbytes

    def close(self) -> None:
        self._space = None
        self._whole.close()
