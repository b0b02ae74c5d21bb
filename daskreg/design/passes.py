"""One pass: a task for each shard, its partials met in a fixed tree.

The only file that talks to a scheduler.
"""

from __future__ import annotations

import sys
import threading
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from daskreg._typing import Partial, State

from .dyadic import DyadicSum
from .host import machine_memory, process_memory
from .plan import LOCAL_SHARE, Worker
from .shards import Outcome, Shard

#: State above this travels through the scheduler once, as a task of its own.
LARGE_STATE = 1 << 20
#: Partials above this are added by tree tasks on the workers instead of by the client.
LARGE_PARTIAL = 1 << 20
#: Outcomes that one tree task adds.
FAN_IN = 4

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class PassResult:
    """The sum over all rows, and what it took."""

    partial: Partial
    bytes_read: int
    bytes_pinned: int
    kernel_seconds: float


class Scheduler(ABC):
    """Runs shards: threads of this process, or the workers of a Dask cluster."""

    @property
    @abstractmethod
    def workers(self) -> list[Worker]:
        """The processes that shards can run in."""

    @abstractmethod
    def place(self, shards: Sequence[Shard], keep: bool, homes: Sequence[str | None]) -> None:
        """Take charge of the shards; ``keep`` them between passes; ``homes`` are the addresses of
        the workers that already hold their blocks."""

    @abstractmethod
    def run(
        self, kernel: Any, state: State, partial_bytes: int, progress: Progress | None
    ) -> list[Outcome]:
        """Run every shard once; returns outcomes whose nodes add up to the whole sum."""

    @abstractmethod
    def map(self, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Call a function for each tuple of arguments, in parallel."""

    @abstractmethod
    def release(self) -> None:
        """Let the shards go."""


def sum_over_rows(
    scheduler: Scheduler,
    kernel: Any,
    state: State,
    n_segments: int,
    partial_bytes: int = 0,
    progress: Progress | None = None,
) -> PassResult:
    """Sum ``kernel(block, state)`` over all rows: one pass."""
    outcomes = scheduler.run(kernel, state, partial_bytes, progress)
    total = DyadicSum(n_segments)
    for outcome in outcomes:
        total.update(outcome.nodes)
    return PassResult(
        partial=total.root(),
        bytes_read=sum(outcome.bytes_read for outcome in outcomes),
        bytes_pinned=sum(outcome.bytes_pinned for outcome in outcomes),
        kernel_seconds=sum(outcome.kernel_seconds for outcome in outcomes),
    )


def active_scheduler(memory_limit: int | None = None) -> Scheduler:
    """The Dask client in use, else the threads of this process.

    The library takes what is active and starts no cluster.
    """
    client = active_client()
    if client is not None:
        from .cluster_passes import Cluster

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


class Threads(Scheduler):
    """Dask's threaded scheduler, or a plain call where there is one shard."""

    def __init__(self, memory_limit: int | None = None) -> None:
        self._limit = memory_limit
        self._shards: list[Shard] = []

    @property
    def workers(self) -> list[Worker]:
        return [
            Worker(
                address="this process",
                threads=_n_threads(),
                memory_limit=self._limit or machine_memory(),
                memory=process_memory(),
                share=LOCAL_SHARE,
            )
        ]

    def place(self, shards: Sequence[Shard], keep: bool, homes: Sequence[str | None]) -> None:
        self._shards = list(shards)

    def run(
        self, kernel: Any, state: State, partial_bytes: int, progress: Progress | None
    ) -> list[Outcome]:
        cancel = threading.Event()
        calls = [
            partial(shard.run, kernel, state, cancel=cancel, progress=progress)
            for shard in self._shards
        ]
        try:
            return self._call(calls, f"daskreg-{kernel.name}")
        except BaseException:
            cancel.set()
            raise

    def map(self, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> list[Any]:
        return self._call([partial(function, *args) for args in arguments], "daskreg-map")

    def _call(self, calls: Sequence[Callable[[], Any]], name: str) -> list[Any]:
        if len(calls) <= 1:
            return [call() for call in calls]
        import dask.threaded

        get = _chosen_get() or dask.threaded.get
        keys = [(name, number) for number in range(len(calls))]
        graph = {key: (call,) for key, call in zip(keys, calls, strict=True)}
        return list(get(graph, keys, num_workers=_n_threads()))

    def release(self) -> None:
        self._shards = []


def _n_threads() -> int:
    dask = sys.modules.get("dask")
    if dask is None:
        import os

        return (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1
        )
    from dask.system import CPU_COUNT

    return int(dask.config.get("num_workers", None) or CPU_COUNT)


def _chosen_get() -> Any:
    """The scheduler function that the user has set, if it runs in this process."""
    import dask

    chosen = dask.config.get("scheduler", None)
    if chosen is None or chosen in (
        "processes",
        "multiprocessing",
        "dask.distributed",
        "distributed",
    ):
        return None
    return dask.base.get_scheduler()


def payload_of(kernel: Any, state: State) -> bytes:
    """Kernel and state as one run of bytes: Dask looks for keys inside dicts, not inside bytes."""
    import cloudpickle

    return bytes(cloudpickle.dumps((kernel, dict(state))))


def merge_outcomes(n_segments: int, *outcomes: Outcome) -> Outcome:
    """Add what can be added; the tree decides, not the order of arrival."""
    total = DyadicSum(n_segments)
    for outcome in outcomes:
        total.update(outcome.nodes)
    return replace(
        outcomes[0],
        nodes=list(total.nodes.items()),
        bytes_read=sum(outcome.bytes_read for outcome in outcomes),
        bytes_pinned=sum(outcome.bytes_pinned for outcome in outcomes),
        kernel_seconds=sum(outcome.kernel_seconds for outcome in outcomes),
        seconds=max(outcome.seconds for outcome in outcomes),
    )


def fresh(name: str) -> str:
    """A task key that no other pass has, with a readable name."""
    return f"daskreg-{name}-{uuid.uuid4().hex}"
