"""Passes on the threads of this process."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from typing import Any

from daskreg._blas import single_threaded_blas
from daskreg._typing import State
from daskreg.design.device.at_hand import card_at_hand
from daskreg.design.device.facts import card_facts
from daskreg.design.host import machine_memory, process_memory, processors
from daskreg.design.partials import absorbed
from daskreg.design.workers import LOCAL_SHARE, Worker, loaded_libraries

from .cancelled import Cancelled
from .dyadic import DyadicSum
from .outcome import Outcome
from .running import Running
from .scheduler import Progress, Scheduler
from .shards import Shard
from .tally import RESIDENT


class Threads(Scheduler):
    """A thread for each of some shards, or a plain call where there is one.

    A scheduler that the user has chosen for Dask, such as ``"synchronous"``, takes their place.

    Parameters
    ----------
    memory_limit : int, optional
        Bytes.
    little : bool
        Data for which no card is looked for.
    """

    hands_over = True

    def __init__(self, memory_limit: int | None = None, little: bool = False) -> None:
        self._limit, self._little = memory_limit, little
        self._shards: list[Shard] = []

    @property
    def workers(self) -> list[Worker]:
        return [
            Worker(
                address="this process",
                threads=_n_threads(),
                memory_limit=self._limit or machine_memory(),
                memory=RESIDENT.now() if self._little else process_memory(),
                share=LOCAL_SHARE,
                loaded=loaded_libraries(),
                card=card_facts(self._little),
            )
        ]

    def another(self) -> Threads:
        return Threads(self._limit, self._little)

    @property
    def homes(self) -> list[str | None]:
        return [None for _ in self._shards]

    def place(self, shards: Sequence[Shard], keep: bool, homes: Sequence[str | None]) -> None:
        self._shards = list(shards)
        for shard in self._shards:
            shard.keeper.promise()

    def run(
        self,
        kernel: Any,
        state: State,
        partial_bytes: int,
        progress: Progress | None,
        running: Running | None = None,
    ) -> list[Outcome]:
        cancel: Any = _Flag() if running is None else running
        skip = frozenset() if running is None else running.skip
        run = _run if running is not None or len(self._shards) < 2 else _Adding(self._shards[0])
        calls = [
            partial(run, shard, running, kernel, state, cancel=cancel, progress=progress, skip=skip)
            for shard in self._shards
        ]
        try:
            # Once for the pass: between short shards it would be lifted and set again.
            with single_threaded_blas():
                outcomes = self._call(calls, f"daskreg-{kernel.name}")
        except BaseException:
            cancel.set()
            raise
        if running is not None and running.is_set():
            raise Cancelled
        return run.whole(outcomes) if isinstance(run, _Adding) else outcomes

    def map(self, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> list[Any]:
        return self._call([partial(function, *args) for args in arguments], "daskreg-map")

    def _call(self, calls: Sequence[Callable[[], Any]], name: str) -> list[Any]:
        if len(calls) <= 1:
            return [call() for call in calls]
        get = _chosen_get()
        if get is None:
            return _side_by_side(calls)
        keys = [(name, number) for number in range(len(calls))]
        graph = {key: (call,) for key, call in zip(keys, calls, strict=True)}
        return list(get(graph, keys))

    def release(self) -> None:
        # The trace of an interrupted pass would keep shards, and what they pin, for a while.
        for shard in self._shards:
            shard.release()
        self._shards = []


class _Flag:
    """Whether a pass was given up: an event for which nobody waits."""

    def __init__(self) -> None:
        self._set = False

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True


def _run(shard: Shard, running: Running | None, *args: Any, **settings: Any) -> Outcome:
    if running is None:
        return shard.run(*args, **settings)
    outcome: Outcome | None = None
    if not running.is_set():
        try:
            outcome = shard.run(*args, **settings)
        except Cancelled as cancelled:
            outcome = cancelled.outcome
    # One that is told to stop hands in what it has: the pass ends when all of them have.
    return Outcome([], 0, 0, 0.0, 0.0) if outcome is None else running.add(outcome)


class _Adding:
    """Adds the sums of shards as each of them ends, so that few are in memory at a time.

    Parameters
    ----------
    shard : Shard
        One of them.
    """

    def __init__(self, shard: Shard) -> None:
        self._total = DyadicSum(shard.n_segments, plus=absorbed)
        self._lock = threading.Lock()

    def __call__(self, shard: Shard, *args: Any, **settings: Any) -> Outcome:
        outcome = _run(shard, *args, **settings)
        with self._lock:
            self._total.update(outcome.nodes)
        return replace(outcome, nodes=[])

    def whole(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Return the outcomes, the first one with the sums of all."""
        first, *rest = outcomes
        return [replace(first, nodes=list(self._total.nodes.items())), *rest]


def _side_by_side(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Make the calls on threads of their own, and return what they give, in order.

    Each thread takes the next call as it ends one: a call of its own in the pool would wake two
    threads for each, and a task of Dask's scheduler costs more again.  The first error is raised
    at once: calls that have begun go on, and end where they are told to.
    """
    n_threads = min(_n_threads(), len(calls))
    pool = _rested(n_threads) or ThreadPoolExecutor(n_threads, "daskreg")
    left, results = deque(enumerate(calls)), [None] * len(calls)
    ended = False

    def work() -> None:
        while True:
            try:
                number, call = left.popleft()
            except IndexError:
                return
            results[number] = call()

    try:
        for done in as_completed([pool.submit(work) for _ in range(n_threads)]):
            done.result()
        ended = True
        return results
    finally:
        left.clear()
        # A thread has a handle of its own in each library of a card, which is dear to make.
        if ended and card_at_hand() is not None:
            _resting.append((n_threads, pool))
        else:
            pool.shutdown(wait=False, cancel_futures=True)


#: Threads that have done all calls of a pass over a card, for the next one.
_resting: deque[tuple[int, ThreadPoolExecutor]] = deque(maxlen=1)


def _rested(n_threads: int) -> ThreadPoolExecutor | None:
    """Return threads that rest, unless they are others than are asked for, or of no use now."""
    if not _resting or card_at_hand() is None:
        return None
    try:
        number, pool = _resting.pop()
    except IndexError:  # another pass has just taken them
        return None
    if number == n_threads:
        return pool
    pool.shutdown(wait=False)
    return None


def _n_threads() -> int:
    dask = sys.modules.get("dask")
    if dask is None:
        return processors()
    from dask.system import CPU_COUNT

    return int(dask.config.get("num_workers", None) or CPU_COUNT)


def _chosen_get() -> Any:
    """The scheduler function that the user has set, if it runs in this process.

    One whose callbacks are active, such as Dask's ``ProgressBar``, has chosen Dask's threads.
    Where nobody has imported Dask nobody has chosen one, but for the environment or a file of
    settings; files do not count then: to import Dask takes memory and time.
    """
    if "dask" not in sys.modules and "DASK_SCHEDULER" not in os.environ:
        return None
    import dask

    chosen = dask.config.get("scheduler", None)
    if chosen is None and dask.callbacks.Callback.active:
        chosen = "threads"
    if chosen is None or chosen in (
        "processes",
        "multiprocessing",
        "dask.distributed",
        "distributed",
    ):
        return None
    return dask.base.get_scheduler(scheduler=chosen)
