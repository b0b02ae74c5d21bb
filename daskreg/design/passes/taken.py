"""What shards of a running pass have finished, brought to the client before the others end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import distributed  # noqa: TID253 - loaded only where a client is active

from .outcome import Outcome
from .running import Running
from .shards import Cancelled, Shard

#: Seconds that results of finished tasks may take to come.
PATIENCE = 60


class Taken:
    """Outcomes that came before the end of the pass, and the shards that are left.

    Parameters
    ----------
    running : Running or None
        Who asks for them; None: nobody does.
    tasks : list of Future
        One for each shard; whoever replaces a lost one does so in this list.
    outcome_task : callable
        From the number of a shard and its task to the task of its outcome.
    """

    def __init__(
        self,
        running: Running | None,
        tasks: list[Any],
        outcome_task: Callable[[int, Any], Any],
    ) -> None:
        self._running, self._tasks, self._outcome_task = running, tasks, outcome_task
        self.outcomes: list[Outcome] = []
        self.left = list(range(len(tasks)))

    @property
    def tasks(self) -> list[Any]:
        """Tasks of the shards that are left."""
        return [self._tasks[i] for i in self.left]

    def bring(self) -> bool:
        """Bring what is finished, if somebody wants it now; returns whether anything came.

        Raises
        ------
        Cancelled
            The pass is to stop.
        """
        running = self._running
        if running is None or not (running.due or running.is_set()):
            return False
        done = [i for i in self.left if self._tasks[i].status == "finished"]
        found = self._gathered(done)
        self.outcomes += [running.add(outcome) for outcome in found.values()]
        self.left = [i for i in self.left if i not in found]
        if running.is_set():
            raise Cancelled
        return bool(found)

    def _gathered(self, done: list[int]) -> dict[int, Outcome]:
        """Outcomes by shard; none of workers that were lost meanwhile, which come later."""
        tasks = {i: self._outcome_task(i, self._tasks[i]) for i in done}
        found: dict[int, Outcome] = {}
        for i, task in tasks.items():
            try:
                result = task.result(timeout=PATIENCE)
            except (TimeoutError, OSError, distributed.CancelledError):
                continue
            except distributed.scheduler.KilledWorker:
                continue
            outcome = result.first if isinstance(result, Shard) else result
            assert isinstance(outcome, Outcome)
            found[i] = outcome
        return found
