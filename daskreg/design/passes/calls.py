"""Plain calls on a cluster: as often as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .errors import raise_own_error
from .remote import call
from .roster import LOOK_UP
from .scheduler import fresh

if TYPE_CHECKING:
    from .cluster import Cluster

#: Times that one call is made again after Dask has given it up for the workers that died with it.
AGAIN = 3


def results(cluster: Cluster, pickled: Sequence[bytes]) -> list[Any]:
    """What pickled calls return, in order; Dask runs those of lost workers again.

    Raises
    ------
    WorkersLostError
        Nobody is there for too long.
    KilledWorker
        A call ends every process.
    """

    def submit(one: bytes) -> Any:
        return cluster.client.submit(call, one, key=fresh("map"), pure=False)

    tasks = [submit(one) for one in pickled]
    tries = [0] * len(tasks)
    timeout = float(LOOK_UP)
    while True:
        cluster._wait(tasks)
        cluster.roster.check(cluster.roster.at_work())
        for number, task in enumerate(tasks):
            if not _is_lost(task):
                continue
            tries[number] += 1
            if tries[number] > AGAIN:
                task.result()
            tasks[number] = submit(pickled[number])
        if not all(task.status == "finished" for task in tasks):
            continue
        try:
            return cluster.gathered(tasks, timeout)
        except OSError:
            timeout *= 2  # large, slow, or lost with its worker


def _is_lost(task: Any) -> bool:
    """Whether a call is to be made again; raises the error of the call itself."""
    if task.status == "error":
        raise_own_error(task)
    return bool(task.status in ("error", "cancelled"))
