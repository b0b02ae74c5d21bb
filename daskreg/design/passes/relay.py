"""One pass on a cluster that may lose workers, gain them, or wait for them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import distributed  # noqa: TID253 - loaded only where a client is active

from daskreg.events import record
from daskreg.exceptions import PoisonBlockError, WorkersLostError

from .cancelled import Cancelled
from .errors import raise_own_error, was_killed
from .jobs import Attempt, Job
from .outcome import Outcome, merge_outcomes
from .poison import Quarantine, explained, poison
from .remote import outcome_of
from .roster import LOOK_UP, PAUSE
from .running import Running
from .slow import is_slow, slow_after

if TYPE_CHECKING:
    from .cluster import Cluster, Message

#: Seconds that results of finished tasks may take to come at first; twice as long after each time
#: that they have not: their worker is lost, or they are large and the way to it is slow.
PATIENCE, MOST_PATIENCE = 2.0, 32.0
#: Times that results are gathered anew, since somebody who had them was lost.
MOST_GATHERED = 50


class Relay:
    """Runs every shard once, whoever falls out on the way.

    A job is tried on the worker that holds its shard.  It is tried on another one, by its recipe
    and under a fresh key, when the worker is lost, has fallen silent, or takes far longer than the
    others; the first answer wins.  All answers to a job are the same bits.

    Parameters
    ----------
    cluster : Cluster
        Holds the shards, and starts attempts.
    message : Message
        What every task is told.
    running : Running or None
    large : bool
        Whether partials are added on the workers.
    """

    def __init__(
        self, cluster: Cluster, message: Message, running: Running | None, large: bool
    ) -> None:
        self._cluster, self._message, self._running = cluster, message, running
        self._large = large
        self._jobs = [Job(number, shard) for number, shard in enumerate(cluster.shards)]
        self._ended: list[Job] = []
        self._quarantine = Quarantine()
        self._outcomes: list[Outcome] = []
        self._adding: list[Any] = []
        self._n_gathered = 0
        self._patience = PATIENCE
        self._lossy = False

    def run(self) -> list[Outcome]:
        """Outcomes of all shards."""
        self._start([(job, self._cluster.home(job.number)) for job in self._jobs])
        timeout = float(LOOK_UP)
        while True:
            while not self._all_there():
                changed = self._tend()
                if self._bring() or changed:
                    self._adding = []
            self._adding = self._adding or self._last_tasks()
            try:
                results = self._cluster.gathered(self._adding, timeout)
            except (OSError, distributed.scheduler.KilledWorker, distributed.CancelledError):
                # Slow, or a worker died with results that nobody has fetched yet.
                timeout *= 2
                self._check_errors()
            else:
                self._ended += self._jobs
                return [*self._outcomes, *(outcome_of(result) for result in results)]
            if self._tend():
                self._adding = []

    def settle(self) -> None:
        """Tell the cluster where the shards are now."""
        for job in self._ended:
            winner = job.winner
            if job.whole and winner is not None:
                self._cluster.keep(job.number, winner)

    def release(self, kept: Iterable[Any] = ()) -> None:
        """Let go of every other task: what is still running stops at its next block."""
        left = {id(task) for task in kept}
        tasks = [a.future for job in [*self._jobs, *self._ended] for a in job.attempts]
        for task in [*tasks, *self._adding]:
            if id(task) not in left:
                with suppress(Exception):
                    task.release()

    # ------------------------------------------------------------------ what has come

    def _all_there(self) -> bool:
        tasks = [task for job in self._jobs for task in job.waited_for]
        either = bool(self._quarantine) or any(
            len(job.attempts) > 1 or not job.whole for job in self._jobs
        )
        if not tasks or not all(job.attempts for job in self._jobs):
            time.sleep(PAUSE if self._jobs or self._quarantine else 0)
        ended = self._cluster._wait(tasks, either)
        return ended and not self._quarantine and all(job.winner for job in self._jobs)

    def _last_tasks(self) -> list[Any]:
        winners = [job.winner for job in self._jobs]
        won = [winner for winner in winners if winner is not None]
        if not self._large:
            return [winner.future for winner in won]
        return self._cluster.tree(self._cluster.outcome_tasks(won))

    def _check_errors(self) -> None:
        """Raise what a task of the sums raised, unless that was the loss of a worker."""
        self._n_gathered += 1
        failed = [task for task in self._adding if task.status in ("error", "cancelled")]
        for task in failed:
            raise_own_error(task)
        if failed:
            self._adding = []
            if self._n_gathered > MOST_GATHERED:
                raise WorkersLostError(
                    f"workers were lost {self._n_gathered} times while sums were fetched from them"
                )

    def _bring(self) -> bool:
        """Bring what is finished, if somebody wants it now or workers die with it; returns whether
        anything came.

        Raises
        ------
        Cancelled
            The pass is to stop.
        """
        running = self._running
        wanted = running is not None and (running.due or running.is_set())
        if not wanted and not self._lossy:
            return False
        brought = []
        for job in self._jobs:
            winner = job.winner
            if winner is not None and job.suspect is None:
                outcome = self._brought(winner)
                if outcome is None:
                    break  # whoever has it is slow or gone: others may wait for a look around
                self._take(running.add(outcome) if running else outcome)
                brought.append(job)
        self._jobs = [job for job in self._jobs if job not in brought]
        self._ended += brought
        if running is not None and running.is_set():
            raise Cancelled
        return bool(brought)

    def _take(self, outcome: Outcome) -> None:
        """Keep an outcome; large ones are added up as they come, as memory is short."""
        self._outcomes.append(outcome)
        if self._large:
            n_segments = self._cluster.shards[0].n_segments
            self._outcomes = [merge_outcomes(n_segments, *self._outcomes)]

    def _brought(self, winner: Attempt) -> Outcome | None:
        """An outcome; None where its worker was lost meanwhile: it comes later."""
        try:
            # By no task of its own, which would wait for a thread of a worker that is busy.
            return outcome_of(winner.future.result(timeout=self._patience))
        except TimeoutError:
            self._patience = min(2 * self._patience, MOST_PATIENCE)
        except (OSError, distributed.CancelledError, distributed.scheduler.KilledWorker):
            pass
        return None

    # ------------------------------------------------------------------ what has not

    def _tend(self) -> bool:
        """Give what is lost, silent or slow to others; returns whether anything changed."""
        roster = self._cluster.roster
        there = roster.look()
        workers = roster.at_work(there)
        try:
            roster.check(workers)
        except WorkersLostError as error:
            raise self._without_workers(error) from error
        if not there:
            return False
        try:
            changed = self._sift(there)
        except PoisonBlockError as error:
            raise explained(error, there.values()) from None
        if not workers:
            return changed
        self._cluster.rehome(workers)
        changed |= self._restart(workers)
        return self._start_waiting(workers) or changed

    def _without_workers(self, error: WorkersLostError) -> WorkersLostError:
        """Nobody is left: where the same rows were always at work, they are the likely cause."""
        jobs = [*self._jobs, *self._quarantine.waiting]
        worst = max(jobs, key=lambda job: job.deaths, default=None)
        if type(error) is not WorkersLostError or worst is None or worst.deaths < 2:
            return error
        return explained(poison(worst), ())

    def _sift(self, there: dict[str, Any]) -> bool:
        """Drop attempts that come to nothing; returns whether there were any."""
        changed = False
        for job in list(self._jobs):
            alive = [attempt for attempt in job.attempts if self._is_alive(job, attempt, there)]
            died = [a for a in job.attempts if a not in alive and not a.finished]
            died = [a for a in died if a.address not in there or was_killed(a.future)]
            changed |= len(alive) < len(job.attempts)
            self._lossy |= bool(died)
            job.attempts = alive
            if not job.whole and job.winner is not None and not job.acquitted:
                job.acquitted = True
                self._quarantine.survived(job)
                if job.suspect is not None:
                    self._jobs.remove(job)
            elif died and not alive and self._quarantine.died(job):
                self._jobs.remove(job)
                self._cluster.lose(job.number)
            elif not alive and not job.whole:
                self._jobs.remove(job)
                self._quarantine.waiting.append(job)
        return changed

    def _is_alive(self, job: Job, attempt: Attempt, there: dict[str, Any]) -> bool:
        status = attempt.future.status
        if status == "error":
            raise_own_error(attempt.future)
            return False
        if status == "cancelled":
            if job.shard.futures:
                raise distributed.CancelledError(attempt.future.key)
            self._cluster.lose(job.number)
            return False
        return attempt.done or attempt.address in there

    def _restart(self, workers: dict[str, Any]) -> bool:
        """Start what nobody works on, and again what is with a silent or a slow worker."""
        idle, changed = self._idle(workers), False
        limit = slow_after([*self._jobs, *self._ended]) if idle else None
        for job in self._jobs:
            if job.winner is not None:
                if job.winner.address in workers:
                    continue
                # An answer that nobody can fetch is none.
                job.attempts.remove(job.winner)
            at_work = [a for a in job.attempts if a.address in workers]
            if not at_work and (job.whole or idle):
                self._move(job, self._cluster.home(job.number) if job.whole else idle.pop())
                changed = True
            elif at_work and idle and limit is not None and is_slow(job, at_work[-1], limit):
                self._move(job, idle.pop())
                changed = True
        return changed

    def _move(self, job: Job, address: str) -> None:
        """Try a job on another worker, which becomes the home of its shard."""
        before = job.attempts[-1].address if job.attempts else None
        self._start([(job, address)])
        record(
            "shard_moved",
            f"rows {job.rows[0]} to {job.rows[1]} are with {address} now",
            {**job.details, "from": before, "to": address},
        )

    def _start(self, jobs: Sequence[tuple[Job, str]]) -> None:
        attempts = self._cluster.attempts(jobs, self._message)
        for (job, _), attempt in zip(jobs, attempts, strict=True):
            job.attempts.append(attempt)

    def _busy(self) -> set[str]:
        """Workers with something to do."""
        return {a.address for job in self._jobs if job.winner is None for a in job.attempts}

    def _idle(self, workers: dict[str, Any]) -> list[str]:
        return sorted(workers.keys() - self._busy())

    def _start_waiting(self, workers: dict[str, Any]) -> bool:
        """Start suspects, each on a worker with nothing else to do."""
        idle, waiting = self._idle(workers), self._quarantine.waiting
        started = list(zip(list(waiting), idle, strict=False))
        for job, address in started:
            waiting.remove(job)
            self._jobs.append(job)
            self._start([(job, address)])
        return bool(started)
