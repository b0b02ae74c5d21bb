"""``.npy`` files and ``np.memmap`` objects as raw rows."""

from __future__ import annotations

import mmap
import os
from typing import Any, BinaryIO

import numpy as np

from daskreg._typing import AnyArray
from daskreg.exceptions import DataError

from .checks import existing
from .raw import RawRows


def npy_rows(path: str | os.PathLike[str], *, labels: bool = False) -> RawRows:
    """Rows of a ``.npy`` file; only its header is read here.

    Parameters
    ----------
    path : path
    labels : bool
        Whether strings are welcome.

    Raises
    ------
    DataError
        No such file, not in this format, truncated, neither one- nor two-dimensional, or of a
        type that blocks cannot hold.

    Notes
    -----
    Format: NumPy Enhancement Proposal 1, "A simple file format for NumPy arrays" (2007).
    """
    file = existing(path)
    with file.open("rb") as stream:
        shape, fortran, dtype = _header(stream, str(file))
        offset = stream.tell()
    if dtype.hasobject:
        raise DataError(f"{file} holds pickled objects; save it as an array of numbers")
    if len(shape) not in (1, 2):
        raise DataError(f"{file} has shape {shape}; expected two dimensions: rows and columns")
    n_rows, n_columns = shape if len(shape) == 2 else (*shape, 1)
    by_columns = fortran and n_columns > 1
    return RawRows(
        str(file),
        dtype,
        n_rows,
        n_columns,
        offset=offset,
        column_stride=n_rows * dtype.itemsize if by_columns else None,
        labels=labels,
    )


def _header(stream: BinaryIO, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    form = np.lib.format
    try:
        version = form.read_magic(stream)
        read = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
        return read(stream)
    except ValueError as error:
        size = os.path.getsize(name)
        raise DataError(
            f"{name} ({size} bytes) is not a readable .npy file: {error}; write it with numpy.save"
        ) from error


def memmap_rows(array: AnyArray, *, labels: bool = False) -> RawRows | None:
    """Rows of a memory map, or of a view of one, by file name and place.

    Returns
    -------
    RawRows or None
        None where ``array`` is no such view, or one whose rows or columns do not lie one after
        another in the file: then it is read as an array in memory.
    """
    root = _root(array)
    if root is None or array.ndim not in (1, 2) or array.size == 0:
        return None
    matrix = array.reshape(-1, 1) if array.ndim == 1 else array
    size = array.dtype.itemsize
    by_row, by_column = matrix.strides
    stride: int | None
    if matrix.flags.c_contiguous:
        stride = None
    elif by_row == size and by_column >= len(matrix) * size:
        stride = by_column
    else:
        return None
    start = matrix.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    return RawRows(
        str(root.filename),
        array.dtype,
        *matrix.shape,
        offset=root.offset + start,
        column_stride=stride,
        labels=labels,
    )


def _root(view: Any) -> Any:
    """The memmap that owns the mapping ``array`` looks into, if its file can be opened again."""
    while view is not None and not isinstance(getattr(view, "base", None), mmap.mmap):
        view = getattr(view, "base", None)
    # Copy-on-write maps may hold changes that their file does not.
    usable = isinstance(view, np.memmap) and view.filename is not None and view.mode != "c"
    return view if usable and os.path.isfile(view.filename) else None
