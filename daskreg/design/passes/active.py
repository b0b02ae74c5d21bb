"""Which scheduler a pass runs on: what the user has started."""

from __future__ import annotations

import sys
from typing import Any

from .scheduler import Scheduler
from .threads import Threads


def active_scheduler(memory_limit: int | None = None) -> Scheduler:
    """The Dask client in use, else the threads of this process.

    The library takes what is active and starts no cluster.
    """
    client = active_client()
    if client is not None:
        from .cluster import Cluster

        return Cluster(client, memory_limit)
    return Threads(memory_limit)


def active_client() -> Any:
    """The default ``distributed.Client``, or None."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    import dask

    chosen = dask.config.get("scheduler", None)
    if not (chosen is None or chosen in ("dask.distributed", "distributed")):
        return chosen if isinstance(chosen, distributed.Client) else None
    try:
        return distributed.default_client()
    except ValueError:
        return None
