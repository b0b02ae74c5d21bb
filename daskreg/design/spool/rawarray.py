"""RawArray: an array in a file, opened by name where it is used and never mapped for long."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from daskreg._typing import AnyArray
from daskreg.exceptions import DataError


class RawArray(NDArrayOperatorsMixin):
    """Stands for an ndarray whose bytes lie in a file from ``offset`` on.

    Picklable as its few numbers.  Row slices are read with ``pread``: mapped pages would count as
    the memory of the worker that reads them.

    Parameters
    ----------
    path : str
    offset : int
        Bytes before the first element.
    dtype : numpy.dtype
    shape : tuple of int
    strides : tuple of int, optional
        Bytes; C order by default.
    """

    def __init__(
        self,
        path: str,
        offset: int,
        dtype: Any,
        shape: tuple[int, ...],
        strides: tuple[int, ...] | None = None,
    ) -> None:
        self.path, self.offset = path, offset
        self.dtype, self.shape = np.dtype(dtype), tuple(shape)
        self._strides = None if strides == _c_strides(self.shape, self.dtype) else strides

    @classmethod
    def write(cls, array: AnyArray, path: str) -> RawArray:
        """Write an array to a new file; see ``write_all``."""
        return cls.write_all([array], path)[0]

    @classmethod
    def write_all(cls, arrays: Iterable[AnyArray], path: str) -> list[RawArray]:
        """Write arrays behind each other to a new file, which appears when it is whole.

        Raises
        ------
        DataError
            If the disk is full: names the folder and the bytes; the partial file is removed.
        """
        partial = f"{path}.{os.getpid()}.partial"
        written: list[RawArray] = []
        at = 0
        array = np.empty(0)
        try:
            with open(partial, "wb", buffering=0) as file:
                for array in arrays:
                    array = np.ascontiguousarray(array)
                    left = _bytes_of(array)
                    while len(left):
                        left = left[file.write(left[: 1 << 30]) :]
                    written.append(cls(path, at, array.dtype, array.shape))
                    at += array.nbytes
            os.replace(partial, path)
        except OSError as error:
            if os.path.exists(partial):
                os.unlink(partial)
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise DataError(
                f"the scratch folder {os.path.dirname(path)} is full: {at + array.nbytes} bytes "
                "were needed for one file; pass scratch= a folder with more room"
            ) from error
        return written

    @classmethod
    def of_memmap(cls, array: np.memmap[Any, Any]) -> RawArray | None:
        """What a memory map, or a view of one, stands for; None where the file does not say it
        (anonymous maps, private changes)."""
        root: Any = array
        while isinstance(root.base, np.memmap):
            root = root.base
        if root.filename is None or root.mode == "c" or root._mmap is None:
            return None
        at = _address(array) - _address(root)
        if not 0 <= at < max(root.nbytes, 1):
            return None
        return cls(str(root.filename), root.offset + at, array.dtype, array.shape, array.strides)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def read_into(self, start: int, out: AnyArray) -> None:
        """Fill a C-contiguous ``out`` with the rows from ``start`` on."""
        row = self.dtype.itemsize * math.prod(self.shape[1:])
        left = _bytes_of(out)
        at = self.offset + start * row
        with open(self.path, "rb", buffering=0) as file:
            file.seek(at)
            while len(left):
                got = file.readinto(left[: 1 << 30])
                if not got:
                    raise DataError(
                        f"{self.path} ends {len(left)} bytes early: was it changed or removed?"
                    )
                left = left[got:]

    def __getitem__(self, index: Any) -> AnyArray:
        head, *rest = index if isinstance(index, tuple) else (index,)
        if self._strides is None and self.ndim and isinstance(head, slice):
            start, stop, step = head.indices(self.shape[0])
            if step == 1 and None not in rest and Ellipsis not in rest:
                out = np.empty((max(0, stop - start), *self.shape[1:]), self.dtype)
                self.read_into(start, out)
                return out[(slice(None), *rest)] if rest else out
        return np.array(self._map()[index])

    def _map(self) -> AnyArray:
        """A view of the file, for the moment of one copy."""
        if not self.size:
            return np.empty(self.shape, self.dtype)
        strides = self._strides or _c_strides(self.shape, self.dtype)
        if min(strides, default=0) < 0:
            raise DataError(f"a reversed memory map of {self.path} cannot be read; copy it first")
        extent = sum((n - 1) * s for n, s in zip(self.shape, strides, strict=True))
        flat = np.memmap(
            self.path, np.uint8, "r", self.offset, shape=(extent + self.dtype.itemsize,)
        )
        return np.ndarray(self.shape, self.dtype, flat, strides=strides)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        whole = self[:] if self.ndim else np.array(self._map())
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        loaded = [np.asarray(i) if isinstance(i, RawArray) else i for i in inputs]
        return getattr(ufunc, method)(*loaded, **kwargs)

    def __getattr__(self, name: str) -> Any:
        # Whatever else an ndarray can do needs the values: they are read.
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(name)
        return getattr(np.asarray(self), name)

    def __repr__(self) -> str:
        return f"<RawArray {self.path} {self.dtype} {self.shape}>"


def _bytes_of(array: AnyArray) -> memoryview:
    """The bytes of a C-contiguous array, without a copy."""
    return array.reshape(-1).view(np.uint8).data if array.nbytes else memoryview(b"")


def _address(array: AnyArray) -> int:
    return int(array.__array_interface__["data"][0])


def _c_strides(shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, ...]:
    strides = [dtype.itemsize]
    for n in reversed(shape[1:]):
        strides.append(strides[-1] * n)
    return tuple(reversed(strides)) if shape else ()
