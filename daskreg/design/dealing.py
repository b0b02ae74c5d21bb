"""Rows laid out in blocks and segments, planned, and dealt out to shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from .columns import Columns
from .device.need import DeviceShare
from .layout import MAX_SEGMENTS, Hand, Layout, by_home, make_layout
from .origin import Origin
from .passes.active import active_scheduler
from .passes.lender import Lender
from .passes.running import Journal
from .passes.runs import Run, make_runs, spread_pins
from .passes.scheduler import Scheduler
from .passes.seals import Key, Seal, Seals
from .passes.shards import Shard
from .passes.threads import Threads
from .passes.tier import Spooling
from .plan import SMALL, Plan, choose_block, make_plan
from .work import Work
from .workers import Worker

#: Shards for each worker thread, so that a pass ends evenly.
SHARDS_PER_THREAD = 2
#: Bytes after which a shard would take about a minute.
LONG_SHARD = 16 << 30
#: How many times as long a shard may be where all workers have a card.
CARD_TIMES = 8

#: Bytes of a shard at most where finished shards are to be kept: a pass that ends early loses
#: those that ran.
KEPT_SHARD = 1 << 30


def count_shards(
    columns: Columns,
    layout: Layout | None,
    workers: Sequence[Worker],
    longest: int = LONG_SHARD,
) -> int:
    """How many shards, of at most ``longest`` bytes, the workers should get."""
    if layout is None:
        return 0
    total = layout.n_rows * columns.X.row_nbytes
    if columns.X.resident and total < SMALL:
        return 1
    threads = sum(worker.threads for worker in workers)
    if all(worker.card is not None for worker in workers):
        # A pass over a card takes milliseconds: what a second task costs counts.
        wanted = max(threads, int(total // (longest * CARD_TIMES)))
    else:
        wanted = max(threads * SHARDS_PER_THREAD, int(total // longest))
    return min(layout.n_segments, wanted)


def choose_scheduler(
    columns: Columns, memory_limit: int | None, worker_timeout: float | None = None
) -> Scheduler:
    """What the user has started; this process alone for little data in its memory."""
    X = columns.X
    if X.resident and (X.n_rows or 0) * X.row_nbytes < SMALL:
        return Threads(memory_limit, little=True)
    return active_scheduler(memory_limit, worker_timeout)


def draft(
    columns: Columns,
    workers: Sequence[Worker],
    work: Work,
    block_size: int | None,
    origin: Origin | None = None,
    cache: str | None = "auto",
    journal: Journal | None = None,
) -> tuple[Layout | None, Plan]:
    """Layout and plan; the layout is None while rows are unknown, and the origin's if there is one.

    Raises
    ------
    MemoryPlanError
        Where the work does not fit.
    """
    X = columns.X
    block = choose_block(columns, workers, block_size, work.partial_bytes)
    layout = None if origin is None else origin.layout
    if journal is not None:
        layout = layout or journal.layout_for(X.n_rows, X.row_chunks)
        kept = journal.reserve(work.partial_bytes)
        work = replace(work, client_bytes=work.client_bytes + kept)
    if X.n_rows is not None and layout is None:
        layout = make_layout(
            X.n_rows,
            rows_per_block=max(1, int(block // max(1.0, X.row_nbytes))),
            row_chunks=X.row_chunks,
            whole_chunks=X.persisted,
            max_segments=None if X.persisted else MAX_SEGMENTS,
        )
    hands = None if origin is None else origin.hands
    longest = LONG_SHARD if journal is None else KEPT_SHARD
    plan = make_plan(
        columns,
        layout,
        workers,
        work,
        block_bytes=block,
        n_shards=len(hands) if hands else count_shards(columns, layout, workers, longest),
        merged=journal is not None,
        persisted=X.persisted,
        elsewhere=None if origin is None else origin.elsewhere(),
        keeps=cache is not None,
    )
    return layout, plan


def deal(columns: Columns, layout: Layout, plan: Plan, scheduler: Scheduler) -> list[Hand]:
    """Which segments each shard gets."""
    homes = getattr(columns.X, "chunk_homes", None)
    if homes is not None and plan.n_workers >= 1 and not isinstance(scheduler, Threads):
        return by_home(homes(scheduler), plan.n_shards)
    return [(run, None) for run in layout.deal(plan.n_shards)]


def make_shards(
    columns: Columns,
    layout: Layout,
    plan: Plan,
    hands: Sequence[Hand],
    *,
    names: tuple[str, ...] | None = None,
    data: str = "",
    lender: Lender | None = None,
    spooling: Spooling | None = None,
    seals: Mapping[Key, Seal] | None = None,
) -> list[Shard]:
    """One shard for each hand; pinned blocks are spread evenly over all of them.

    Blocks are compared with their ``seals``, or with those that the first reading makes, whenever
    they are read; None: they are not.
    """
    runs = [make_runs(columns, layout.rows, layout.segments, list(hand)) for hand, _ in hands]
    on_cards, pins = _kept(layout, plan, [own[0].specs[0].index for own in runs if own])
    return [
        Shard(
            own,
            layout.n_segments,
            pins=pins.intersection(spec.index for run in own for spec in run.specs),
            budget=plan.pin_capacity,
            names=names,
            data=data,
            lender=lender,
            spooling=spooling,
            seals=None if seals is None else Seals.of(seals, (s for run in own for s in run.specs)),
            device=_device_share(plan, on_cards, own),
        )
        for own in runs
    ]


def _kept(
    layout: Layout, plan: Plan, first: Sequence[int]
) -> tuple[frozenset[int], frozenset[int]]:
    """Numbers of the blocks that are to stay on cards, and of those in host memory; ``first`` are
    those that shards begin with."""
    share = plan.bytes_pinned / plan.total_bytes if plan.total_bytes else 0.0
    if plan.device is None:
        return frozenset(), spread_pins(layout.rows, share, first)
    on_cards = spread_pins(layout.rows, plan.device.share, first)
    return on_cards, spread_pins(layout.rows, share + plan.device.share, first) - on_cards


def _device_share(plan: Plan, on_cards: frozenset[int], runs: Sequence[Run]) -> DeviceShare | None:
    if plan.device is None:
        return None
    own = on_cards.intersection(spec.index for run in runs for spec in run.specs)
    each = plan.total_bytes * plan.device.share / max(1, len(on_cards))
    return DeviceShare(own, plan.device.reserve, int(each * len(own)), plan.device.passing)
