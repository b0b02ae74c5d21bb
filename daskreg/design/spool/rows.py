"""Scratch: raw arrays in a folder of their own, and the rows that are read back from them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from daskreg._array import csr_of
from daskreg._typing import AnyArray, Matrix
from daskreg.design.sources.base import Reader, Rows

from .rawarray import RawArray


@dataclass(frozen=True)
class CsrPart:
    """A CSR matrix in three files; rows are read without the rest."""

    data: RawArray
    indices: RawArray
    indptr: RawArray
    shape: tuple[int, int]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.data.dtype

    @property
    def nbytes(self) -> int:
        return self.data.nbytes + self.indices.nbytes + self.indptr.nbytes

    def __getitem__(self, rows: slice) -> Matrix:
        from scipy.sparse import csr_array

        start, stop, _ = rows.indices(self.shape[0])
        indptr = self.indptr[start : stop + 1]
        first, last = int(indptr[0]), int(indptr[-1])
        local = (indptr - first).astype(self.indices.dtype)
        parts = self.data[first:last], self.indices[first:last], local
        return csr_of(csr_array, *parts, self.shape[1])


Part = RawArray | CsrPart


def write_part(value: Matrix, path: str) -> Part:
    """Write a matrix, dense or CSR, to files that start with ``path``; returns where it lies.

    Raises
    ------
    DataError
        If the disk is full: names the folder and the bytes; partial files are removed.
    """
    if isinstance(value, np.ndarray):
        return RawArray.write(value, f"{path}.raw")
    return CsrPart(
        RawArray.write(value.data, f"{path}.data.raw"),
        RawArray.write(value.indices, f"{path}.indices.raw"),
        RawArray.write(np.asarray(value.indptr, dtype=np.int64), f"{path}.indptr.raw"),
        tuple(value.shape),
    )


class SpooledRows(Rows):
    """Rows in the raw files of a scratch folder, one or three for each run of rows.

    Parameters
    ----------
    parts : sequence of RawArray or CsrPart
        In row order, of one width.  Types that differ promote; empty parts do not count.
    n_columns : int
    names : tuple of str, optional
    describe : str
        What was spooled.
    start : int
        Number of the first row of the first part.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        n_columns: int,
        *,
        dtype: np.dtype[Any] | None = None,
        names: tuple[str, ...] | None = None,
        describe: str = "spool",
        start: int = 0,
        n_rows: int | None = None,
    ) -> None:
        self._parts = tuple(part for part in parts if part.shape[0])
        self._borders = [*accumulate((part.shape[0] for part in self._parts), initial=start)]
        self.n_rows = self._borders[-1] if n_rows is None else n_rows
        self.n_columns = n_columns
        self.sparse = any(isinstance(part, CsrPart) for part in self._parts)
        known = [part.dtype for part in self._parts] or [part.dtype for part in parts]
        self.dtype = dtype or (np.result_type(*known) if known else np.dtype(np.float64))
        self.names = names
        self.describe = describe
        self.bytes_spooled = sum(part.nbytes for part in self._parts)
        if self._parts:
            first = self._parts[0]
            self.plain_file = (first.data if isinstance(first, CsrPart) else first).path

    def cut(self, start: int, stop: int) -> Rows:
        first = max(0, bisect_right(self._borders, start) - 1)
        last = bisect_right(self._borders, stop - 1)
        rows = SpooledRows(
            self._parts[first:last],
            self.n_columns,
            dtype=self.dtype,
            names=self.names,
            describe=self.describe,
            start=self._borders[first],
            n_rows=self.n_rows,
        )
        rows.sparse = self.sparse
        return rows

    def open(self, values: Sequence[Any] = ()) -> Reader:
        return _SpoolReader(self._parts, self._borders, self)

    @property
    def row_nbytes(self) -> float:
        if not self.sparse:
            return super().row_nbytes
        rows = self._borders[-1] - self._borders[0]
        return sum(part.nbytes for part in self._parts) / max(rows, 1)


class _SpoolReader(Reader):
    def __init__(self, parts: Sequence[Part], borders: Sequence[int], rows: SpooledRows) -> None:
        self._parts, self._borders, self._rows = parts, borders, rows

    def read(self, start: int, stop: int, out: AnyArray | None = None) -> Matrix:
        pieces = []
        at = max(0, bisect_right(self._borders, start) - 1)
        while at < len(self._parts) and self._borders[at] < stop:
            low = self._borders[at]
            rows = slice(max(start, low) - low, min(stop, self._borders[at + 1]) - low)
            target = (
                None if out is None else out[low + rows.start - start : low + rows.stop - start]
            )
            pieces.append(self._piece(self._parts[at], rows, target))
            at += 1
        if out is not None and not self._rows.sparse:
            return out
        return stack(pieces, self._rows.n_columns, self._rows.dtype, self._rows.sparse)

    def _piece(self, part: Part, rows: slice, out: AnyArray | None) -> Matrix:
        if isinstance(part, CsrPart):
            return part[rows]
        if out is None:
            return part[rows]
        if out.dtype == part.dtype:
            part.read_into(rows.start, out)
        else:
            out[...] = part[rows]
        return out


def stack(pieces: Sequence[Matrix], n_columns: int, dtype: np.dtype[Any], sparse: bool) -> Matrix:
    """Put runs of rows below each other as one C-contiguous or CSR matrix of one type."""
    if sparse:
        from scipy.sparse import csr_array, vstack

        if not pieces:
            return csr_array((0, n_columns), dtype=dtype)
        if len(pieces) == 1:
            return pieces[0].astype(dtype, copy=False)
        return csr_array(vstack(pieces, format="csr", dtype=dtype))
    if not pieces:
        return np.empty((0, n_columns), dtype)
    if len(pieces) == 1:
        kept = pieces[0] if dtype.kind in "USO" else pieces[0].astype(dtype, copy=False)
        return np.ascontiguousarray(kept)
    whole = np.concatenate(pieces)
    return whole if dtype.kind in "USO" else whole.astype(dtype, copy=False)
