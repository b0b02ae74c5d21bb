"""What a process holds while passes run: named terms, in bytes."""

from __future__ import annotations

from collections.abc import Sequence

from .columns import Columns, nbytes_in_flight
from .layout import Layout
from .sources.base import Rows
from .work import Work
from .workers import LIBRARY_NBYTES, MIB, Worker

#: What a process still grows by before the first pass ends: libraries loaded late, thread stacks,
#: freed memory that the allocator keeps.
HEADROOM = 48 * MIB


def memory_terms(
    columns: Columns,
    worker: Worker,
    work: Work,
    block_bytes: int,
    in_memory: bool,
    layout: Layout | None,
    n_shards: int,
    local: bool,
) -> dict[str, int]:
    """Peak of one process, in bytes by name, before anything is pinned."""
    tree = 2 + (max(1, layout.n_segments // max(1, n_shards)).bit_length() if layout else 1)
    # A census runs on every thread.
    running = min(worker.threads, max(1, n_shards)) if layout else worker.threads
    terms = {
        "process as it stands": worker.memory,
        "libraries and threads to come": HEADROOM
        + libraries_nbytes(columns, worker, work.libraries),
    }
    if not in_memory:
        # Workers are started with a malloc that hands back what is freed; here it keeps a block.
        kept = block_bytes if local else 0
        terms["blocks in flight"] = running * (_in_flight(columns, block_bytes, layout) + kept)
        # All threads make rows ready, before any block is in flight.
        turning = worker.threads * max(rows.settle_nbytes for _, rows in columns.parts())
        more = max(0, turning - terms["blocks in flight"])
        terms["chunks of columns turned to rows"] = more
    terms["kernel temporaries"] = running * work.temporaries
    terms["partial sums"] = running * tree * work.partial_bytes
    if local:
        terms["solver"] = work.client_bytes + n_shards * work.partial_bytes
    return terms


def libraries_nbytes(columns: Columns, worker: Worker, more: Sequence[str] = ()) -> int:
    """Bytes of what reading, and the work on what is read, is still going to import."""
    needed = {name for _, rows in columns.parts() for name in rows.libraries} | set(more)
    return sum(LIBRARY_NBYTES[name] for name in needed - worker.loaded)


def _in_flight(columns: Columns, block_bytes: int, layout: Layout | None) -> int:
    """Bytes of blocks in one running shard: one in the kernel, some ahead, one being decoded.

    A chunk that is larger than a block is decoded whole and handed out in pieces.
    """
    factor = columns.X.decode_factor
    size = nbytes_in_flight(block_bytes) + block_bytes * (factor - 1)
    for name, rows in columns.parts():
        chunk = _largest_cut_chunk(rows, layout)
        if chunk and name == "X":
            # Pieces are copied where they are pinned or the last of their chunk.
            size = nbytes_in_flight(block_bytes) + block_bytes
        size += chunk
    return int(size) + readers_nbytes(columns)


def readers_nbytes(columns: Columns) -> int:
    """Bytes that open readers hold beside blocks; columns of one file are read together."""
    readers: dict[str, int] = {}
    for _, rows in columns.parts():
        readers[rows.describe] = max(rows.reader_nbytes, readers.get(rows.describe, 0))
    return sum(readers.values())


def _largest_cut_chunk(rows: Rows, layout: Layout | None) -> int:
    """Bytes it takes to decode the largest chunk that is larger than a block; 0: there is none."""
    chunks = rows.row_chunks
    if not chunks or rows.resident or layout is None or max(chunks) <= layout.largest_block:
        return 0
    return int(max(chunks) * rows.row_nbytes * rows.decode_factor)
