"""Which chunks of a zarr array are absent, found from listings, before any is decoded."""

from __future__ import annotations

import asyncio
import itertools
import math
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

from daskreg.exceptions import MissingChunksError

#: Absent chunks that a message names.
SHOWN = 3


def require_all_chunks(array: Any, what: str) -> None:
    """Refuse an array with absent chunks: they would be read as the fill value.

    The store is listed once; of sharded arrays the shards are what is looked for.

    Raises
    ------
    MissingChunksError
        Names the first of them with their rows.
    """
    shards = getattr(array, "shards", None) or array.chunks
    grid = [math.ceil(length / size) for length, size in zip(array.shape, shards, strict=True)]
    total = math.prod(grid)
    present = _present_keys(array)
    if len(present) >= total and _n_absent(array, grid, present) == 0:
        return
    absent = list(itertools.islice(_absent(array, grid, present), SHOWN))
    if not absent:
        return
    shown = "; ".join(_with_rows(array, key, where[0], shards[0]) for where, key in absent)
    n_absent = _n_absent(array, grid, present)
    more = f" and {n_absent - len(absent)} more" if n_absent > len(absent) else ""
    raise MissingChunksError(
        f"{what} lacks {n_absent} of {total} chunks: {shown}{more}.  They would be read as the "
        f"fill value {array.fill_value}.  An interrupted write leaves such holes; but zarr also "
        "leaves out chunks equal to the fill value unless told otherwise "
        '(write_empty_chunks=True in zarr 2, config={"write_empty_chunks": True} in zarr 3). '
        'If they are meant to be the fill value, pass missing_chunks="fill"'
    )


def _with_rows(array: Any, key: str, index: int, length: int) -> str:
    start, stop = index * length, min((index + 1) * length, array.shape[0])
    return f"{key} (rows {start} to {stop - 1})"


def _absent(
    array: Any, grid: list[int], present: set[str]
) -> Iterator[tuple[tuple[int, ...], str]]:
    encode = array.metadata.encode_chunk_key
    for where in itertools.product(*map(range, grid)):
        key = encode(where)
        if key not in present:
            yield where, key


def _n_absent(array: Any, grid: list[int], present: set[str]) -> int:
    return sum(1 for _ in _absent(array, grid, present))


def _present_keys(array: Any) -> set[str]:
    """Keys of the store below the array, relative to it."""
    prefix = array.path.strip("/")
    keys = _run(_collect(array.store.list_prefix(f"{prefix}/" if prefix else "")))
    skip = len(prefix) + 1 if prefix else 0
    return {key[skip:] for key in keys}


async def _collect(keys: AsyncIterator[str]) -> list[str]:
    return [key async for key in keys]


def _run(coroutine: Coroutine[Any, Any, list[str]]) -> list[str]:
    """Run on a loop of its own, in a thread, as the caller's may be running already (Jupyter)."""
    result: list[str] = []
    thread = threading.Thread(target=lambda: result.extend(asyncio.run(coroutine)))
    thread.start()
    thread.join()
    return result
