"""Memory by the page: large arrays that are nearly all zero, and what was freed given back."""

from __future__ import annotations

import ctypes
import math
import mmap
import sys
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ._typing import AnyArray, Float

#: Bytes from which an array is laid out by the page.
LARGE = 2**22
#: Bytes from which what is used for a moment has memory of its own.
MOMENTARY = 2**18
#: Rows of a large array that are looked at together.
TOGETHER = 8
#: Share of the rows in use up to which the others are left alone.
FEW = 1 / 4


def zeros(shape: tuple[int, ...]) -> Float:
    """Return zeros of float64, of which only those pages take memory that are written to.

    Large arrays of numpy ask for huge pages, of which a few numbers here and there make all
    resident.
    """
    n_bytes = 8 * math.prod(shape)
    if n_bytes < LARGE or not hasattr(mmap, "MAP_PRIVATE"):
        return np.zeros(shape)
    try:
        pages = _map(n_bytes, "MADV_NOHUGEPAGE")
    except OSError as error:
        raise MemoryError(f"no {n_bytes} bytes for zeros: {error.strerror}") from None
    return np.ndarray(shape, np.float64, pages)


def momentary(shape: tuple[int, ...], dtype: npt.DTypeLike = np.float64) -> AnyArray:
    """Return an array of any values; a large one goes back to the system when nobody needs it.

    What a thread frees malloc keeps for this thread, up to 64 MiB for each, and its large pages
    for whatever comes to lie there.
    """
    small = math.prod(shape) * np.dtype(dtype).itemsize < MOMENTARY
    return np.empty(shape, dtype) if small else mapped(shape, np.dtype(dtype))


def mapped(shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
    """Return an array of any values, whatever its size with memory of its own.

    Of what is freed malloc keeps all but arrays of more than 32 MiB, as long as anything behind it
    is in use: blocks of a fit that has ended would count as memory of the process for the next one.
    """
    n_bytes = math.prod(shape) * dtype.itemsize
    if not n_bytes or dtype.hasobject:
        return np.empty(shape, dtype)
    try:
        pages = _map(n_bytes, "MADV_HUGEPAGE" if n_bytes >= LARGE else "")
    except OSError:  # too little, or too many maps: what numpy raises is known to everybody
        return np.empty(shape, dtype)
    return np.ndarray(shape, dtype, pages)


def _map(n_bytes: int, advice: str) -> mmap.mmap:
    """Map memory that forked processes do not share, and give the system advice by name."""
    if not hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(-1, n_bytes)
    pages = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, advice):
        with suppress(OSError):  # a kernel without huge pages
            pages.madvise(getattr(mmap, advice))
    return pages


def rows_in_use(*arrays: Float) -> AnyArray:
    """Return the numbers of the rows in which one of some arrays has anything but zero."""
    return np.flatnonzero(np.logical_or.reduce([_in_use(part) for part in arrays]))


def _in_use(array: Float) -> npt.NDArray[np.bool_]:
    """Whether each row has anything but zero: some rows together first, few of which have."""
    rows = array.reshape(len(array), math.prod(array.shape[1:]))
    n_together = len(rows) - len(rows) % TOGETHER
    if array.nbytes < LARGE or not rows.flags.c_contiguous:
        return np.asarray(rows.any(axis=1))
    together = rows[:n_together].reshape(-1, TOGETHER * rows.shape[1]).view(np.uint64)
    some = np.flatnonzero(np.bitwise_or.reduce(together, axis=1))
    used = np.zeros(len(rows), dtype=bool)
    used[:n_together].reshape(-1, TOGETHER)[some] = (
        rows[:n_together].reshape(-1, TOGETHER, rows.shape[1])[some].any(axis=2)
    )
    used[n_together:] = rows[n_together:].any(axis=1)
    return used


def few_rows(array: Float) -> AnyArray | None:
    """Return the rows in use of a large array, where they are few; None: there is no gain."""
    if array.nbytes < LARGE:
        return None
    rows = rows_in_use(array)
    return rows if len(rows) <= FEW * len(array) else None


def taken(array: Float, columns: Any) -> Float:
    """Return a copy of ``array[..., columns]``; of a large one only rows in use take memory."""
    rows = few_rows(array)
    if rows is None:
        return np.asarray(array[..., columns])
    part = array[rows][..., columns]
    found = zeros((*array.shape[:-1], part.shape[-1]))
    found[rows] = part
    return found


def put(array: Float, columns: Any, values: Float) -> None:
    """Set ``array[..., columns] = values``; of a large one only rows in use are written to."""
    if array.nbytes < LARGE:
        array[..., columns] = values
        return
    rows = rows_in_use(array, values)
    part = array[rows]
    part[..., columns] = values[rows]
    array[rows] = part


def scaled(array: Float, factor: Float) -> Float:
    """Return ``array * factor``, rows of zero of a large one without memory of their own."""
    rows = few_rows(array)
    if rows is None:
        return array * factor
    found = zeros(array.shape)
    found[rows] = array[rows] * factor[rows]
    return found


def release() -> None:
    """Give back to the system what was freed, where the C library keeps it for later.

    It keeps what threads have freed apart for each of them, and after a first large array up to
    32 MiB of each size: together often as much as is in use.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    """Return glibc's ``malloc_trim``, or None where there is another C library."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
