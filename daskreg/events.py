"""What happened to a fit on its way: workers lost, shards moved, reads tried again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from .exceptions import WorkersLostError

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
Kind: TypeAlias = Literal[
    "worker_lost",
    "worker_joined",
    "shard_moved",
    "waiting",
    "poison",
    "retry",
    "hung",
    "checkpoint",
    "memory",
    "device",
]

#: Events that a fit keeps; later ones are only counted.
MOST = 10_000


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes
    ----------
    kind : str
    message : str
        A sentence for people.
    time : float
        Seconds since the fit began.
    n_pass : int or None
        The pass under way, counted from 1; None: before the first.
    details : dict
        Numbers and names, as JSON has them.
    """

    kind: Kind
    message: str
    time: float
    n_pass: int | None = None
    details: dict[str, Json] = field(default_factory=dict)


class EventLog:
    """The events of one fit, in order; filled from any thread.

    Attributes
    ----------
    n_pass : int or None
        The pass under way.
    n_left_out : int
        Events beyond the ``most`` that are kept.
    failure : WorkersLostError or None
        What ended the fit with its best iterate, where that was nobody's wish.
    interrupted : bool
        Whether anything has: what was under way may have met its goal all the same.
    """

    def __init__(self, most: int = MOST) -> None:
        self.n_pass: int | None = None
        self.n_left_out = 0
        self.failure: WorkersLostError | None = None
        self.interrupted = False
        self._most = most
        self._began = time.monotonic()
        self._events: list[Event] = []
        self._lock = threading.Lock()
        #: Told of each event as it happens, by whatever thread adds it.
        self.on_event: Callable[[Event], None] | None = None

    @property
    def events(self) -> list[Event]:
        with self._lock:
            return list(self._events)

    def begin_pass(self) -> None:
        """Count a pass; events to come belong to it."""
        self.n_pass = (self.n_pass or 0) + 1

    def interruption(self, message: str) -> BaseException:
        """What a fit raises that was ended from outside: its failure, else ``KeyboardInterrupt``.

        Parameters
        ----------
        message : str
            What is kept.
        """
        if self.failure is None:
            return KeyboardInterrupt(message)
        self.failure.kept = message
        return self.failure

    def add(self, kind: Kind, message: str, details: Mapping[str, Json] | None = None) -> None:
        """Keep an event that happens now."""
        seconds = time.monotonic() - self._began
        event = Event(kind, message, seconds, self.n_pass, dict(details or {}))
        with self._lock:
            if len(self._events) < self._most:
                self._events.append(event)
            else:
                self.n_left_out += 1
        if self.on_event is not None:
            self.on_event(event)


_log: ContextVar[EventLog | None] = ContextVar("daskreg-events", default=None)


@contextmanager
def collecting() -> Iterator[EventLog]:
    """Collect what happens in this thread inside the ``with``; an inner one joins the outer.

    Examples
    --------
    >>> with collecting() as log:
    ...     record("retry", "rows 0 to 9 were read again", {"n_tries": 2})
    >>> log.events[0].kind, log.events[0].details
    ('retry', {'n_tries': 2})
    """
    outer = _log.get()
    if outer is not None:
        yield outer
        return
    token = _log.set(EventLog())
    try:
        yield current_log()
    finally:
        _log.reset(token)


def current_log() -> EventLog:
    """The log of the fit that this thread works for; one that nobody reads where there is none."""
    return _log.get() or EventLog(most=0)


def ended_by(error: BaseException) -> bool:
    """Note what ends a fit, whose best iterate is kept if this is true: Ctrl-C, or a cluster that
    is lost while somebody keeps the log that says so."""
    log = _log.get()
    ended = isinstance(error, KeyboardInterrupt)
    if isinstance(error, WorkersLostError) and log is not None:
        log.failure = log.failure or error
        ended = True
    if ended and log is not None:
        log.interrupted = True
    return ended


def record(kind: Kind, message: str, details: Mapping[str, Json] | None = None) -> None:
    """Keep an event in the log of the fit that this thread works for."""
    current_log().add(kind, message, details)
