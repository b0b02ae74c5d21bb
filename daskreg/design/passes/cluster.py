"""Passes on the workers of a ``distributed.Client``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import cloudpickle
import distributed  # noqa: TID253 - loaded only where a client is active

from daskreg._typing import State
from daskreg.design.workers import Worker
from daskreg.events import record

from . import calls
from .errors import meaning
from .jobs import Attempt, Job
from .message import Message
from .outcome import Outcome
from .progress import Listener
from .relay import Relay
from .remote import itself, make_shard, merge, outcome_of, run_recipe, run_shard
from .roster import LOOK_UP, Roster
from .running import Running
from .scheduler import FAN_IN, Progress, Scheduler, adds_on_workers, fresh, payload_of
from .shards import Shard
from .standing import measured
from .tasks import Task, count_pass, send


class Cluster(Scheduler):
    """One task for each shard and pass; the task that makes a shard is its first pass.

    Every task is bound to the worker that holds its shard, so that Dask neither steals nor moves
    it. The client keeps every recipe: when a worker is gone, its shards are given another home and
    the task of the running pass, or of the next one, makes them there.

    Parameters
    ----------
    client : distributed.Client
    memory_limit : int, optional
        Bytes of a worker at most.
    worker_timeout : float, optional
        As in ``Roster``.
    """

    def __init__(
        self,
        client: distributed.Client,
        memory_limit: int | None = None,
        worker_timeout: float | None = None,
    ) -> None:
        if client.asynchronous:
            raise TypeError(
                "daskreg needs a synchronous distributed.Client; this one is asynchronous. "
                "Call fit in a thread (asyncio.to_thread) with a client made there"
            )
        self.client = client
        self.roster = Roster(client, worker_timeout)
        self._limit = memory_limit
        self.shards: list[Shard] = []
        self._homes: list[str | None] = []
        self._bound: list[bool] = []
        self._futures: list[Any] = []
        self._keep = True
        #: Names of tasks that there were, and of those that come again one that stays.
        self._named: set[str] = set()
        self._staying: dict[str, Any] = {}

    @property
    def workers(self) -> list[Worker]:
        return measured(self.client, self._staff(), self._limit)

    def _staff(self) -> dict[str, Any]:
        """Workers at work; waits for the first one, which a task may bring an adaptive cluster."""
        return self.roster.require(
            lambda: self.client.submit(itself, None, key=fresh("wait"), pure=False)
        )

    def another(self) -> Cluster:
        other = Cluster(self.client, self._limit, self.roster.timeout)
        other.roster = self.roster
        return other

    @property
    def homes(self) -> list[str | None]:
        return list(self._homes)

    def place(self, shards: Sequence[Shard], keep: bool, homes: Sequence[str | None]) -> None:
        known = sorted(self._staff().items())
        slots = [address for address, info in known for _ in range(info["nthreads"])]
        self.shards = list(shards)
        self._bound = [home is not None for home in homes]
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
        workers = self._staff()
        self.rehome(workers)
        self._even_out(workers)
        listener = Listener(self.client, progress)
        payload = payload_of(kernel, state, running.skip if running else frozenset())
        message = Message(self.client, kernel.name, payload, listener.topic, len(self.shards))
        large = adds_on_workers(partial_bytes, len(self.shards))
        for name, comes in ((kernel.name, True), ("tree-sum", large), ("state", message.once)):
            if comes:
                self._stay(name)
        relay = Relay(self, message, running, large)
        try:
            with listener:
                outcomes = relay.run()
            relay.settle()
        except BaseException as error:
            self._futures = [None for _ in self.shards]
            told = meaning(self.client, error)
            if told is error:
                raise
            raise told from error
        finally:
            relay.release(self._futures)
            message.release()
        self._seal(outcomes)
        count_pass(self.client)
        listener.catch_up(self.shards, outcomes)
        return outcomes

    # ------------------------------------------------------------------ where shards are

    def home(self, number: int) -> str:
        """The address of the worker that a shard is, or will be, on."""
        home = self._homes[number]
        assert home is not None
        return home

    def rehome(self, workers: dict[str, Any]) -> None:
        """Give shards of lost workers another home."""
        lost = [i for i, home in enumerate(self._homes) if home not in workers]
        count = Counter(self._homes)
        load = {address: count[address] for address in sorted(workers)}
        for i in lost:
            home = min(load, key=lambda a: load[a] / workers[a]["nthreads"])
            load[home] += 1
            self._homes[i], self._futures[i] = home, None

    def _even_out(self, workers: dict[str, Any]) -> None:
        """Let workers that came late have shards of those that have more of them by a thread.

        Shards stay where rows that they need lie in memory.
        """
        count = Counter(self._homes)
        load = {a: count[a] for a in sorted(workers)}
        threads = {a: max(1, info["nthreads"]) for a, info in workers.items()}
        for i in reversed([i for i, bound in enumerate(self._bound) if not bound]):
            home = self.home(i)
            other = min(load, key=lambda a: (load[a] + 1) / threads[a])
            if (load[other] + 1) / threads[other] >= max(load[a] / threads[a] for a in load):
                return
            if (load[other] + 1) / threads[other] >= load[home] / threads[home]:
                continue
            load[home], load[other] = load[home] - 1, load[other] + 1
            self._homes[i], self._futures[i] = other, None
            record(
                "shard_moved",
                f"shard {i} goes from {home} to {other}, which has less to do",
                {"shard": i, "from": home, "to": other},
            )

    def keep(self, number: int, winner: Attempt) -> None:
        """Note who has a shard after a pass."""
        self._homes[number] = winner.address
        if winner.makes:
            self._futures[number] = winner.future

    def lose(self, number: int) -> None:
        """Note that nobody has a shard."""
        self._futures[number] = None

    def _seal(self, outcomes: Sequence[Outcome]) -> None:
        """Keep the checksums of blocks with the recipes: whoever reads them next compares."""
        found = {key: seal for outcome in outcomes for key, seal in outcome.seals.items()}
        for shard in self.shards if found else ():
            if shard.seals is not None:
                shard.seals.take(found, shard.specs)

    # ------------------------------------------------------------------ tasks

    def attempts(self, jobs: Sequence[tuple[Job, str]], message: Message) -> list[Attempt]:
        """Start jobs, each on the worker with the address beside it."""
        tasks = [self._task(job, address, message) for job, address in jobs]
        return [
            Attempt(future, address, makes=task.function is make_shard)
            for task, future, (_, address) in zip(
                tasks, send(self.client, tasks), jobs, strict=True
            )
        ]

    def _task(self, job: Job, address: str, message: Message) -> Task:
        future = self._futures[job.number]
        if future is not None and future.status == "cancelled":
            future = None  # a task that needs it would be cancelled with all that are sent with it
        told = *message.arguments, list(job.shard.futures)
        if job.whole and future is not None and address == self._homes[job.number]:
            return Task(run_shard, message.name, (future, *told), address)
        makes = job.whole and self._keep
        if job.whole:
            self._futures[job.number] = None
            self._homes[job.number] = address
        recipe = cloudpickle.dumps(job.shard)
        if makes:
            return Task(make_shard, "shard", (recipe, *told), address)
        return Task(run_recipe, message.name, (recipe, *told), address)

    def _stay(self, name: str) -> None:
        """Keep a small task of a name that comes again.

        With the last task of a name the scheduler ends its records of that name, and keeps them:
        those of a thousand passes add up.
        """
        known = self._staying.get(name)
        if name not in self._named:
            self._named.add(name)
        elif known is None or known.status in ("error", "cancelled", "lost"):
            task = self.client.submit(itself, None, key=fresh(name), pure=False)
            self._staying[name] = task

    def outcome_tasks(self, attempts: Sequence[Attempt]) -> list[Any]:
        """What shards found: the shards themselves stay where they are."""
        made = [attempt for attempt in attempts if attempt.makes]
        tasks = [Task(outcome_of, "outcome", (one.future,), one.address) for one in made]
        found = dict(zip(map(id, made), send(self.client, tasks), strict=True))
        return [found.get(id(attempt), attempt.future) for attempt in attempts]

    def tree(self, tasks: list[Any]) -> list[Any]:
        """Tasks that add outcomes on the workers; the last of them is the sum."""
        n_segments = self.shards[0].n_segments
        while len(tasks) > 1:
            parts = [tasks[i : i + FAN_IN] for i in range(0, len(tasks), FAN_IN)]
            tasks = send(
                self.client, [Task(merge, "tree-sum", (n_segments, part)) for part in parts]
            )
        return tasks

    def gathered(self, tasks: list[Any], timeout: float) -> list[Any]:
        """Results of tasks; ``TimeoutError`` when they do not come in time, or not at all."""
        gather = self.client._gather
        try:
            found: list[Any] = self.client.sync(gather, tasks, callback_timeout=timeout)
        except UnboundLocalError as error:
            # Dask's `sync` knows no answer when what it waits for has been cancelled.
            raise TimeoutError("the results were no longer waited for") from error
        return found

    def _wait(self, tasks: list[Any], either: bool = False) -> bool:
        """Whether all tasks have finished; looks up now and then, and when one has failed.

        With ``either`` it looks up when one has ended.
        """
        pending = [task for task in tasks if task.status in ("pending", "lost")]
        until = distributed.client.FIRST_COMPLETED if either else distributed.client.ALL_COMPLETED
        if pending:
            with suppress(TimeoutError, distributed.CancelledError):
                distributed.wait(pending, timeout=LOOK_UP, return_when=until)
        return all(task.status == "finished" for task in tasks)

    def map(self, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> list[Any]:
        pickled = [cloudpickle.dumps((function, args)) for args in arguments]
        self._staff()
        try:
            return calls.results(self, pickled)
        except distributed.CancelledError as error:
            raise meaning(self.client, error) from error

    def release(self) -> None:
        self._futures = []
        self._staying = {}
        self.shards = []
