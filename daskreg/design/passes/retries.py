"""Reads that fail for the moment: tried again, later and later, and counted."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

#: Seconds before the first and before the last repetition; each wait is twice the one before.
FIRST_WAIT, LAST_WAIT = 0.1, 6.4
#: What stays of reasons.
SHOWN = 3
#: Statuses of HTTP that pass: timeout, too many requests, and whatever a server is sorry for.
PASSING = (408, 425, 429)
#: Errors of the system that say nothing about the next try.
_PASSING_ERRNO = frozenset(
    getattr(errno, name, None)
    for name in (
        *("EIO", "EAGAIN", "EINTR", "EBUSY", "ESTALE", "ETIMEDOUT", "EREMOTEIO", "ENOBUFS"),
        *("ECONNRESET", "ECONNREFUSED", "ECONNABORTED", "EPIPE", "ENOLINK"),
        *("EHOSTUNREACH", "EHOSTDOWN", "ENETUNREACH", "ENETDOWN", "ENETRESET"),
    )
) - {None}

Value = TypeVar("Value")


@dataclass(frozen=True)
class Retries:
    """How many reads were tried again, and why.

    Attributes
    ----------
    count : int
    reasons : tuple of str
        Of the first few.
    """

    count: int = 0
    reasons: tuple[str, ...] = ()

    def __add__(self, other: Retries) -> Retries:
        return Retries(self.count + other.count, (*self.reasons, *other.reasons)[:SHOWN])


class RetryLog:
    """Counts the repetitions of a shard, in whatever thread reads for it."""

    def __init__(self) -> None:
        self._total = Retries()
        self._lock = threading.Lock()

    def add(self, reason: str) -> None:
        """Count one."""
        with self._lock:
            self._total += Retries(1, (reason,))

    def taken(self) -> Retries:
        """What has been counted since the last time."""
        with self._lock:
            total, self._total = self._total, Retries()
        return total


def persistently(
    read: Callable[[], Value], again: Callable[[], None], what: str, log: RetryLog | None = None
) -> Value:
    """Read, and read again while the error is one that passes.

    Parameters
    ----------
    read : callable
    again : callable
        Called before each repetition: opens anew what may be broken.
    what : str
        For the log: what is read.
    log : RetryLog, optional

    Raises
    ------
    Exception
        The first that says nothing of passing, or the last of too many.
    """
    seconds = FIRST_WAIT
    while True:
        try:
            return read()
        except Exception as error:
            if seconds > LAST_WAIT or not passes(error):
                raise
            if log is not None:
                log.add(f"{what}: {type(error).__name__}: {error}")
            time.sleep(seconds)
            seconds *= 2
            again()


def passes(error: BaseException) -> bool:
    """Whether the same read may succeed a moment later: timeouts, broken connections, servers
    that are busy or failing; not what is missing, forbidden or damaged."""
    return any(_passes(one) for one in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__


def _passes(error: BaseException) -> bool:
    status = _status(error)
    if status is not None:
        return status in PASSING or 500 <= status < 600
    if isinstance(error, TimeoutError | ConnectionError):
        return True
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
        return False
    return isinstance(error, OSError) and error.errno in _PASSING_ERRNO


def _status(error: BaseException) -> int | None:
    """The status of HTTP that an error carries: as aiohttp, requests, gcsfs, azure and botocore
    each do it."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        found = next(
            (
                value
                for owner in (error, response)
                for value in (
                    getattr(owner, name, None) for name in ("status", "status_code", "code")
                )
                if value is not None
            ),
            None,
        )
    try:
        return int(found) if found is not None else None
    except (TypeError, ValueError):
        return None
