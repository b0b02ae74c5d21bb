"""Rows of a scipy.sparse matrix in the memory of this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from daskreg._array import csr_of
from daskreg._typing import AnyArray
from daskreg.exceptions import DataError

from .base import Reader, Rows
from .checks import native_dtype
from .csr import canonical

#: Formats that can be cut by rows without converting the whole.
FORMATS = ("csr", "csc", "coo", "lil")


class SparseRows(Rows):
    """A resident sparse matrix; blocks are canonical CSR: sorted, no duplicates, small indices.

    CSR blocks share the data of the whole where that is canonical already.  CSC finds the
    borders of a block in every column by bisection.  COO is searched where its rows ascend, and
    scanned once for every block otherwise: ``tocsr()`` first is then faster.

    Raises
    ------
    DataError
        Another sparse format, a type that blocks cannot hold, other than two dimensions.
    """

    resident = True
    sparse = True
    libraries = ("scipy.sparse",)

    def __init__(
        self, matrix: Any, *, what: str = "sparse matrix", first: int = 0, n_rows: int | None = None
    ) -> None:
        if matrix.ndim != 2:
            raise DataError(f"{what} has {matrix.ndim} dimensions; expected rows and columns")
        if matrix.format not in FORMATS:
            raise DataError(
                f"{what} is in {matrix.format.upper()} format, which cannot be cut by rows; "
                f"pass X.tocsr() (formats taken: {', '.join(f.upper() for f in FORMATS)})"
            )
        if matrix.dtype.kind == "V":
            raise DataError(f"{what} has type {matrix.dtype}: pass X.astype('float32')")
        self._matrix, self._first = matrix, first
        #: Blocks that were canonical when they were read: they are not looked through again.
        self._canonical: set[tuple[int, int]] = set()
        self.describe = what
        self.dtype = native_dtype(matrix.dtype, what)
        self.n_rows = int(matrix.shape[0]) if n_rows is None else n_rows
        self.n_columns = int(matrix.shape[1])

    @property
    def row_nbytes(self) -> float:
        entries = self._matrix.nnz / max(1, self._matrix.shape[0])
        index = 4 if max(self._matrix.nnz, self.n_columns) < 2**31 else 8
        return float(entries * (self.dtype.itemsize + index) + index)

    def cut(self, start: int, stop: int) -> Rows:
        """The same matrix in this process; a pickle takes only these rows along."""
        return _CutSparse(self._matrix, self._first, start, stop, self)

    def open(self, values: Sequence[Any] = ()) -> Reader:
        return _SparseReader(self._matrix, self._first, self.dtype, self._canonical)


class _CutSparse(SparseRows):
    """Some rows of a sparse matrix: shared within a process, cut out when they leave it."""

    def __init__(self, matrix: Any, first: int, start: int, stop: int, whole: SparseRows) -> None:
        super().__init__(matrix, what=whole.describe, first=first, n_rows=whole.n_rows)
        self._span = start, stop
        self._canonical = whole._canonical

    def __reduce__(self) -> tuple[Any, ...]:
        start, stop = self._span
        with self.open() as reader:
            return _rebuild, (reader.read(start, stop), self.describe, start, self.n_rows)


def _rebuild(matrix: Any, what: str, first: int, n_rows: int) -> SparseRows:
    return SparseRows(matrix, what=what, first=first, n_rows=n_rows)


class _SparseReader(Reader):
    def __init__(
        self, matrix: Any, first: int, dtype: np.dtype[Any], known: set[tuple[int, int]]
    ) -> None:
        self._cut: Callable[[int, int], Any] = _CUTTERS[matrix.format](matrix)
        self._first, self._dtype, self._known = first, dtype, known

    def read(self, start: int, stop: int, out: AnyArray | None = None) -> Any:
        cut = self._cut(start - self._first, stop - self._first)
        if (start, stop) not in self._known and cut.has_canonical_format:
            self._known.add((start, stop))
        return canonical(cut, self._dtype, known=(start, stop) in self._known)


def _cut_csr(matrix: Any) -> Callable[[int, int], Any]:
    from scipy.sparse import csr_array

    def cut(start: int, stop: int) -> Any:
        indptr = matrix.indptr[start : stop + 1]
        low, high = indptr[0], indptr[-1]
        parts = matrix.data[low:high], matrix.indices[low:high], indptr - low
        return csr_of(csr_array, *parts, matrix.shape[1])

    return cut


def _cut_csc(matrix: Any) -> Callable[[int, int], Any]:
    from scipy.sparse import csc_array

    if not matrix.has_sorted_indices:
        return lambda start, stop: matrix[start:stop].tocsr()

    def cut(start: int, stop: int) -> Any:
        low = _bisect_columns(matrix.indices, matrix.indptr, start)
        high = _bisect_columns(matrix.indices, matrix.indptr, stop)
        indptr = np.concatenate([[0], np.cumsum(high - low)])
        entries = np.repeat(low - indptr[:-1], high - low) + np.arange(indptr[-1])
        parts = matrix.data[entries], matrix.indices[entries] - start, indptr
        return csc_array(parts, shape=(stop - start, matrix.shape[1])).tocsr()

    return cut


def _bisect_columns(indices: AnyArray, indptr: AnyArray, row: int) -> AnyArray:
    """First entry of every column whose row is at least ``row``: all bisections in step."""
    low, high = indptr[:-1].astype(np.int64), indptr[1:].astype(np.int64)
    open_ = np.flatnonzero(low < high)
    while open_.size:
        middle = (low[open_] + high[open_]) // 2
        before = indices[middle] < row
        low[open_[before]] = middle[before] + 1
        high[open_[~before]] = middle[~before]
        open_ = open_[low[open_] < high[open_]]
    return low


def _cut_coo(matrix: Any) -> Callable[[int, int], Any]:
    from scipy.sparse import coo_array

    row, column, data = matrix.row, matrix.col, matrix.data
    ascending = bool(np.all(row[1:] >= row[:-1]))

    def cut(start: int, stop: int) -> Any:
        chosen: Any
        if ascending:
            chosen = slice(*np.searchsorted(row, [start, stop]))
        else:
            chosen = np.flatnonzero((row >= start) & (row < stop))
        parts = data[chosen], (row[chosen] - start, column[chosen])
        return coo_array(parts, shape=(stop - start, matrix.shape[1])).tocsr()

    return cut


def _cut_lil(matrix: Any) -> Callable[[int, int], Any]:
    return lambda start, stop: matrix[start:stop].tocsr()


_CUTTERS = {"csr": _cut_csr, "csc": _cut_csc, "coo": _cut_coo, "lil": _cut_lil}
