"""Chunks that are absent inside the shards of a zarr array, found from the shards' indices."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import AsyncIterator
from typing import Any

import numpy as np

from daskreg._typing import AnyArray

#: What an index holds for a chunk that is not there: offset and length of all ones.
ABSENT = np.uint64(2**64 - 1)
#: Indices that are asked for together.
AT_ONCE = 64


async def absent_inside_shards(array: Any) -> AsyncIterator[tuple[tuple[int, ...], str]]:
    """Yield position in the grid of chunks, and name, of each chunk a shard lacks.

    One small request a shard reads its index; nothing is decoded.  Indices that are packed
    otherwise than is usual are not looked into.

    Notes
    -----
    Zarr extension proposal 2, "Sharding codec" (2023), section "Binary shard format".
    """
    codec = _sharding(array)
    if codec is None:
        return
    inside = [shard // chunk for shard, chunk in zip(array.shards, array.chunks, strict=True)]
    grid = [
        math.ceil(length / size) for length, size in zip(array.shape, array.shards, strict=True)
    ]
    shards = itertools.product(*map(range, grid))
    while some := list(itertools.islice(shards, AT_ONCE)):
        indices = await asyncio.gather(*(_index(array, codec, shard, inside) for shard in some))
        for shard, index in zip(some, indices, strict=True):
            for local in np.argwhere(index == ABSENT).tolist():
                where = tuple(s * n + i for s, n, i in zip(shard, inside, local, strict=True))
                if all(w * c < n for w, c, n in zip(where, array.chunks, array.shape, strict=True)):
                    key = array.metadata.encode_chunk_key(shard)
                    yield where, f"{key}, chunk {'/'.join(map(str, local))} in it"


def _sharding(array: Any) -> Any:
    """The codec that makes the shards, if its index is laid out as usual: little, checksummed."""
    codecs: Any = getattr(array.metadata, "codecs", ())
    if getattr(array, "shards", None) is None or len(codecs) != 1:
        return None
    names = [codec.to_dict() for codec in codecs[0].index_codecs]
    usual = [name["name"] for name in names] == ["bytes", "crc32c"]
    return codecs[0] if usual and names[0]["configuration"]["endian"] == "little" else None


async def _index(array: Any, codec: Any, shard: tuple[int, ...], inside: list[int]) -> AnyArray:
    """Offsets of the chunks of one shard."""
    from zarr.abc.store import RangeByteRequest, SuffixByteRequest
    from zarr.core.buffer import default_buffer_prototype

    nbytes = 16 * math.prod(inside) + 4
    at_start = str(getattr(codec.index_location, "value", codec.index_location)) == "start"
    place = RangeByteRequest(0, nbytes) if at_start else SuffixByteRequest(nbytes)
    key = f"{array.path.strip('/')}/{array.metadata.encode_chunk_key(shard)}".lstrip("/")
    buffer = await array.store.get(key, default_buffer_prototype(), byte_range=place)
    if buffer is None:
        return np.full(inside, ABSENT)
    pairs = np.frombuffer(buffer.to_bytes()[:-4], "<u8").reshape(*inside, 2)
    return pairs[..., 0]
