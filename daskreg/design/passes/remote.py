"""What runs on the workers of a cluster: the tasks of a pass, each a function of this module."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import distributed  # noqa: TID253 - loaded only where a client is active

from daskreg.design.device.facts import card_facts
from daskreg.design.device.need import CardFacts
from daskreg.design.host import process_memory
from daskreg.design.workers import loaded_libraries
from daskreg.exceptions import MissingDependencyError

from .cancelled import Cancelled
from .outcome import Outcome, merge_outcomes
from .progress import Events
from .shards import Shard


def standing() -> tuple[int, frozenset[str], CardFacts | str | None]:
    """Memory in use, libraries that are loaded, and the card, or why there is none where one is
    demanded."""
    try:
        card: CardFacts | str | None = card_facts()
    except (MissingDependencyError, ValueError) as error:
        card = str(error)
    except Exception:  # a card that broke: a pass that uses it says how
        card = None
    return process_memory(), loaded_libraries(), card


def itself(value: Any) -> Any:
    return value


def call(pickled: bytes) -> Any:
    function, arguments = pickle.loads(pickled)
    return function(*arguments)


def make_shard(
    recipe: bytes, payload: bytes, topic: tuple[str, str] | None, values: list[Any]
) -> Shard:
    shard: Shard = pickle.loads(recipe)
    shard.first = _run(shard, payload, topic, values)
    return shard


def run_shard(
    shard: Shard, payload: bytes, topic: tuple[str, str] | None, values: list[Any]
) -> Outcome:
    shard.first = None
    return _run(shard, payload, topic, values)


def run_recipe(
    recipe: bytes, payload: bytes, topic: tuple[str, str] | None, values: list[Any]
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
    return outcome.at(worker.address)


def merge(n_segments: int, results: list[Any]) -> Outcome:
    return merge_outcomes(n_segments, *(outcome_of(result) for result in results))


def outcome_of(result: Any) -> Outcome:
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
