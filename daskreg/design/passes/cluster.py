"""Passes on the workers of a ``distributed.Client``."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import cloudpickle
import distributed  # noqa: TID253 - loaded only where a client is active

from daskreg._typing import State
from daskreg.design.host import machine_memory, process_memory
from daskreg.design.workers import Worker, loaded_libraries
from daskreg.exceptions import WorkersLostError

from .outcome import Outcome, merge_outcomes
from .patience import Patience
from .progress import Events, Listener
from .running import Running
from .scheduler import (
    FAN_IN,
    LARGE_PARTIAL,
    LARGE_STATE,
    Progress,
    Scheduler,
    fresh,
    payload_of,
)
from .shards import Cancelled, Shard
from .taken import Taken

#: Seconds between two looks at who is still there while a pass runs.
LOOK_UP = 2


class Cluster(Scheduler):
    """One task for each shard and pass; the task that makes a shard is its first pass.

    Every task is bound to the worker that holds its shard, so that Dask neither steals nor moves
    it. The client keeps every recipe: when a worker is gone, its shards are given another home and
    the task of the running pass, or of the next one, makes them there.
    """

    def __init__(self, client: distributed.Client, memory_limit: int | None = None) -> None:
        if client.asynchronous:
            raise TypeError(
                "daskreg needs a synchronous distributed.Client; this one is asynchronous. "
                "Call fit in a thread (asyncio.to_thread) with a client made there"
            )
        self.client = client
        self._limit = memory_limit
        self._shards: list[Shard] = []
        self._homes: list[str | None] = []
        self._futures: list[Any] = []
        self._keep = True

    @property
    def workers(self) -> list[Worker]:
        known = self._known_workers()
        if not known:
            raise RuntimeError(
                "the Dask cluster has no workers: scale it up, or wait with client.wait_for_workers"
            )
        hosts = [info["host"] for info in known.values()]
        # What heartbeats told is half a second old, which is long after a persist or a census.
        standing = self.client.run(_standing, workers=list(known), on_error="ignore")
        return [
            Worker(
                address=address,
                threads=info["nthreads"],
                # A worker without a limit shares its machine, taken to be like this one.
                memory_limit=min(
                    self._limit or 1 << 62,
                    info["memory_limit"] or machine_memory() // hosts.count(info["host"]),
                ),
                memory=standing[address][0],
                host=info["host"],
                loaded=standing[address][1],
            )
            for address, info in sorted(known.items())
            if address in standing
        ]

    def _known_workers(self) -> dict[str, Any]:
        return dict(self.client.scheduler_info(n_workers=-1)["workers"])

    def another(self) -> Cluster:
        return Cluster(self.client, self._limit)

    @property
    def homes(self) -> list[str | None]:
        return list(self._homes)

    def place(self, shards: Sequence[Shard], keep: bool, homes: Sequence[str | None]) -> None:
        known = sorted(self._known_workers().items())
        slots = [address for address, info in known for _ in range(info["nthreads"])]
        self._shards = list(shards)
        self._homes = [home or slots[i % len(slots)] for i, home in enumerate(homes)]
        self._futures = [None] * len(shards)
        self._keep = keep

    def run(
        self,
        kernel: Any,
        state: State,
        partial_bytes: int,
        progress: Progress | None,
        running: Running | None = None,
    ) -> list[Outcome]:
        payload: Any = payload_of(kernel, state, running.skip if running else frozenset())
        if len(payload) > LARGE_STATE:
            payload = self.client.submit(_itself, payload, key=fresh("state"), pure=False)
        self._rehome(sorted(self._known_workers()))
        listener = Listener(self.client, progress)
        tasks: list[Any] = []
        try:
            with listener:
                tasks += [self._submit(i, kernel.name, payload, listener.topic) for i in self._all]
                again = partial(
                    self._submit, name=kernel.name, payload=payload, topic=listener.topic
                )
                taken = Taken(running, tasks, self._outcome_task)
                outcomes = self._collect(tasks, again, partial_bytes > LARGE_PARTIAL, taken)
        except BaseException as error:
            self.client.cancel(tasks)
            self._futures = [None for _ in self._shards]
            if isinstance(error, distributed.CancelledError):
                raise WorkersLostError(
                    "tasks of the pass were cancelled, most likely since blocks that they need "
                    "were lost with a worker and cannot be made again (scattered data, or futures "
                    f"that were cancelled): make them anew and fit again ({error})"
                ) from error
            raise
        listener.catch_up(self._shards, outcomes)
        return outcomes

    @property
    def _all(self) -> range:
        return range(len(self._shards))

    def _collect(
        self, tasks: list[Any], again: Callable[[int], Any], large: bool, taken: Taken
    ) -> list[Outcome]:
        """Outcomes of all tasks; those of lost workers are submitted again until they come."""
        patience, timeout = Patience(self.client), float(LOOK_UP)
        last: list[Any] = []
        while True:
            while not self._wait([tasks[i] for i in taken.left]):
                if self._replace_lost(tasks, again, patience, taken):
                    last = []
                if taken.bring():
                    last = []
            last = last or (self._tree(tasks, taken.left) if large else taken.tasks)
            try:
                results = self.client.sync(self.client._gather, last, callback_timeout=timeout)
                return [*taken.outcomes, *(_outcome(result) for result in results)]
            except TimeoutError:
                # Slow, or a worker died with results that nobody has fetched yet.
                if any(task.status == "error" for task in last):
                    raise
                timeout *= 2
            if self._replace_lost(tasks, again, patience, taken):
                last = []

    def _replace_lost(
        self, tasks: list[Any], again: Callable[[int], Any], patience: Patience, taken: Taken
    ) -> bool:
        known = sorted(self._known_workers())
        patience.check_workers(known)
        lost = [i for i in self._rehome(known) if i in taken.left]
        if lost:
            left = [i for i in taken.left if i in lost or tasks[i].status != "finished"]
            patience.check_loss(len(tasks) - len(left), [self._shards[i] for i in left])
        for i in lost:
            tasks[i] = again(i)
        return bool(lost)

    def _wait(self, tasks: list[Any]) -> bool:
        """Whether all tasks have ended or one has failed; looks up now and then."""
        try:
            distributed.wait(tasks, timeout=LOOK_UP)
        except TimeoutError:
            return any(task.status in ("error", "cancelled") for task in tasks)
        return True

    def _rehome(self, known: Sequence[str]) -> list[int]:
        """Give shards of lost workers another home; returns their numbers."""
        if not known:
            return []
        lost = [i for i in self._all if self._homes[i] not in known]
        load = {address: self._homes.count(address) for address in known}
        for i in lost:
            home = min(known, key=load.__getitem__)
            load[home] += 1
            self._homes[i], self._futures[i] = home, None
        return lost

    def _submit(self, i: int, name: str, payload: Any, topic: tuple[str, str] | None) -> Any:
        shard, future = self._shards[i], self._futures[i]
        values = [value for run in shard.runs for value in run.columns.futures]
        options = {"workers": [self._homes[i]], "pure": False}
        if future is not None:
            return self.client.submit(
                _run_shard, future, payload, topic, *values, key=fresh(name), **options
            )
        task = self.client.submit(
            _make_shard if self._keep else _run_recipe,
            cloudpickle.dumps(shard),
            payload,
            topic,
            *values,
            key=fresh("shard" if self._keep else name),
            **options,
        )
        if self._keep:
            self._futures[i] = task
        return task

    def _outcome_task(self, i: int, task: Any) -> Any:
        """What a shard found: the shard itself stays where it is."""
        if task is not self._futures[i]:
            return task
        home = [self._homes[i]]
        return self.client.submit(_outcome, task, key=fresh("outcome"), workers=home, pure=False)

    def _tree(self, tasks: list[Any], chosen: Sequence[int]) -> list[Any]:
        n_segments = self._shards[0].n_segments
        tasks = [self._outcome_task(i, tasks[i]) for i in chosen]
        while len(tasks) > 1:
            tasks = [
                self.client.submit(
                    _merge, n_segments, *tasks[i : i + FAN_IN], key=fresh("tree-sum"), pure=False
                )
                for i in range(0, len(tasks), FAN_IN)
            ]
        return tasks

    def map(self, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> list[Any]:
        tasks = [
            self.client.submit(
                _call, cloudpickle.dumps((function, args)), key=fresh("map"), pure=False
            )
            for args in arguments
        ]
        return list(self.client.gather(tasks))

    def release(self) -> None:
        self._futures = []
        self._shards = []


def _standing() -> tuple[int, frozenset[str]]:
    return process_memory(), loaded_libraries()


def _itself(value: Any) -> Any:
    return value


def _call(pickled: bytes) -> Any:
    function, arguments = pickle.loads(pickled)
    return function(*arguments)


def _make_shard(
    recipe: bytes, payload: bytes, topic: tuple[str, str] | None, *values: Any
) -> Shard:
    shard: Shard = pickle.loads(recipe)
    shard.first = _run(shard, payload, topic, values)
    return shard


def _run_shard(
    shard: Shard, payload: bytes, topic: tuple[str, str] | None, *values: Any
) -> Outcome:
    shard.first = None
    return _run(shard, payload, topic, values)


def _run_recipe(
    recipe: bytes, payload: bytes, topic: tuple[str, str] | None, *values: Any
) -> Outcome:
    return _run(pickle.loads(recipe), payload, topic, values)


def _run(
    shard: Shard, payload: bytes, topic: tuple[str, str] | None, values: Sequence[Any]
) -> Outcome:
    kernel, state, skip = pickle.loads(payload)
    worker = distributed.get_worker()
    progress = Events(worker, topic) if topic is not None else None
    flag = _Abandoned(worker)
    try:
        outcome = shard.run(kernel, state, values, cancel=flag, progress=progress, skip=skip)
    except Cancelled:
        raise Cancelled from None  # nobody waits for what it has summed
    if progress is not None:
        progress.flush()
    return outcome


def _merge(n_segments: int, *results: Any) -> Outcome:
    return merge_outcomes(n_segments, *(_outcome(result) for result in results))


def _outcome(result: Any) -> Outcome:
    outcome = result.first if isinstance(result, Shard) else result
    assert isinstance(outcome, Outcome)
    return outcome


class _Abandoned:
    """Whether nobody wants the result of the task that this thread runs any more."""

    def __init__(self, worker: Any) -> None:
        self._tasks, self._key = worker.state.tasks, worker.get_current_task()

    def is_set(self) -> bool:
        """Asked between blocks: a thread cannot be stopped from outside."""
        task = self._tasks.get(self._key)
        return task is None or task.state == "cancelled"
