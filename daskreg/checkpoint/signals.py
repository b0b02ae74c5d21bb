"""Ending on request: a signal asks, the checkpoint is written, the process ends with status 75."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

#: EX_TEMPFAIL: batch systems and scripts take it for "try again".
STATUS = 75
DEFAULT = ("SIGTERM", "SIGUSR1")


class Preempted(SystemExit):
    """The fit was asked to end, and its checkpoint is written; the process ends with status 75."""

    def __init__(self) -> None:
        super().__init__(STATUS)


class _Request:
    """What was asked for, and which fits would hear it."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.listeners: list[Any] = []


_REQUEST = _Request()


def asked() -> str | None:
    """Name of the signal that asked for an end, or None."""
    return _REQUEST.name


@contextlib.contextmanager
def listening(listener: Any) -> Iterator[None]:
    """Say that a fit runs that looks at ``asked`` and can commit what it has."""
    _REQUEST.listeners.append(listener)
    try:
        yield
    finally:
        _REQUEST.listeners.remove(listener)


@contextlib.contextmanager
def on_signal(signals: Sequence[str] = DEFAULT) -> Iterator[None]:
    """End fits with a checkpoint when one of these signals comes, with exit status 75.

    The running step or pass is dropped, what it has finished of its sums is kept, the checkpoint
    is committed, a line on stderr names it, and ``SystemExit(75)`` ends the process, so that a
    batch script can tell and start again.  A second signal ends the process at once; so does the
    first one while no fit with a checkpoint runs.

    Parameters
    ----------
    signals : sequence of str
        Names as in the ``signal`` module.

    Raises
    ------
    ValueError
        Outside the main thread, which alone can receive signals; for unknown names.

    Examples
    --------
    >>> from daskreg import checkpoint
    >>> with checkpoint.on_signal(["SIGTERM"]):
    ...     pass  # model.fit(X, y, checkpoint="fit.checkpoint", resume="auto")
    """
    if threading.current_thread() is not threading.main_thread():
        raise ValueError("on_signal works in the main thread only: signals are received there")
    unknown = [name for name in signals if not hasattr(signal, name)]
    if unknown:
        raise ValueError(f"this system has no signal {unknown[0]!r}; for example {DEFAULT}")
    numbers = [getattr(signal, name) for name in signals]
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def handle(number: int, frame: FrameType | None) -> None:
        if _REQUEST.name is not None or not _REQUEST.listeners:
            restore()
            os.kill(os.getpid(), number)
            return
        _REQUEST.name = signal.Signals(number).name

    for number in numbers:
        signal.signal(number, handle)
    try:
        yield
    finally:
        restore()
        _REQUEST.name = None


def say(message: str) -> None:
    """A line on stderr."""
    sys.stderr.write(f"daskreg: {message}\n")
    sys.stderr.flush()
