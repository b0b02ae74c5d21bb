"""Bytes, passes and memory foreseen before the first byte is read; refuses what cannot fit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from daskreg._array import name_of
from daskreg.exceptions import MemoryPlanError

from .columns import Columns, nbytes_in_flight
from .device.need import DevicePlan, block_limit, device_plan, device_terms
from .host import format_bytes
from .layout import Layout
from .sources.base import Rows
from .terms import HEADROOM, libraries_nbytes, memory_terms, readers_nbytes
from .work import Beside, Elsewhere, Work
from .workers import LOCAL_SHARE, MIB, Worker

#: Data in this process's memory below this size never meet a scheduler.
SMALL = 8 * MIB
#: Largest block unless the caller asks for another size.
MAX_BLOCK = 64 * MIB
#: Share of the memory left that blocks in flight may take.
SHARE_IN_FLIGHT = 1 / 4
#: Blocks are cut no smaller than this for the sake of parallelism.
MIN_BLOCK = MIB
#: Rows in memory that take so long to multiply that their sums hardly count, however wide; as far
#: as memory goes: those that are not in C order are copied, and other processes get them by blocks.
PAYING_ROWS = 256
#: Pieces that they are cut into at least; fewer, where they are read in place, if a partial is a
#: larger share of one than this: so many, whatever the threads, on which no bit may depend.
PIECES, LARGE_PARTIAL, FEW_PIECES = 16, 8, 8
#: Levels of the summation tree, about.
LEVELS = 8
#: Terms of the memory: what lasts from pass to pass, and what is let go at the end of each.
PINNED = "blocks pinned between passes"
IN_A_PASS = ("blocks in flight", "kernel temporaries", "partial sums")


@dataclass(frozen=True)
class Plan:
    """What a fit will read, keep and cost.

    Attributes
    ----------
    n_rows : int or None
        None: unknown until a census pass.
    n_columns, n_blocks, n_segments, n_shards : int
    total_bytes : int
        X with y, weights and offset, decoded.
    block_bytes : int
        The largest block.
    bytes_pinned, bytes_streamed : int
        Kept between passes in all workers together, and read again each pass.
    pin_capacity : int
        Most that may be pinned in a process, with what is pinned there of the designs that these
        rows were selected from, if it has to take over the shards of a lost one.
    memory : mapping of str to int
        Peak of one worker as named terms, in bytes.
    memory_limit : int
        Bytes a worker may use; ``usable`` is the part of it that the plan may fill.
    passes : int or None
    bytes_spooled : int
        The part of what is streamed that is read from local disks instead of its source, as the
        first pass has decided.
    device : DevicePlan or None
        What of it goes to the cards of the workers; None: passes run on processors.
    """

    source: str
    n_rows: int | None
    n_columns: int
    dtype: str
    total_bytes: int
    n_blocks: int
    n_segments: int
    n_shards: int
    n_workers: int
    n_threads: int
    block_bytes: int
    bytes_pinned: int
    bytes_streamed: int
    pin_capacity: int
    memory: Mapping[str, int] = field(repr=False)
    memory_limit: int
    usable: int
    passes: int | None
    resident: bool = False
    notes: tuple[str, ...] = ()
    bytes_spooled: int = 0
    device: DevicePlan | None = None

    @property
    def peak(self) -> int:
        """Most bytes a worker process is going to hold."""
        return sum(self.memory.values())

    @property
    def beside(self) -> Beside:
        """What a design that is read in turn with this one has to leave for it."""
        return Beside(
            self.memory.get(PINNED, 0), sum(self.memory.get(name, 0) for name in IN_A_PASS)
        )

    def __str__(self) -> str:
        rows = "rows unknown" if self.n_rows is None else f"{self.n_rows:,} rows"
        size = "" if self.n_rows is None else f", {format_bytes(self.total_bytes)}"
        lines = [
            f"data       {self.source}: {rows} x {self.n_columns:,} columns, {self.dtype}{size}"
        ]
        if self.n_rows is None:
            lines.append("           one census pass will count the rows and spool them")
        else:
            lines += [
                f"blocks     {self.n_blocks:,} of up to {format_bytes(self.block_bytes)} in "
                f"{_count(self.n_segments, 'segment')}",
                f"shards     {self.n_shards} on {_count(self.n_workers, 'process')} x "
                f"{_count(self.n_threads, 'thread')}",
                self._tiers(),
                f"passes     {self.passes if self.passes is not None else 'until converged'}",
            ]
        lines.append(
            f"memory     {format_bytes(self.peak)} at the peak of a process, limit "
            f"{format_bytes(self.memory_limit)} ({format_bytes(self.usable)} usable)"
        )
        lines += [f"           {format_bytes(v):>10}  {k}" for k, v in self.memory.items() if v]
        if self.device is not None:
            lines.append(f"device     {self.device}")
        lines += [f"note       {note}" for note in self.notes]
        return "\n".join(lines)

    def _tiers(self) -> str:
        kept = 0 if self.device is None else self.device.bytes_kept
        card = f"{format_bytes(kept)} on cards, " if kept else ""
        if self.resident:
            return "tiers      all in memory already; nothing is read"
        disk = f", {format_bytes(self.bytes_spooled)} of it from disk" if self.bytes_spooled else ""
        return (
            f"tiers      {card}{format_bytes(self.bytes_pinned)} pinned in memory, "
            f"{format_bytes(self.bytes_streamed)} read each pass{disk}"
        )


def _count(number: int, noun: str) -> str:
    plural = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{plural}"


def choose_block(
    columns: Columns, workers: Sequence[Worker], block_size: int | None, partial_bytes: int = 0
) -> int:
    """Bytes of a block: the caller's wish, else ``min(64 MiB, 1/8 of the memory left)``, of blocks
    that are read ahead half as much; smaller where the data would not feed every thread, but no
    smaller than the partial that it costs."""
    if block_size is not None:
        return block_size
    readers = readers_nbytes(columns)
    left = min(
        (w.usable - w.memory - HEADROOM - libraries_nbytes(columns, w)) // max(1, w.threads)
        - readers
        for w in workers
    )
    cards = [worker.card for worker in workers if worker.card is not None]
    largest = block_limit(cards) if len(cards) == len(workers) else MAX_BLOCK
    most = max(MIN_BLOCK // 4, min(largest, left // 8))
    if largest == MAX_BLOCK and not columns.X.resident:
        most = _streamed_block(columns.X, int(left * SHARE_IN_FLIGHT), most)
    n_rows = columns.X.n_rows
    if n_rows is None:
        return most
    total = int(n_rows * columns.X.row_nbytes)
    block = min(most, max(MIN_BLOCK, total // 32, partial_bytes))
    if columns.X.resident and not columns.X.sparse and not cards:
        rows, pieces = PAYING_ROWS, PIECES
        if columns.X.in_place and total // pieces < LARGE_PARTIAL * partial_bytes:
            # Each thread holds a partial of some blocks until it has those beside them.
            rows, pieces = 2 * rows, FEW_PIECES
        return max(block, min(int(rows * columns.X.row_nbytes), total // pieces, left // 8))
    return block


def _streamed_block(X: Rows, in_flight: int, most: int) -> int:
    """Bytes of a block of which as many as there may be are read ahead; of chunks that are decoded
    whole rather fewer than two for each."""
    chunk = int(max(X.row_chunks or (0,)) * X.row_nbytes) if X.plain_file is None else 0
    half = max(MIN_BLOCK // 4, most // 2)
    return chunk if half < chunk <= most and nbytes_in_flight(chunk) <= in_flight else half


def make_plan(
    columns: Columns,
    layout: Layout | None,
    workers: Sequence[Worker],
    work: Work,
    *,
    block_bytes: int,
    n_shards: int,
    merged: bool = False,
    persisted: bool = False,
    elsewhere: Elsewhere | None = None,
    keeps: bool = True,
) -> Plan:
    """Add up what the fit needs; raise where it cannot fit.

    Raises
    ------
    MemoryPlanError
        With the numbers and what to change.
    """
    X = columns.X
    extra = sum(rows.row_nbytes for name, rows in columns.parts() if name != "X")
    row_bytes = X.row_nbytes + extra
    total = int((X.n_rows or 0) * row_bytes)
    local = len(workers) == 1 and workers[0].share == LOCAL_SHARE
    # What lies in the client's memory reaches other processes through a file.
    in_memory = (X.resident and local) or persisted
    if layout is not None:
        block_bytes = int(layout.largest_block * row_bytes)
    worker = min(workers, key=lambda w: w.usable - w.memory)
    # Sums that are added as they come leave one for each level of the tree and each thread.
    n_sums = min(n_shards, LEVELS + 2 * worker.threads) if merged else n_shards
    terms = memory_terms(columns, worker, work, block_bytes, in_memory, layout, n_sums, local)
    own = sum(terms.get(name, 0) for name in IN_A_PASS)
    terms["other rows, read in turn"] = work.beside.kept + max(0, work.beside.passing - own)
    lent = elsewhere is not None or work.beside != Beside()
    elsewhere = elsewhere or Elsewhere()
    terms["pinned for all columns"] = elsewhere.to_come
    terms["left for selected columns"] = -(-work.selected_bytes // len(workers))
    device, note = _device(columns, layout, workers, work, block_bytes, n_sums, keeps, lent)
    if device is not None and not in_memory:
        beside = extra * (X.n_rows or 0) * device.share
        terms["beside blocks on cards"] = -(-int(beside) // len(workers))
    free = worker.usable - sum(terms.values())
    if free < 0:
        _refuse(worker, terms, block_bytes)
    one_pass = work.passes == 1
    on_cards = 0 if device is None else int(total * device.share)
    wanted = 0 if in_memory or one_pass or not keeps else total - on_cards
    pinned = min(wanted, free * len(workers))
    if pinned:
        # Shards are dealt out whole, so one process may hold one more than its even part.
        uneven = pinned // max(1, n_shards) if len(workers) > 1 else 0
        even = -(-pinned // len(workers)) + block_bytes
        terms[PINNED] = min(free, even + uneven)
    return Plan(
        source=X.describe,
        n_rows=X.n_rows,
        n_columns=X.n_columns,
        dtype=f"{'sparse ' if X.sparse else ''}{name_of(X.dtype)}",
        total_bytes=total,
        n_blocks=layout.n_blocks if layout else 0,
        n_segments=layout.n_segments if layout else 0,
        n_shards=n_shards,
        n_workers=len(workers),
        n_threads=worker.threads,
        block_bytes=block_bytes,
        bytes_pinned=pinned,
        bytes_streamed=0 if in_memory else total - on_cards - pinned,
        pin_capacity=free + elsewhere.pinned if pinned else 0,
        memory=terms,
        memory_limit=worker.memory_limit,
        usable=worker.usable,
        passes=work.passes,
        resident=in_memory,
        notes=tuple(
            said
            for said in (work.note, note, _rereading(X, in_memory, total > on_cards + pinned))
            if said
        ),
        device=device,
    )


def _device(
    columns: Columns,
    layout: Layout | None,
    workers: Sequence[Worker],
    work: Work,
    block_bytes: int,
    n_shards: int,
    keeps: bool,
    lent: bool,
) -> tuple[DevicePlan | None, str]:
    """What goes to the cards of the workers, and what to say where that is nothing."""
    cards = [worker.card for worker in workers]
    if layout is None or not any(cards):
        return None, ""
    size = layout.n_rows * columns.X.row_nbytes
    if columns.X.resident and size < SMALL and not any(c and c.demanded for c in cards):
        return None, ""  # asking a card takes longer than adding up
    running = min(max(worker.threads for worker in workers), max(1, n_shards))
    stored = block_bytes // (columns.X.dtype.itemsize + 4) if columns.X.sparse else 0
    terms = device_terms(
        *(block_bytes, work.temporaries, work.partial_bytes, LEVELS + 2, running, stored)
    )
    terms["left for selected columns"] = -(-work.selected_bytes // len(workers))
    beside = sum(rows.row_nbytes for name, rows in columns.parts() if name != "X")
    beside_bytes = int(layout.n_rows * beside)
    keeps = keeps and work.passes != 1
    return device_plan(cards, int(size), beside_bytes, keeps, terms, lent)


def _rereading(X: Rows, in_memory: bool, streams: bool) -> str:
    whole = X.takes_whole_rows and streams and not in_memory
    return "what is not pinned is taken from whole rows, which are read each pass" if whole else ""


def _refuse(worker: Worker, terms: Mapping[str, int], block_bytes: int) -> None:
    need = sum(terms.values())
    parts = ", ".join(f"{name} {format_bytes(size)}" for name, size in terms.items() if size)
    # What is shown has one decimal, and must suffice.
    wanted = need / worker.share
    step = max(MIB, 1024 ** int(math.log(wanted, 1024)) / 10)
    limit = math.ceil(math.ceil(wanted / step + 1e-9) * step)
    error = MemoryPlanError(
        f"this fit needs {format_bytes(need)} in a process but may use "
        f"{format_bytes(worker.usable)} ({worker.share:.0%} of "
        f"memory_limit={format_bytes(worker.memory_limit)}): {parts}. "
        f"Raise memory_limit to {format_bytes(limit)} or more, use fewer threads per process "
        f"(now {worker.threads}), or a smaller block_size (now {format_bytes(block_bytes)})"
    )
    error.limit = limit
    raise error
