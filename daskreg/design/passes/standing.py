"""What workers hold and may hold."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from daskreg.design.host import machine_memory
from daskreg.design.workers import Worker
from daskreg.exceptions import MissingDependencyError

from .remote import standing

#: Seconds that all workers may take to say how much memory they use: the first time they are asked
#: they import CuPy and open their cards.
ASK = 30.0


def measured(client: Any, workers: dict[str, Any], limit: int | None) -> list[Worker]:
    """The workers with their memory, as the plan needs them.

    Parameters
    ----------
    client : distributed.Client
    workers : dict
        What the scheduler says of them, by address.
    limit : int or None
        Bytes of each at most.

    Raises
    ------
    MissingDependencyError
        Where a worker is told to use a GPU that it does not have.
    """
    hosts = [info["host"] for info in workers.values()]
    # What heartbeats told is half a second old, which is long after a persist or a census.
    found: dict[str, Any] = {}
    # A worker that hangs would be waited for.
    with suppress(TimeoutError):
        found = client.sync(
            client._run,
            standing,
            workers=list(workers),
            on_error="ignore",
            callback_timeout=ASK,
        )
    heartbeats = {
        address: (info["metrics"].get("memory", 0), frozenset[str](), None)
        for address, info in workers.items()
    }
    if not found:
        found = heartbeats
    for address, (_, _, card) in found.items():
        if isinstance(card, str):
            raise MissingDependencyError(f"worker {address}: {card}")
    return [
        Worker(
            address=address,
            threads=info["nthreads"],
            # A worker without a limit shares its machine, taken to be like this one.
            memory_limit=min(
                limit or 1 << 62,
                info["memory_limit"] or machine_memory() // hosts.count(info["host"]),
            ),
            memory=found[address][0],
            host=info["host"],
            loaded=found[address][1],
            card=found[address][2],
        )
        for address, info in sorted(workers.items())
        if address in found
    ]
