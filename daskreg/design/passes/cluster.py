"""Passes on the workers of a ``distributed.Client``."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import cloudpickle
import distributed  # noqa: TID253 - loaded only where a client is active

from daskreg._typing import State
from daskreg.design.plan import Worker

from .scheduler import (
    FAN_IN,
    LARGE_PARTIAL,
    LARGE_STATE,
    Progress,
    Scheduler,
    fresh,
    merge_outcomes,
    payload_of,
)
from .shards import Outcome, Shard

#: Seconds between two looks at who is still there while a pass runs.
LOOK_UP = 2
#: Seconds between two progress events of a shard.
EVENT_INTERVAL = 0.25


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
        return [
            Worker(
                address=address,
                threads=info["nthreads"],
                memory_limit=min(filter(None, (self._limit, info["memory_limit"] or 1 << 50))),
                memory=int(info.get("metrics", {}).get("memory", 0)) or 180 << 20,
                host=info["host"],
            )
            for address, info in sorted(known.items())
        ]

    def _known_workers(self) -> dict[str, Any]:
        return dict(self.client.scheduler_info(n_workers=-1)["workers"])

    def place(self, shards: Sequence[Shard], keep: bool, homes: Sequence[str | None]) -> None:
        slots = [worker.address for worker in self.workers for _ in range(worker.threads)]
        self._shards = list(shards)
        self._homes = [home or slots[i % len(slots)] for i, home in enumerate(homes)]
        self._futures = [None] * len(shards)
        self._keep = keep

    def run(
        self, kernel: Any, state: State, partial_bytes: int, progress: Progress | None
    ) -> list[Outcome]:
        payload: Any = payload_of(kernel, state)
        if len(payload) > LARGE_STATE:
            payload = self.client.submit(_itself, payload, key=fresh("state"), pure=False)
        self._rehome()
        listener = _Listener(self.client, progress)
        tasks = [self._submit(i, kernel.name, payload, listener.topic) for i in self._numbers]
        try:
            with listener:
                while not self._wait(tasks):
                    for i in self._rehome():
                        tasks[i] = self._submit(i, kernel.name, payload, listener.topic)
                if partial_bytes > LARGE_PARTIAL:
                    tasks = self._tree(tasks)
                outcomes = [_outcome(result) for result in self.client.gather(tasks)]
        except BaseException:
            self.client.cancel(tasks)
            self._futures = [None for _ in self._shards]
            raise
        listener.catch_up(self._shards, outcomes)
        return outcomes

    @property
    def _numbers(self) -> range:
        return range(len(self._shards))

    def _wait(self, tasks: list[Any]) -> bool:
        """Whether all tasks have ended or one has failed; looks up now and then."""
        try:
            distributed.wait(tasks, timeout=LOOK_UP)
        except TimeoutError:
            return any(task.status in ("error", "cancelled") for task in tasks)
        return True

    def _rehome(self) -> list[int]:
        """Give shards of lost workers another home; returns their numbers."""
        known = sorted(self._known_workers())
        lost = [i for i in self._numbers if self._homes[i] not in known]
        for i in lost:
            if not known:
                break
            load = [self._homes.count(address) for address in known]
            self._homes[i] = known[load.index(min(load))]
            self._futures[i] = None
        return lost if known else []

    def _submit(self, i: int, name: str, payload: Any, topic: str | None) -> Any:
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

    def _tree(self, tasks: list[Any]) -> list[Any]:
        n_segments = self._shards[0].n_segments
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


def _itself(value: Any) -> Any:
    return value


def _call(pickled: bytes) -> Any:
    function, arguments = pickle.loads(pickled)
    return function(*arguments)


def _make_shard(recipe: bytes, payload: bytes, topic: str | None, *values: Any) -> Shard:
    shard: Shard = pickle.loads(recipe)
    shard.first = _run(shard, payload, topic, values)
    return shard


def _run_shard(shard: Shard, payload: bytes, topic: str | None, *values: Any) -> Outcome:
    shard.first = None
    return _run(shard, payload, topic, values)


def _run_recipe(recipe: bytes, payload: bytes, topic: str | None, *values: Any) -> Outcome:
    return _run(pickle.loads(recipe), payload, topic, values)


def _run(shard: Shard, payload: bytes, topic: str | None, values: Sequence[Any]) -> Outcome:
    kernel, state = pickle.loads(payload)
    worker = distributed.get_worker()
    progress = _Events(worker, topic) if topic is not None else None
    outcome = shard.run(kernel, state, values, progress=progress)
    if progress is not None:
        progress.flush()
    return outcome


def _merge(n_segments: int, *results: Any) -> Outcome:
    return merge_outcomes(n_segments, *(_outcome(result) for result in results))


def _outcome(result: Any) -> Outcome:
    outcome = result.first if isinstance(result, Shard) else result
    assert isinstance(outcome, Outcome)
    return outcome


class _Events:
    """Tells the client rows done and bytes read, a few times a second."""

    def __init__(self, worker: Any, topic: str) -> None:
        self._worker, self._topic = worker, topic
        self._rows = self._bytes = 0
        self._last = time.monotonic()

    def __call__(self, rows: int, read: int) -> None:
        self._rows += rows
        self._bytes += read
        if time.monotonic() - self._last > EVENT_INTERVAL:
            self.flush()

    def flush(self) -> None:
        self._worker.log_event(self._topic, {"rows": self._rows, "bytes": self._bytes})
        self._rows = self._bytes = 0
        self._last = time.monotonic()


class _Listener:
    """Hands what workers tell during a pass to its progress function."""

    def __init__(self, client: Any, progress: Progress | None) -> None:
        self.topic = fresh("progress") if progress is not None else None
        self._client, self._progress = client, progress
        self._rows = self._bytes = 0
        self._lock = threading.Lock()
        self._over = False

    def __enter__(self) -> None:
        if self.topic is not None:
            self._client.subscribe_topic(self.topic, self._hear)

    def _hear(self, event: Any) -> None:
        self._tell(event[1]["rows"], event[1]["bytes"])

    def _tell(self, rows: int, read: int) -> None:
        with self._lock:
            if self._progress is not None and not self._over:
                self._rows += rows
                self._bytes += read
                self._progress(rows, read)

    def __exit__(self, *_: object) -> None:
        if self.topic is not None:
            self._client.unsubscribe_topic(self.topic)

    def catch_up(self, shards: Sequence[Shard], outcomes: Sequence[Outcome]) -> None:
        """Tell what events still on their way would have told."""
        rows = sum(spec.stop - spec.start for shard in shards for spec in shard.specs)
        read = sum(outcome.bytes_read for outcome in outcomes)
        self._tell(rows - self._rows, read - self._bytes)
        self._over = True
