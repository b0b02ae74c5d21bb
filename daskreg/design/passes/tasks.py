"""Tasks for the workers, as many as a pass has in one call of the client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import dask  # noqa: TID253 - loaded only where a client is active
import distributed  # noqa: TID253
from dask.task_spec import Alias  # noqa: TID253

from .scheduler import fresh

#: Bytes of arguments that one call sends at most: Dask advises against calls of more than ten
#: million.
CALL = 4 << 20


@dataclass(frozen=True)
class Task:
    """A function of this package and its arguments.

    Attributes
    ----------
    function : callable
    name : str
        Readable, for the keys that Dask shows.
    arguments : tuple
        Futures, or lists of them, stand for their values.
    address : str or None
        The one worker that may run it; None: any.
    """

    function: Callable[..., Any]
    name: str
    arguments: tuple[Any, ...]
    address: str | None = None


def send(client: distributed.Client, tasks: Sequence[Task]) -> list[Any]:
    """Futures of the tasks, in order.

    A call for each task would have the scheduler take in a graph for each of them, and a record of
    each call, which it keeps for good.
    """
    futures: list[Any] = [None] * len(tasks)
    for numbers in _calls(tasks):
        for number, future in zip(
            numbers, _called(client, [tasks[i] for i in numbers]), strict=True
        ):
            futures[number] = future
    return futures


def _calls(tasks: Sequence[Task]) -> Iterator[list[int]]:
    """Numbers of tasks that go in one call: of one function, and not too large together."""
    alike: dict[tuple[Any, bool], list[int]] = {}
    for number, task in enumerate(tasks):
        alike.setdefault((task.function, task.address is None), []).append(number)
    for numbers in alike.values():
        call, size = list[int](), 0
        before: tuple[Any, ...] = ()
        for number in numbers:
            own = tasks[number].arguments
            # What all of them are told is sent once.
            extra = _nbytes(one for one in own if not any(one is other for other in before))
            if call and size + extra > CALL:
                yield call
                call, size = [], 0
            call.append(number)
            size, before = size + extra, own
        yield call


def _nbytes(arguments: Iterable[Any]) -> int:
    return sum(len(one) for one in arguments if isinstance(one, bytes))


def _called(client: distributed.Client, tasks: Sequence[Task]) -> list[Any]:
    """Send tasks of one function."""
    keys = [fresh(task.name) for task in tasks]
    homes = {key: [task.address] for key, task in zip(keys, tasks, strict=True)}
    bound = tasks[0].address is not None
    columns = zip(*([_by_name(one) for one in task.arguments] for task in tasks), strict=True)
    with dask.annotate(workers=homes.__getitem__) if bound else nullcontext():
        futures: list[Any] = client.map(tasks[0].function, *columns, key=keys, pure=False)
    return futures


def _by_name(argument: Any) -> Any:
    """Futures as their keys: the scheduler would make futures of its own of those it is sent."""
    if isinstance(argument, distributed.Future):
        return Alias(argument.key)
    if isinstance(argument, list):
        return [_by_name(one) for one in argument]
    return argument


def forget_calls(dask_scheduler: Any) -> None:
    """Let the scheduler forget how often ``Client.map`` and ``Client.submit`` were called.

    It keeps a record that says no more than that for each call, as long as it lives: for the many
    passes of many fits.
    """
    spans = dask_scheduler.extensions.get("spans")
    for span in [] if spans is None else spans.spans.values():
        kept = (span.metadata or {}).get("collections")
        if isinstance(kept, list) and len(kept) > 1:
            known: list[Any] = []
            for record in kept:
                if record not in known:
                    known.append(record)
            kept[:] = known
