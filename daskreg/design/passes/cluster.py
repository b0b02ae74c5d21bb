"""Passes on the workers of a ``distributed.Client``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import cloudpickle
import dask  # noqa: TID253 - loaded only where a client is active
import distributed  # noqa: TID253

from daskreg._typing import State
from daskreg.design.host import machine_memory
from daskreg.design.workers import Worker
from daskreg.exceptions import WorkersLostError

from .outcome import Outcome
from .patience import Patience
from .progress import Listener
from .remote import call, itself, make_shard, merge, outcome_of, run_recipe, run_shard, standing
from .running import Running
from .scheduler import FAN_IN, Progress, Scheduler, adds_on_workers, fresh, goes_once, payload_of
from .shards import Shard
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
        found = self.client.run(standing, workers=list(known), on_error="ignore")
        return [
            Worker(
                address=address,
                threads=info["nthreads"],
                # A worker without a limit shares its machine, taken to be like this one.
                memory_limit=min(
                    self._limit or 1 << 62,
                    info["memory_limit"] or machine_memory() // hosts.count(info["host"]),
                ),
                memory=found[address][0],
                host=info["host"],
                loaded=found[address][1],
            )
            for address, info in sorted(known.items())
            if address in found
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
        if goes_once(len(payload), len(self._shards)):
            payload = self._state_task(payload)
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
                on_workers = adds_on_workers(partial_bytes, len(self._shards))
                outcomes = self._collect(tasks, again, on_workers, taken)
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

    def _state_task(self, payload: bytes) -> Any:
        """A task whose value is the state: through the scheduler once, then among the workers."""
        # Dask advises against large task arguments; this one is sent once instead of many times.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
            return self.client.submit(itself, payload, key=fresh("state"), pure=False)

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
                return [*taken.outcomes, *(outcome_of(result) for result in results)]
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
                run_shard, future, payload, topic, *values, key=fresh(name), **options
            )
        task = self.client.submit(
            make_shard if self._keep else run_recipe,
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
        return self.client.submit(outcome_of, task, key=fresh("outcome"), workers=home, pure=False)

    def _tree(self, tasks: list[Any], chosen: Sequence[int]) -> list[Any]:
        n_segments = self._shards[0].n_segments
        tasks = [self._outcome_task(i, tasks[i]) for i in chosen]
        while len(tasks) > 1:
            tasks = [
                self.client.submit(
                    merge, n_segments, *tasks[i : i + FAN_IN], key=fresh("tree-sum"), pure=False
                )
                for i in range(0, len(tasks), FAN_IN)
            ]
        return tasks

    def map(self, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> list[Any]:
        tasks = [
            self.client.submit(
                call, cloudpickle.dumps((function, args)), key=fresh("map"), pure=False
            )
            for args in arguments
        ]
        return list(self.client.gather(tasks))

    def release(self) -> None:
        self._futures = []
        self._shards = []
