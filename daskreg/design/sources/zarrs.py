"""Rows of a zarr array, and what lies under a ``.zarr`` path."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from daskreg._typing import AnyArray
from daskreg.exceptions import DataError

from .base import Reader, Rows, Table
from .checks import LABELLED, existing, native_dtype
from .chunk_boxes import CONCURRENCY, MAX_STRIP, ZarrBoxes
from .chunk_tiles import ChunkTiles
from .memory import fill
from .selected import describe
from .zarr_chunks import refusing_absent, require_all_chunks
from .zarr_raw import RawChunks, raw_chunks

#: Allocations above this are mapped one by one (glibc's largest threshold).
MAPPED = 32 << 20
#: Most that threads were seen to keep of smaller ones.
KEPT_NBYTES = 64 << 20


class ZarrRows(Rows):
    """Rows of a zarr array, version 2 or 3, chunked along rows and columns, sharded or not.

    Parameters
    ----------
    array : zarr.Array, shape (n, n_columns) or (n,)
        One dimension becomes one column.
    what : str
        For error messages.
    labels : bool
        Whether strings are welcome.

    Raises
    ------
    DataError
        More than two dimensions, or a type that blocks cannot hold.
    """

    #: A decoded chunk, its compressed bytes and the block it goes into are alive together.
    decode_factor = 3.0
    libraries = ("zarr",)

    def __init__(self, array: Any, *, what: str = "zarr array", labels: bool = False) -> None:
        if array.ndim not in (1, 2):
            raise DataError(f"{what} has shape {array.shape}; expected rows and columns")
        self._array = array
        self._columns: AnyArray | None = None
        self.describe = what
        self.dtype = native_dtype(array.dtype, what, labels=labels)
        self.n_rows = int(array.shape[0])
        self.n_columns = int(array.shape[1]) if array.ndim == 2 else 1
        self._raw = raw_chunks(array, self.dtype)
        if self._raw is not None:
            self.decode_factor = 1.0
            self.plain_file = self._raw.folder
            return
        chunk = math.prod(array.chunks) * self.dtype.itemsize
        abreast = min(
            CONCURRENCY, math.ceil(array.shape[-1] / array.chunks[-1]) if array.ndim == 2 else 1
        )
        # What malloc keeps for zarr's threads, twice a chunk each; larger ones it hands back.
        self.reader_nbytes = min(2 * abreast * chunk, KEPT_NBYTES) if chunk < MAPPED else 0

    @property
    def row_chunks(self) -> tuple[int, ...]:  # type: ignore[override]
        length, n = int(self._array.chunks[0]), self.n_rows or 0
        return tuple(min(length, n - start) for start in range(0, n, length))

    @property
    def strip_nbytes(self) -> int:
        """Bytes of whole rows that are decoded together."""
        return int(min(self._array.chunks[0], self._array.shape[0]) * self.row_nbytes)

    def turned(self) -> Rows | None:
        """Chunks of some columns can be written to scratch, one at a time."""
        if not self.reads_columns or self._columns is not None or self.dtype.kind == "U":
            return None
        return ChunkTiles(ZarrBoxes(self._array), self)

    @property
    def reads_columns(self) -> bool:
        return bool(self._array.ndim == 2 and self._array.chunks[1] < self._array.shape[1])

    def select(self, columns: AnyArray) -> Rows | None:
        """Of an array with several chunks of columns only those with these columns are read."""
        if not self.reads_columns:
            return None
        rows = copy.copy(self)
        rows._columns = columns if self._columns is None else self._columns[columns]
        rows.n_columns, rows.describe = len(columns), describe(self, columns)
        width = decoded_width(self._array, rows._columns)
        # Decoded chunks of columns, with their bytes, and the block that is taken from them.
        rows.decode_factor = 1.0 + 2.0 * width / len(columns)
        rows.takes_whole_rows = width == self._array.shape[1]
        return rows

    def where(self, start: int, stop: int) -> str:
        array = self._array
        length = int((getattr(array, "shards", None) or array.chunks)[0])
        encode = array.metadata.encode_chunk_key
        ends = {
            encode((at, *[0] * (array.ndim - 1))) for at in (start // length, (stop - 1) // length)
        }
        place = str(array.store_path).removeprefix("wrapping-")
        return f", {place}, chunks {' to '.join(sorted(ends))}"

    def open(self, values: Sequence[Any] = ()) -> Reader:
        if self._columns is not None:
            return _ZarrColumnReader(self._array, self.dtype, self._columns)
        return _ZarrReader(self._array, self.dtype, self._raw)


class _ZarrReader(Reader):
    def __init__(self, array: Any, dtype: np.dtype[Any], raw: RawChunks | None) -> None:
        self._array, self._dtype, self._raw = array, dtype, raw

    def read(self, start: int, stop: int, out: AnyArray | None = None) -> AnyArray:
        array = self._array
        shape = stop - start, array.shape[1] if array.ndim == 2 else 1
        if self._dtype.kind == "U":
            return np.asarray(array[start:stop]).astype(self._dtype).reshape(shape)
        if array.dtype != self._dtype or start == stop:
            return fill(out, np.asarray(array[start:stop]).reshape(shape), self._dtype)
        if out is None or out.shape != shape or out.dtype != self._dtype:
            out = np.empty(shape, self._dtype)
        # What is not there as it should be is zarr's to name.
        if self._raw is not None and self._raw.read(start, stop, out):
            return out
        target = out if array.ndim == 2 else out.reshape(-1)
        array.get_basic_selection((slice(start, stop),), out=_as_zarr_buffer(target))
        return out


def decoded_width(array: Any, columns: AnyArray) -> int:
    """Columns of the chunks that hold some columns."""
    length, n_columns = int(array.chunks[1]), int(array.shape[1])
    return sum(min(length, n_columns - at * length) for at in {*(columns // length).tolist()})


class _ZarrColumnReader(Reader):
    def __init__(self, array: Any, dtype: np.dtype[Any], columns: AnyArray) -> None:
        self._array, self._dtype, self._columns = array, dtype, columns
        self._width = decoded_width(array, columns)

    def read(self, start: int, stop: int, out: AnyArray | None = None) -> AnyArray:
        if start == stop:
            return fill(out, np.empty((0, len(self._columns))), self._dtype)
        values = self._array.get_orthogonal_selection((slice(start, stop), self._columns))
        return fill(out, np.asarray(values), self._dtype)

    def nbytes_read(self, values: AnyArray) -> int:
        return len(values) * self._width * self._dtype.itemsize


def _as_zarr_buffer(target: AnyArray) -> Any:
    from zarr.core.buffer import default_buffer_prototype

    return default_buffer_prototype().nd_buffer.from_numpy_array(target)


def zarr_array_rows(array: Any, *, missing_chunks: str, what: str, labels: bool) -> Rows:
    """Rows of an open array whose absent chunks have been looked for.

    Raises
    ------
    MissingChunksError
        ``missing_chunks`` is 'raise' and there are some.
    """
    if missing_chunks == "raise":
        rows = ZarrRows(refusing_absent(array), what=what, labels=labels)
        require_all_chunks(array, what)
    else:
        rows = ZarrRows(array, what=what, labels=labels)
    return (rows.turned() if rows.strip_nbytes > MAX_STRIP else None) or rows


def open_zarr(
    path: str | os.PathLike[str],
    *,
    missing_chunks: str,
    sample_dim: str | Sequence[str] | None,
    role: str,
) -> Rows | Table:
    """What lies under a path: an array, a member of a group, or a group that xarray wrote.

    A group without dimension names gives its member ``X`` (``y`` for the role y, and so on).

    Raises
    ------
    DataError
        Nothing there, or a group without that member: the message lists what it has.
    MissingChunksError
        Chunks are absent and ``missing_chunks`` is 'raise'.
    """
    import zarr

    location = path if "://" in str(path) else existing(path)
    try:
        node: Any = zarr.open(str(location), mode="r")
    except (FileNotFoundError, KeyError, ValueError) as error:
        raise DataError(f"{path} is no zarr array or group: {error}") from error
    name = f"zarr {os.path.basename(str(location).rstrip('/'))}"
    if isinstance(node, zarr.Group):
        if any(_dimension_names(array) for _, array in node.arrays()):
            return _open_with_xarray(str(location), None, missing_chunks, sample_dim, name)
        node, name = _member(node, role, name), f"{name}/{role}"
    elif node.ndim > 2 or {"scale_factor", "add_offset", "_FillValue"} & set(node.attrs):
        parent, _, member = str(location).rstrip("/").rpartition("/")
        if _dimension_names(node):
            return _open_with_xarray(parent, member, missing_chunks, sample_dim, name)
    return zarr_array_rows(node, missing_chunks=missing_chunks, what=name, labels=role in LABELLED)


def _member(group: Any, role: str, name: str) -> Any:
    members = dict(group.arrays())
    if role not in members:
        found = ", ".join(sorted(members)) or "no arrays"
        raise DataError(
            f"{name} is a group without an array {role!r}; it has {found}: name one of them in "
            "the path, as in data.zarr/X"
        )
    return members[role]


def _dimension_names(array: Any) -> bool:
    """Whether the array says what its dimensions are, as those written by xarray do."""
    named = getattr(array.metadata, "dimension_names", None)
    return bool(named and all(named)) or "_ARRAY_DIMENSIONS" in array.attrs


def _open_with_xarray(
    store: str,
    member: str | None,
    missing_chunks: str,
    sample_dim: str | Sequence[str] | None,
    name: str,
) -> Rows | Table:
    import xarray
    import zarr

    from .xr import XarrayTable, data_array_rows

    # Zarr opens every node of a store by itself: it needs no list of all of them.
    data = xarray.open_dataset(
        store, engine="zarr", chunks=None, cache=False, backend_kwargs={"consolidated": False}
    )

    def check(variable: str) -> None:
        if missing_chunks == "raise":
            array = zarr.open_array(f"{store.rstrip('/')}/{variable}", mode="r")
            require_all_chunks(array, f"{name}/{variable}")

    if member is None:
        return XarrayTable(data, sample_dim=sample_dim, describe=name, check=check)
    check(member)
    return data_array_rows(data[member], sample_dim=sample_dim, describe=name)
