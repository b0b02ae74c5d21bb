"""Worker processes on this machine."""

from __future__ import annotations

import logging
from typing import Any

from ._security import DASHBOARD, LOOPBACK, protocol_of, security_of

#: Run by every worker process: Ctrl-C reaches all processes of a terminal, but it is for the one
#: that the user talks to, which then ends the others.
_LEAVE_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"


def local(
    n_workers: int = 2,
    threads_per_worker: int = 1,
    memory_limit: int | str | None = None,
    *,
    security: Any = None,
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
    security : True, path or distributed.Security, optional
        Encrypt, and let in who has the key: True makes one, a folder is one of ``tls_files``.
    **settings
        Passed on to ``distributed.LocalCluster``; ``host="0.0.0.0"`` would let others reach it.

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
    from distributed import LocalCluster

    from ._client import PATIENT, OwningClient

    check_counts(n_workers, threads_per_worker)
    defaults: dict[str, Any] = {
        "dashboard_address": DASHBOARD,
        "silence_logs": logging.CRITICAL,
    }
    if settings.get("processes", True):
        defaults |= {"host": LOOPBACK, "preload": [_LEAVE_CTRL_C]}
    keys = security_of(security)
    if keys is not None:
        defaults |= {"protocol": protocol_of(keys), "security": keys}
    cluster = LocalCluster(
        n_workers=n_workers,
        threads_per_worker=threads_per_worker,
        memory_limit="auto" if memory_limit is None else memory_limit,
        **defaults | settings,
    )
    return OwningClient(cluster, PATIENT)


def check_counts(n_workers: int, threads_per_worker: int) -> None:
    """Raise ``ValueError`` for less than one worker or thread."""
    if n_workers < 1 or threads_per_worker < 1:
        raise ValueError(
            f"expected at least one worker and thread, got {n_workers} and {threads_per_worker}"
        )


def quiet() -> None:
    """Let processes that share a terminal with the program speak of trouble only."""
    import distributed  # noqa: F401 - sets the levels as the user has configured them

    logger = logging.getLogger("distributed")
    logger.setLevel(max(logger.level, logging.WARNING))
