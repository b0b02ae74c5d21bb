"""Errors of tasks: their own, and those of the workers that died with them."""

from __future__ import annotations

from typing import Any

import distributed  # noqa: TID253 - loaded only where a client is active

from daskreg.exceptions import ClusterLostError, WorkersLostError

from .cancelled import Cancelled

#: Seconds that an error may take to come.
ASK = 20


def was_killed(task: Any) -> bool:
    """Whether Dask has given a task up for the workers that died with it."""
    if task.status != "error":
        return False
    return isinstance(task.exception(timeout=ASK), distributed.scheduler.KilledWorker)


def raise_own_error(task: Any) -> None:
    """Raise the error of a task itself; that of lost workers, or of a late stop, is none."""
    if task.status == "cancelled":
        return
    error = task.exception(timeout=ASK)
    if not isinstance(error, distributed.scheduler.KilledWorker | Cancelled):
        task.result()
        raise error


def meaning(client: Any, error: BaseException) -> BaseException:
    """What an error in a pass means."""
    if isinstance(error, Exception) and client.status != "running":
        if isinstance(error, ClusterLostError):
            return error
        return ClusterLostError(
            "the Dask client was closed, or has lost its scheduler, during a pass: start a "
            f"cluster and a client, and fit again ({type(error).__name__}: {error})"
        )
    if isinstance(error, distributed.CancelledError):
        return WorkersLostError(
            "tasks of the pass were cancelled, most likely since blocks that they need were "
            "lost with a worker and cannot be made again (scattered data, or futures that were "
            f"cancelled): make them anew and fit again ({error})"
        )
    return error
