"""Segments dealt out to shards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .columns import Columns
from .layout import Layout, by_home
from .passes.runs import make_runs, spread_pins
from .passes.scheduler import Scheduler
from .passes.shards import Lender, Shard
from .passes.threads import Threads
from .plan import SMALL, Plan

#: Shards for each worker thread, so that a pass ends evenly.
SHARDS_PER_THREAD = 2
#: Bytes after which a shard would take about a minute.
LONG_SHARD = 16 << 30

#: The segments of a shard, and the address of the worker that holds their blocks already.
Hand = tuple[Sequence[int], str | None]


def count_shards(columns: Columns, layout: Layout | None, workers: Sequence[Any]) -> int:
    """How many shards the workers should get."""
    if layout is None:
        return 0
    total = layout.n_rows * columns.X.row_nbytes
    if columns.X.resident and total < SMALL:
        return 1
    threads = sum(worker.threads for worker in workers)
    wanted = max(threads * SHARDS_PER_THREAD, int(total // LONG_SHARD))
    return min(layout.n_segments, wanted)


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
) -> list[Shard]:
    """One shard for each hand; pinned blocks are spread evenly over all of them."""
    share = plan.bytes_pinned / plan.total_bytes if plan.total_bytes else 0.0
    pins = spread_pins(layout.rows, share)
    runs = [make_runs(columns, layout.rows, layout.segments, list(hand)) for hand, _ in hands]
    return [
        Shard(
            own,
            layout.n_segments,
            pins=pins.intersection(spec.index for run in own for spec in run.specs),
            budget=plan.pin_capacity,
            names=names,
            data=data,
            lender=lender,
        )
        for own in runs
    ]
