"""Tasks for the workers, as many as a pass has in one call of the client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import dask  # noqa: TID253 - loaded only where a client is active
import distributed  # noqa: TID253
from dask.task_spec import Alias  # noqa: TID253

from .roster import LOOK_UP
from .scheduler import OWN, fresh

#: Bytes of arguments that one call sends at most: Dask advises against calls of more than ten
#: million.
CALL = 4 << 20
#: Passes of a client after which the scheduler is asked to forget the calls of all of them.
FORGET = 100

_n_passes: WeakKeyDictionary[distributed.Client, int] = WeakKeyDictionary()


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


def count_pass(client: distributed.Client) -> None:
    """Count a pass; now and then, let the scheduler forget the calls of all fits of this client."""
    _n_passes[client] = _n_passes.get(client, 0) + 1
    if _n_passes[client] % FORGET == 0:
        # Whether the scheduler is there is asked before each pass; what it keeps is its affair.
        with suppress(Exception):
            client.sync(client._run_on_scheduler, forget_calls, callback_timeout=float(LOOK_UP))


def forget_calls(dask_scheduler: Any) -> None:
    """Let the scheduler forget how often ``Client.map`` and ``Client.submit`` were called.

    Each call leaves a record that says no more than that, as long as the span lives in which our
    tasks are: all but the first of each span go.
    """
    spans = getattr(dask_scheduler.extensions.get("spans"), "spans", {})
    for span in list(spans.values()):
        records = (span.metadata or {}).get("collections")
        if records and any(str(group.name).startswith(OWN) for group in span.groups):
            calls = [i for i, record in enumerate(records) if record == {"type": "Future"}]
            later = set(calls[1:])
            records[:] = [record for i, record in enumerate(records) if i not in later]
