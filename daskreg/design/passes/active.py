"""Which scheduler a pass runs on: what the user has started."""

from __future__ import annotations

import sys
from typing import Any

from .scheduler import Scheduler
from .threads import Threads


def active_scheduler(
    memory_limit: int | None = None, worker_timeout: float | None = None
) -> Scheduler:
    """The Dask client in use, else the threads of this process.

    The library takes what is active and starts no cluster.  Inside a task of a Dask worker it is
    the threads of that worker: the task holds one of them, and a pass on the cluster might wait
    for it.  In ``with distributed.worker_client():`` the task gives its thread back, and the pass
    runs on the cluster.
    """
    held = worker_of_task()
    if held is not None:
        limit = getattr(held, "memory_manager", held).memory_limit
        share = limit // max(1, held.state.nthreads) if limit else None
        return Threads(min(filter(None, (memory_limit, share)), default=None))
    client = active_client()
    if client is not None:
        from .cluster import Cluster

        return Cluster(client, memory_limit, worker_timeout)
    return Threads(memory_limit)


def worker_of_task() -> Any:
    """The worker of whose threads a task holds this one; None outside, or where it was given back
    (``secede``, ``worker_client``)."""
    pool = sys.modules.get("distributed.threadpoolexecutor")
    if pool is None or not getattr(pool.thread_state, "proceed", False):
        return None
    import distributed

    try:
        return distributed.get_worker()
    except ValueError:
        return None


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
