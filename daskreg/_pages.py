"""Memory by the page: large arrays that are nearly all zero, and what was freed given back."""

from __future__ import annotations

import ctypes
import mmap
import sys
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np

from ._typing import AnyArray, Float

#: Bytes from which an array is laid out by the page.
LARGE = 2**22
#: Share of the rows in use up to which the others are left alone.
FEW = 1 / 4


def zeros(shape: tuple[int, ...]) -> Float:
    """Return zeros of float64, of which only those pages take memory that are written to.

    Large arrays of numpy ask for huge pages, of which a few numbers here and there make all
    resident.
    """
    n_bytes = 8 * int(np.prod(shape))
    if n_bytes < LARGE or not hasattr(mmap, "MAP_PRIVATE"):
        return np.zeros(shape)
    try:
        pages = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"no {n_bytes} bytes for zeros: {error.strerror}") from None
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        with suppress(OSError):  # a kernel without huge pages
            pages.madvise(mmap.MADV_NOHUGEPAGE)
    return np.ndarray(shape, np.float64, pages)


def rows_in_use(*arrays: Float) -> AnyArray:
    """Return the numbers of the rows in which one of some arrays has anything but zero."""
    used = [part.any(axis=tuple(range(1, part.ndim))) for part in arrays]
    return np.flatnonzero(np.logical_or.reduce(used))


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
