"""One-line starters of Dask clusters; the library itself never starts one."""

from __future__ import annotations

import logging
from typing import Any

#: Run by every worker process: Ctrl-C reaches all processes of a terminal, but it is for the one
#: that the user talks to, which then ends the others.
_LEAVE_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"


def local(
    n_workers: int = 2,
    threads_per_worker: int = 1,
    memory_limit: int | str | None = None,
    **settings: Any,
) -> Any:
    """Start worker processes on this machine and return their ``distributed.Client``.

    Everything listens on 127.0.0.1 only, the dashboard included (a free port, see
    ``client.dashboard_link``).  Closing the client, or leaving its ``with`` block in any way,
    stops the processes.  While it is open every fit in this process uses it.

    Parameters
    ----------
    n_workers, threads_per_worker : int
        Processes, and threads in each that run shards.
    memory_limit : int or str, optional
        Per process, in bytes or as "1GiB"; None divides the machine's memory.
    **settings
        Passed on to ``distributed.LocalCluster``.

    Returns
    -------
    distributed.Client

    Notes
    -----
    In a script, call it below ``if __name__ == "__main__":``; the worker processes import the
    script.

    Examples
    --------
    >>> from daskreg import cluster
    >>> with cluster.local(n_workers=1, processes=False) as client:
    ...     client.submit(sum, [1, 2]).result()
    3
    """
    from distributed import Client

    if n_workers < 1 or threads_per_worker < 1:
        raise ValueError(
            f"expected at least one worker and thread, got {n_workers} and {threads_per_worker}"
        )
    defaults: dict[str, Any] = {
        "dashboard_address": "127.0.0.1:0",
        "silence_logs": logging.CRITICAL,
    }
    if settings.get("processes", True):
        defaults |= {"host": "127.0.0.1", "preload": [_LEAVE_CTRL_C]}
    return Client(
        n_workers=n_workers,
        threads_per_worker=threads_per_worker,
        memory_limit="auto" if memory_limit is None else memory_limit,
        **defaults | settings,
    )
