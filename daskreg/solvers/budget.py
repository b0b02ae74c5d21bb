"""What a solve may take: passes and seconds, its own and those of the solve that it is part of."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from .protocols import Datafit
from .results import Status


class Budget:
    """Passes and seconds since a solve began, and whether somebody has asked for its end.

    A solve within a step of another ends where the budget of that one does, and an interrupt of it
    is one of both.

    Parameters
    ----------
    datafit : Datafit
        Whose passes count.
    max_passes : int or None
    deadline : float or None
        Seconds from now.
    outer : Budget or None
        Of the solve that this one is part of.
    """

    def __init__(
        self,
        datafit: Datafit,
        max_passes: int | None,
        deadline: float | None,
        outer: Budget | None = None,
    ) -> None:
        if max_passes is not None and max_passes < 1:
            raise ValueError(f"max_passes must be at least 1 or None, got {max_passes!r}")
        if deadline is not None and not deadline >= 0:
            raise ValueError(f"deadline must be >= 0 seconds or None, got {deadline!r}")
        self._datafit, self._before, self._outer = datafit, datafit.n_passes, outer
        self._max_passes, self._interrupted = max_passes, False
        #: Whether a solve within a step of this one has ended early: the step is not a whole one.
        self.cut = False
        self._end = None if deadline is None else time.monotonic() + deadline

    @property
    def spent(self) -> int:
        """Passes so far."""
        return self._datafit.n_passes - self._before

    @property
    def exhausted(self) -> Status | None:
        """What has run out, if anything."""
        if self._interrupted:
            return Status.INTERRUPTED
        if self._max_passes is not None and self.spent >= self._max_passes:
            return Status.MAX_PASSES
        if self._end is not None and time.monotonic() >= self._end:
            return Status.DEADLINE
        return None if self._outer is None else self._outer.exhausted

    @property
    def late(self) -> bool:
        """Whether work in memory should end too: time is over, or somebody asked for the end."""
        over = self._end is not None and time.monotonic() >= self._end
        if self._interrupted or over:
            return True
        return self._outer is not None and self._outer.late

    def interrupt(self) -> None:
        """Ask for the end of this solve and of those that it is part of."""
        self._interrupted = True
        self.end_early()
        if self._outer is not None:
            self._outer.interrupt()

    def end_early(self) -> None:
        """Tell the solve that this one is part of that its step is not a whole one."""
        if self._outer is not None:
            self._outer.cut = True

    @contextmanager
    def step(self) -> Iterator[None]:
        """A step of this solve: solves inside of the ``with`` are part of it."""
        token = _running.set(self)
        try:
            yield
        finally:
            _running.reset(token)


_running: ContextVar[Budget | None] = ContextVar("daskreg-budget", default=None)


def budget_of(datafit: Datafit, max_passes: int | None, deadline: float | None) -> Budget:
    """The budget of a solve that begins now, within that of the solve whose step it is part of.

    Raises
    ------
    ValueError
        For a ``max_passes`` below one or a ``deadline`` below zero.
    """
    return Budget(datafit, max_passes, deadline, _running.get())


def called_off() -> bool:
    """Whether what the running step does in memory should end where it is.

    The solve is told then that its step is not a whole one.
    """
    running = _running.get()
    if running is None or not running.late:
        return False
    running.cut = True
    return True


def call_off() -> None:
    """Ask for the end of the running solve, in all threads that work for it."""
    running = _running.get()
    if running is not None:
        running.interrupt()
