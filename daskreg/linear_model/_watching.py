"""Who sees a fit: callbacks of ours and of scikit-learn, observers, and the history of the fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from daskreg.callbacks import History, observers, teller
from daskreg.events import EventLog, collecting
from daskreg.fitting.watching import WATCHING

from . import _params
from ._scikit_learn import CallbackSupportMixin


@dataclass(frozen=True)
class Given:
    """What a fit was given, for the callbacks of scikit-learn: X, y and what lies beside."""

    X: Any = None
    y: Any = None
    metadata: Mapping[str, Any] | None = None


class Watching:
    """Everybody who sees one fit.

    Parameters
    ----------
    estimator : estimator or None
        None: a path function.
    given : Given
    log : EventLog

    Attributes
    ----------
    history : History
        First of all callbacks; it knows the whole fit at its end.
    iterates : callable or None
        From the Solution of the loop to ``Fitted``, once the loop begins.
    models : callable or None
        From ``Fitted`` to an estimator, for a fit of one model.
    """

    def __init__(self, estimator: Any, given: Given, log: EventLog) -> None:
        self.estimator, self.log = estimator, log
        self.history = History()
        self.iterates: Callable[[Any], Any] | None = None
        self.models: Callable[[Any], Any] | None = None
        self._tasks = _tasks_of(estimator, given, self.model_so_far)
        set_ones = getattr(estimator, "_skl_callbacks", ())
        ours = [callback for callback in set_ones if hasattr(callback, "on_iteration")]
        self._observers = observers(estimator)
        self._more = [*ours, *self._observers]
        self._managed: list[Any] = []

    def begin(self, given: Any) -> None:
        """Tell those who were not told by scikit-learn that the fit begins."""
        for callback in (*given, *self._observers):
            if hasattr(callback, "setup"):
                self._managed.append(callback)
                callback.setup(self.estimator, None if self._tasks is None else self._tasks.root)

    def end(self) -> None:
        """Tell them that it has ended; all of them, whatever one of them raises."""
        self.log.on_event = None
        try:
            if self._tasks is not None:
                self._tasks.end()
        finally:
            while self._managed:
                callback = self._managed.pop()
                callback.teardown(self.estimator, None)

    def joined(self, callbacks: Any, design: Any, tol: float) -> tuple[Any, ...]:
        """All callbacks of a loop, once the data are open; passes and events are told to them."""
        tasks = () if self._tasks is None else (self._tasks,)
        known = {id(callback) for callback in callbacks}
        more = [callback for callback in self._more if id(callback) not in known]
        everybody = (self.history, *callbacks, *more, *tasks)
        design.on_pass = teller(everybody, "on_pass")
        self.log.on_event = teller(everybody, "on_event")
        teller(everybody, "on_tol")(tol)
        return everybody

    def model_so_far(self, solution: Any) -> Any:
        """The estimator with the best iterate of the loop; None where it has none of its own."""
        if self.iterates is None or self.models is None:
            return None
        status = ["running" if one is None else str(one) for one in solution.status]
        found = self.iterates(replace(solution, status=np.array(status, dtype=object)))
        return None if found is None else self.models(found)


class Tasks:
    """Each iteration as a task, in the callback protocol of scikit-learn.

    Parameters
    ----------
    estimator : estimator with ``CallbackSupportMixin``
    given : Given
    model_of : callable
        From a Solution to a fitted estimator, or to None.
    """

    def __init__(self, estimator: Any, given: Given, model_of: Callable[[Any], Any]) -> None:
        self._estimator, self._model_of = estimator, model_of
        self._told = {"X": given.X, "y": given.y, "metadata": given.metadata}
        self._task: Any = None
        self.root = estimator._init_callback_context(max_subtasks=None)
        self.root.call_on_fit_task_begin(estimator=estimator, **self._told)

    def on_plan(self, plan: Any) -> None:
        """Passes begin: so does the first iteration."""
        self._begin()

    def _begin(self) -> None:
        if self._task is None:
            self._task = self.root.subcontext(task_name="iteration")
            self._task.call_on_fit_task_begin(estimator=self._estimator, **self._told)

    def on_iteration(self, event: Any) -> bool:
        """Whether one of them asks for an end."""
        self._begin()
        task, self._task = self._task, None
        stop = task.call_on_fit_task_end(
            estimator=self._estimator,
            reconstruction_attributes=lambda: self._attributes(event),
            **self._told,
        )
        if event.n_active and not stop:
            self._begin()
        return bool(stop)

    def _attributes(self, event: Any) -> dict[str, Any] | None:
        """Fitted attributes of the model so far; None where it cannot be made."""
        solution = getattr(event, "solution", None)
        fitted = None if solution is None else self._model_of(solution())
        return None if fitted is None else {k: v for k, v in vars(fitted).items() if k[-1:] == "_"}

    def end(self) -> None:
        """The fit has ended, whatever way."""
        if self._task is not None:
            self._task.call_on_fit_task_end(estimator=self._estimator)
        self.root.call_on_fit_task_end(estimator=self._estimator, **self._told)


def _tasks_of(estimator: Any, given: Given, model_of: Callable[[Any], Any]) -> Tasks | None:
    """The tasks of an estimator that somebody listens to."""
    if not isinstance(estimator, CallbackSupportMixin):
        return None
    heard = hasattr(estimator, "_skl_callbacks") or hasattr(estimator, "_parent_callback_ctx")
    return Tasks(estimator, given, model_of) if heard else None


@contextmanager
def watched(
    estimator: Any, X: Any, y: Any, sample_weight: Any = None, *, callbacks: Any = None
) -> Iterator[Watching]:
    """Let callbacks see the fit inside the ``with``.

    Parameters
    ----------
    estimator : estimator or None
        None: a path function.
    X, y, sample_weight
        As in ``fit``.
    callbacks : sequence, optional
        Those that were passed as a parameter; default: to the estimator.
    """
    if callbacks is None:
        callbacks = _params.callbacks(estimator.callbacks, verbose=False)
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    with collecting() as log:
        watching = Watching(estimator, Given(X, y, metadata), log)
        token = WATCHING.set(watching)
        try:
            watching.begin(callbacks)
            yield watching
        finally:
            WATCHING.reset(token)
            watching.end()
