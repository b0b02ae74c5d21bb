"""Which chunks of a zarr array are absent, found from listings, before any is decoded."""

from __future__ import annotations

import itertools
import math
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, TypeAlias, TypeVar

from daskreg.exceptions import MissingChunksError

from .zarr_shards import absent_inside_shards

#: Position in the grid of chunks, and key.
Absent: TypeAlias = tuple[tuple[int, ...], str]
Result = TypeVar("Result")

#: Absent chunks that a message names.
SHOWN = 3


def require_all_chunks(array: Any, what: str) -> None:
    """Refuse an array with absent chunks: they would be read as the fill value.

    The store is listed once; of a sharded array that has all its shards, each shard's index is
    read too.

    Raises
    ------
    MissingChunksError
        Names the first of them with their rows.
    """
    sizes = getattr(array, "shards", None) or array.chunks
    grid = [math.ceil(length / size) for length, size in zip(array.shape, sizes, strict=True)]
    present = _run(_present_keys(array))
    absent = list(_absent(array, grid, present))
    if not absent and sizes != array.chunks:
        sizes = array.chunks
        absent = _run(_collect(absent_inside_shards(array)))
        grid = [math.ceil(length / size) for length, size in zip(array.shape, sizes, strict=True)]
    if absent:
        raise MissingChunksError(_message(array, what, absent, math.prod(grid), sizes[0]))


def refusing_absent(array: Any) -> Any:
    """The same array, of which a chunk that has gone since it was opened is an error too."""
    import zarr
    from zarr.storage import StorePath

    from .zarr_store import RefusingStore

    place = StorePath(RefusingStore(array.store), array.path)
    return zarr.Array(zarr.AsyncArray(metadata=array.metadata, store_path=place))


def _message(
    array: Any, what: str, absent: list[Absent], n_chunks: int, rows_per_chunk: int
) -> str:
    named = [_with_rows(array, key, where[0], rows_per_chunk) for where, key in absent[:SHOWN]]
    more = f" and {len(absent) - SHOWN} more" if len(absent) > SHOWN else ""
    return (
        f"{what} lacks {len(absent)} of {n_chunks} chunks: {'; '.join(named)}{more}.  They would "
        f"be read as the fill value {array.fill_value}.  An interrupted write leaves such holes; "
        "but zarr also leaves out chunks equal to the fill value unless told otherwise "
        '(write_empty_chunks=True in zarr 2, config={"write_empty_chunks": True} in zarr 3). '
        'If they are meant to be the fill value, pass missing_chunks="fill"'
    )


def _with_rows(array: Any, key: str, index: int, length: int) -> str:
    start, stop = index * length, min((index + 1) * length, array.shape[0])
    return f"{key} (rows {start} to {stop - 1})"


def _absent(array: Any, grid: list[int], present: set[str]) -> Iterator[Absent]:
    encode = array.metadata.encode_chunk_key
    for where in itertools.product(*map(range, grid)):
        key = encode(where)
        if key not in present:
            yield where, key


async def _present_keys(array: Any) -> set[str]:
    """Keys of the store below the array, relative to it."""
    prefix = array.path.strip("/")
    skip = len(prefix) + 1 if prefix else 0
    return {key[skip:] async for key in array.store.list_prefix(f"{prefix}/" if prefix else "")}


async def _collect(found: AsyncIterator[Absent]) -> list[Absent]:
    return [one async for one in found]


def _run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run on the loop that zarr keeps in a thread: a remote store's connections belong to it."""
    from zarr.core.sync import sync

    return sync(coroutine)
