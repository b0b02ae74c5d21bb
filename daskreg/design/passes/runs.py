"""Which blocks a shard runs over, and which of them stay in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from daskreg.design.columns import BlockSpec, Columns


@dataclass(frozen=True)
class Run:
    """Consecutive blocks and the recipes that make them."""

    columns: Columns
    specs: tuple[BlockSpec, ...]


def spread_pins(rows: Sequence[int], share: float, first: Collection[int] = (0,)) -> frozenset[int]:
    """Numbers of the blocks to pin: ``share`` of the rows, spread evenly among the streamed ones,
    so that the disk works while the kernel is busy with pinned blocks.

    Each shard begins with one, as far as the share goes: a shard would wait for its first block,
    and meanwhile that is read which comes after it.

    Parameters
    ----------
    rows : sequence of int
        Borders as in ``Layout``.
    share : float
        0 to 1.
    first : collection of int
        Blocks that shards begin with.
    """
    total, pins = 0.0, set[int]()
    ends = [*sorted(set(first) | {0}), len(rows) - 1]
    for begin, end in pairwise(ends):
        # What the shards before have left of their share is used here.
        room = share * rows[end] * (1 + 1e-12) - total
        own, pinned = room / max(1, rows[end] - rows[begin]), 0
        for index in range(begin, end):
            size = rows[index + 1] - rows[index]
            if pinned <= own * (rows[index] - rows[begin]) and pinned + size <= room:
                pins.add(index)
                pinned += size
        total += pinned
    return frozenset(pins)


def make_runs(
    columns: Columns, rows: Sequence[int], segments: Sequence[int], chosen: Sequence[int]
) -> list[Run]:
    """Runs for the chosen segments (ascending): one for each unbroken stretch.

    Parameters
    ----------
    columns : Columns
        Of the whole data.
    rows, segments : sequence of int
        Borders as in ``Layout``.
    chosen : sequence of int
    """
    breaks = [i for i, (a, b) in enumerate(pairwise(chosen), 1) if b != a + 1]
    runs = []
    for low, high in pairwise([0, *breaks, len(chosen)]):
        stretch = chosen[low:high]
        specs = tuple(
            BlockSpec(index, rows[index], rows[index + 1], segment)
            for segment in stretch
            for index in range(segments[segment], segments[segment + 1])
        )
        runs.append(Run(columns.cut(specs[0].start, specs[-1].stop), specs))
    return runs
