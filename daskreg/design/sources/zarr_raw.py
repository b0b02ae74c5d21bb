"""Chunks of a zarr array that are plain bytes in files of their own."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from daskreg._typing import AnyArray


@dataclass(frozen=True)
class RawChunks:
    """Files of which rows are copies, byte for byte; read into place, as far as they are asked for.

    zarr reads a chunk whole, into memory of its own, and copies it: twice the time of a local
    disk, and three times the memory.

    Parameters
    ----------
    folder : str
        Of the array.
    metadata : object
        zarr's, which names the chunks.
    length : int
        Rows of a chunk.
    row_nbytes : int
    """

    folder: str
    metadata: Any
    length: int
    row_nbytes: int

    def read(self, start: int, stop: int, out: AnyArray) -> bool:
        """Fill ``out`` with rows ``start:stop``; False where a chunk is absent or not whole."""
        bytes_: memoryview = out.reshape(-1).view(np.uint8).data
        for chunk in range(start // self.length, -(-stop // self.length)):
            first = chunk * self.length
            low, high = max(start, first), min(stop, first + self.length)
            part = bytes_[(low - start) * self.row_nbytes : (high - start) * self.row_nbytes]
            if not self._fill(chunk, (low - first) * self.row_nbytes, part):
                return False
        return True

    def _fill(self, chunk: int, position: int, part: memoryview) -> bool:
        where = (chunk,) + (0,) * (len(self.metadata.shape) - 1)
        try:
            file = os.open(
                os.path.join(self.folder, self.metadata.encode_chunk_key(where)), os.O_RDONLY
            )
        except FileNotFoundError:
            return False
        try:
            if os.fstat(file).st_size != self.length * self.row_nbytes:
                return False
            while len(part):
                count = os.preadv(file, [part], position)
                if count == 0:
                    return False
                part, position = part[count:], position + count
        finally:
            os.close(file)
        return True


def raw_chunks(array: Any, dtype: np.dtype[Any]) -> RawChunks | None:
    """The files of an array of whole rows that is neither compressed nor sharded.

    Parameters
    ----------
    array : zarr.Array
        Of a local store that refuses absent chunks (``refusing_absent``).
    dtype : numpy.dtype
        Of the rows, in this machine's byte order.

    Returns
    -------
    RawChunks or None
        None where chunks are anything but their numbers, or no files.
    """
    from zarr.storage import LocalStore

    from .zarr_store import RefusingStore

    store = array.store
    if not isinstance(store, RefusingStore) or not isinstance(store._store, LocalStore):
        return None
    if array.dtype != dtype or array.chunks[1:] != array.shape[1:] or not _plain(array.metadata):
        return None
    row_nbytes = int(np.prod(array.shape[1:], dtype=np.int64)) * dtype.itemsize
    folder = os.path.join(str(store._store.root), array.path)
    return RawChunks(folder, array.metadata, int(array.chunks[0]), row_nbytes)


def _plain(metadata: Any) -> bool:
    """Whether the bytes of a chunk are its numbers, in rows and in this machine's order."""
    from zarr.codecs import BytesCodec

    if metadata.zarr_format == 2:
        return not metadata.filters and metadata.compressor is None and metadata.order == "C"
    if len(metadata.codecs) != 1 or not isinstance(metadata.codecs[0], BytesCodec):
        return False
    endian = metadata.codecs[0].endian
    return endian is None or getattr(endian, "value", endian) == sys.byteorder
