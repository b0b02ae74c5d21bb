"""What a fit tells the page: small messages of plain values, under one topic of the event log."""

from __future__ import annotations

from typing import Any

#: The topic in the scheduler's event log.
TOPIC = "daskreg"
#: Name of the plugin, and place of its page.
NAME, PAGE = "daskreg-dashboard", "daskreg"
#: Columns of the points of the convergence, and of the passes.
POINT = ("n_pass", "seconds", "gap", "objective", "n_nonzero", "n_active", "bytes_read")
PASS = ("n_pass", "seconds", "took", "device", "memory", "disk", "source")
#: Columns of a shard: bytes by tier after the pass, and what it took.
SHARD = ("where", "device", "memory", "disk", "source", "n_rows", "took")
#: Shards of a pass that are told of one by one; of more, those of a worker are added up.
MOST_SHARDS = 32


def shard_rows(shards: Any) -> list[list[Any]]:
    """Where the blocks of each shard are after a pass.

    Parameters
    ----------
    shards : sequence of ShardRecord

    Returns
    -------
    list of rows with the columns of ``SHARD``
    """
    rows = []
    for shard in shards:
        whole = left = shard.device + shard.memory + shard.disk + shard.source
        sizes = []
        for now, after in ((shard.device, shard.on_card), (shard.memory, shard.pinned)):
            sizes.append(min(left, max(now, after)))
            left -= sizes[-1]
        sizes.append(min(left, max(shard.disk, shard.spooled)))
        sizes.append(whole - sum(sizes))
        rows.append([shard.where, *map(int, sizes), int(shard.n_rows), float(shard.seconds)])
    return rows if len(rows) <= MOST_SHARDS else _by_worker(rows)


def _by_worker(rows: list[list[Any]]) -> list[list[Any]]:
    workers: dict[str, list[Any]] = {}
    for where, *values in rows:
        known = workers.setdefault(where, [where, *(0 for _ in values)])
        known[1:] = [a + b for a, b in zip(known[1:], values, strict=True)]
    return list(workers.values())
