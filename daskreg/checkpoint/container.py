"""One file of a JSON header and raw arrays, with a checksum over all of it.

Layout: magic (8 bytes), format version (uint32), length of the header (uint64), header, arrays,
SHA-256 digest of everything before (32 bytes); integers little-endian, arrays at multiples of 64.
The header lists type, shape and order of each array, so that the length of the file follows from
it: no number in the file can ask for more memory than the file itself takes.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from daskreg._typing import AnyArray
from daskreg.exceptions import CheckpointError

from .codec import KINDS, Classes, decode, encode

MAGIC = b"DASKREG\x0a"
#: Of the container and of what a checkpoint holds; other versions are refused.
FORMAT_VERSION = 1
_START = struct.Struct("<8sIQ")
_DIGEST = 32
_ALIGN = 64
_MAX_NDIM = 16


def pack(value: Any, classes: Classes) -> Iterator[bytes | memoryview]:
    """Yield the parts of a file that holds ``value``, the checksum last.

    Raises
    ------
    CheckpointError
        For a value that cannot be kept; before the first part.
    """
    tree, arrays = encode(value, classes)
    orders = [memory_order(array) for array in arrays]
    listed = [
        [array.dtype.str, list(array.shape), order]
        for array, order in zip(arrays, orders, strict=True)
    ]
    header = json.dumps({"tree": tree, "arrays": listed}, separators=(",", ":")).encode()
    return _parts(header, arrays, orders)


def _parts(
    header: bytes, arrays: list[AnyArray], orders: list[list[int]]
) -> Iterator[bytes | memoryview]:
    checksum = hashlib.sha256()
    written = 0

    def counted(part: bytes | memoryview) -> bytes | memoryview:
        nonlocal written
        checksum.update(part)
        written += len(part)
        return part

    yield counted(_START.pack(MAGIC, FORMAT_VERSION, len(header)))
    yield counted(header)
    for array, order in zip(arrays, orders, strict=True):
        yield counted(bytes(-written % _ALIGN))
        straight = np.ascontiguousarray(array.transpose(order))
        if straight.size:
            yield counted(straight.reshape(-1).view(np.uint8).data)
    yield checksum.digest()


def unpack(content: bytes | bytearray, classes: Classes) -> Any:
    """Return what ``pack`` was given; nothing is looked at before the checksum has been found true.

    Raises
    ------
    CheckpointError
        The content is torn, changed, of another version, or was never written by ``pack``.
    """
    body = memoryview(content)
    if len(body) < _START.size + _DIGEST or bytes(body[:8]) != MAGIC:
        raise CheckpointError("it is not a checkpoint, or cut off at the beginning")
    body, digest = body[:-_DIGEST], bytes(body[-_DIGEST:])
    if hashlib.sha256(body).digest() != digest:
        raise CheckpointError("its checksum is wrong: it is cut off or was changed")
    _, version, length = _START.unpack(body[: _START.size])
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"its format version is {version}, this version of daskreg reads {FORMAT_VERSION}"
        )
    if length > len(body) - _START.size:
        raise CheckpointError("its header is longer than the file")
    tree, listed = _header(bytes(body[_START.size : _START.size + length]))
    arrays, end = [], _START.size + length
    for entry in listed:
        array, end = _array(entry, body, end + -end % _ALIGN)
        arrays.append(array)
    if end != len(body):
        raise CheckpointError("its arrays do not fill the file")
    return decode(tree, arrays, classes)


def _header(content: bytes) -> tuple[Any, list[Any]]:
    try:
        header = json.loads(content)
        tree, listed = header["tree"], header["arrays"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CheckpointError(f"its header is damaged: {type(error).__name__}") from error
    if not isinstance(listed, list):
        raise CheckpointError("its header lists no arrays")
    return tree, listed


def _array(entry: Any, body: memoryview, start: int) -> tuple[AnyArray, int]:
    """Return one array, in memory of its own, and where the file goes on."""
    try:
        name, shape, order = entry
        dtype = np.dtype(name) if isinstance(name, str) and len(name) < 16 else None
        whole = all(type(n) is int and n >= 0 for n in shape)
        sound = dtype is not None and dtype.kind in KINDS and dtype.itemsize > 0
        sound = sound and len(shape) <= _MAX_NDIM and sorted(order) == list(range(len(shape)))
    except (TypeError, ValueError) as error:
        raise CheckpointError("its list of arrays is damaged") from error
    if not sound or not whole or dtype is None:
        raise CheckpointError("its list of arrays is damaged")
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes > len(body) - start:
        raise CheckpointError("an array is longer than the file")
    try:
        flat = np.empty(math.prod(shape), dtype=dtype)
        if nbytes:
            flat.view(np.uint8)[:] = np.frombuffer(body[start : start + nbytes], dtype=np.uint8)
        straight = flat.reshape([shape[axis] for axis in order])
    except (TypeError, ValueError, OverflowError) as error:
        raise CheckpointError("its list of arrays is damaged") from error
    return straight.transpose(np.argsort(order)), start + nbytes


def memory_order(array: AnyArray) -> list[int]:
    """Return the axes from the slowest to the fastest in memory.

    Sums run in the order of memory, and so do matrix products: an array that came back in another
    order would round otherwise.
    """
    if not array.size:
        return list(range(array.ndim))
    steps = [abs(step) for step in array.strides]
    return sorted(range(array.ndim), key=lambda axis: -steps[axis] if array.shape[axis] > 1 else 0)
