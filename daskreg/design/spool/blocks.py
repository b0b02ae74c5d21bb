"""Blocks in a file that has no name: gone with the process that wrote them, whatever ends it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from daskreg._array import csr_of
from daskreg._typing import AnyArray, Matrix


@dataclass(frozen=True, slots=True)
class _Array:
    """Where the bytes of one array begin, and what they are."""

    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


#: One array, or the three of a CSR matrix and its shape.
_Place = _Array | tuple[_Array, _Array, _Array, tuple[int, ...]]


class BlockFile:
    """The parts of blocks, by the number of the block and the name of the part.

    One thread at a time writes or reads.  Bytes are kept as they are: what is read is what was
    written, to the last bit.

    Parameters
    ----------
    folder : str
        On a local disk; there is no name in it that could be left behind.
    """

    def __init__(self, folder: str) -> None:
        # Open for as long as the shard lives.
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        self._places: dict[int, dict[str, _Place]] = {}
        self.nbytes = 0

    def __contains__(self, index: int) -> bool:
        return index in self._places

    def write(self, index: int, parts: Mapping[str, Matrix]) -> int:
        """Append a block; returns its bytes.

        Raises
        ------
        OSError
            For a full disk, among others: nothing of the block is kept.
        """
        start, places = self.nbytes, {}
        try:
            for name, values in parts.items():
                places[name] = self._write_matrix(values)
        except OSError:
            self.nbytes = start
            os.ftruncate(self._file.fileno(), start)
            raise
        self._places[index] = places
        return self.nbytes - start

    def _write_matrix(self, values: Matrix) -> _Place:
        if isinstance(values, np.ndarray):
            return self._write_array(values)
        data, indices, indptr = (
            self._write_array(getattr(values, part)) for part in ("data", "indices", "indptr")
        )
        return data, indices, indptr, tuple(values.shape)

    def _write_array(self, array: AnyArray) -> _Array:
        array = np.ascontiguousarray(array)
        place = _Array(self.nbytes, array.dtype, array.shape)
        left: Any = array.reshape(-1).view(np.uint8).data if array.nbytes else b""
        while len(left):
            done = os.pwrite(self._file.fileno(), left[: 1 << 30], self.nbytes)
            self.nbytes, left = self.nbytes + done, left[done:]
        return place

    def read(self, index: int, name: str, out: AnyArray | None = None) -> Matrix | None:
        """A part of a block as it was written; None where that part was not.

        Parameters
        ----------
        index : int
        name : str
        out : array, optional
            Filled and returned if type and shape are those of the part.

        Raises
        ------
        OSError
            Where the file does not hold what was written.
        """
        place = self._places[index].get(name)
        if place is None or isinstance(place, _Array):
            return None if place is None else self._read_array(place, out)
        from scipy.sparse import csr_array

        *arrays, shape = place
        data, indices, indptr = (self._read_array(array) for array in arrays)
        matrix: Any = csr_of(csr_array, data, indices, indptr, shape[1])
        matrix.has_canonical_format = True  # as sources make them
        return matrix

    def _read_array(self, place: _Array, out: AnyArray | None = None) -> AnyArray:
        if out is None or out.shape != place.shape or out.dtype != place.dtype:
            out = np.empty(place.shape, place.dtype)
        left: Any = out.reshape(-1).view(np.uint8).data if out.nbytes else b""
        at = place.offset
        while len(left):
            done = os.preadv(self._file.fileno(), [left[: 1 << 30]], at)
            if done == 0:
                raise OSError(f"the spooled block ends {len(left)} bytes early")
            at, left = at + done, left[done:]
        return out

    def forget(self, index: int) -> None:
        """Drop a block that cannot be read back."""
        self._places.pop(index, None)

    def close(self) -> None:
        """Give the disk its bytes back."""
        self._file.close()
        self._places = {}
        self.nbytes = 0
