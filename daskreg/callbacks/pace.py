"""How fast passes go and the gap falls, and those numbers in words."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any

_HISTORY = 8  # events from which the decay of the gap is judged
_AHEAD = 100  # times as many passes ahead as they tell of, it is no guess any more


class Pace:
    """How fast passes go and the gap falls.

    Parameters
    ----------
    tol : float
        Relative gap at which the fit ends.
    pass_bytes : int, optional
        Bytes of the data that one pass covers.
    clock : callable
        Seconds, rising.
    """

    def __init__(
        self,
        tol: float = 1e-6,
        pass_bytes: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tol = tol
        self._clock = clock
        self.start(pass_bytes)

    def start(self, pass_bytes: int | None = None) -> None:
        """The first pass begins now."""
        self.pass_bytes = pass_bytes
        self._events: deque[tuple[float, int, float]] = deque(
            [(self._clock(), 0, math.nan)], maxlen=_HISTORY
        )
        self._first_gap = math.nan

    def update(self, n_passes: int, gap: float) -> None:
        """Take note of the gap after ``n_passes`` passes."""
        self._events.append((self._clock(), n_passes, gap))
        if math.isnan(self._first_gap) and gap > 0:
            self._first_gap = gap

    @property
    def seconds_per_pass(self) -> float:
        """Mean over the recent events, NaN before the first pass has ended."""
        (begin, first, _), (end, last, _) = self._events[0], self._events[-1]
        return (end - begin) / (last - first) if last > first else math.nan

    @property
    def bytes_per_second(self) -> float:
        if self.pass_bytes is None or not self.seconds_per_pass > 0:
            return math.nan
        return self.pass_bytes / self.seconds_per_pass

    @property
    def fraction(self) -> float:
        """How far the gap has come from its first value to tol, on a logarithmic scale."""
        gap = self._events[-1][2]
        if gap <= self.tol:
            return 1.0
        if not self._first_gap > self.tol:
            return 0.0
        done = math.log(self._first_gap / gap) / math.log(self._first_gap / self.tol)
        return min(max(done, 0.0), 1.0)

    @property
    def seconds_left(self) -> float:
        """Time to tol if the gap goes on falling by its recent factor a pass; NaN if unknown, or
        so far beyond the passes that tell it that it would be no guess."""
        known = [(n_passes, gap) for _, n_passes, gap in self._events if gap > 0]
        if known and known[-1][1] <= self.tol:
            return 0.0
        if len(known) < 2 or known[-1][0] == known[0][0] or known[-1][1] >= known[0][1]:
            return math.nan
        (first, high), (last, low) = known[0], known[-1]
        n_left = math.log(low / self.tol) / math.log(high / low) * (last - first)
        return n_left * self.seconds_per_pass if n_left <= _AHEAD * (last - first) else math.nan


class Rows:
    """How far the running pass has come.

    Parameters
    ----------
    n_rows, pass_bytes : int, optional
        Rows of one pass, and bytes of the data that it covers; None: unknown.
    clock : callable
        Seconds, rising.

    Attributes
    ----------
    number : int
        Of the pass, from one.
    done : int
        Its rows so far.

    Examples
    --------
    >>> seconds = iter([0.0, 2.0])
    >>> rows = Rows(100, 4 * 10**9, clock=lambda: next(seconds))
    >>> rows.add(25)
    >>> print(rows)
     25%  0.50 GB/s  6 s left
    """

    def __init__(
        self,
        n_rows: int | None = None,
        pass_bytes: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.n_rows, self.pass_bytes = n_rows, pass_bytes
        self.number, self.done = 1, 0
        self._clock = clock
        self._begin = self._now = clock()

    def add(self, rows: int) -> None:
        """Count rows that are done; those beyond the last belong to the next pass."""
        if not self.n_rows or not rows:
            return
        if self.done == self.n_rows:
            self.number, self.done, self._begin = self.number + 1, 0, self._now
        self._now = self._clock()
        passes_over, self.done = divmod(self.done + rows, self.n_rows)
        if self.done == 0:
            passes_over, self.done = passes_over - 1, self.n_rows
        self.number += passes_over

    def __str__(self) -> str:
        if not self.n_rows or not self.done:
            return ""
        share, seconds = self.done / self.n_rows, self._now - self._begin
        parts = [f"{share:4.0%}"]
        if self.pass_bytes and seconds > 0:
            parts.append(speed(share * self.pass_bytes / seconds))
        if share < 1:
            parts.append(f"{duration(seconds * (1 - share) / share)} left")
        return "  ".join(parts)


def describe(event: Any, pace: Pace, bytes_read: int = 0) -> str:
    """Return one line on an iteration; what is not known is left out."""
    parts = [f"pass {passes(event)}", certificate(event), model(event)]
    if bytes_read:
        parts.append(f"{amount(bytes_read)} read")
    if not math.isnan(pace.bytes_per_second):
        parts.append(speed(pace.bytes_per_second))
    if event.n_active and not math.isnan(pace.seconds_left):
        parts.append(f"about {duration(pace.seconds_left)} left")
    return "  ".join(part for part in parts if part)


def certificate(event: Any) -> str:
    """Return how far from the optimum an iterate may be; empty where that is not known."""
    violation = getattr(event, "violation", math.nan)
    if not math.isnan(event.gap):
        return f"gap {event.gap:.1e}"
    return "" if math.isnan(violation) else f"violation {violation:.1e}"


def model(event: Any) -> str:
    """Return the objective, the coefficients in use, and the problems that go on if several."""
    parts = [f"objective {event.objective:.5g}", f"nonzeros {event.n_nonzero:,}"]
    if event.n_active > 1:
        parts.append(f"{event.n_active:,} problems go on")
    return "  ".join(parts)


def passes(event: Any) -> int:
    """Passes over the data: one has been made before the loop began to count."""
    return int(event.n_passes) + 1


def speed(bytes_per_second: float) -> str:
    """Return a speed for people.

    Examples
    --------
    >>> speed(1.234e9), speed(3e6)
    ('1.23 GB/s', '3.0 MB/s')
    """
    if bytes_per_second >= 1e7:
        return f"{bytes_per_second / 1e9:.2f} GB/s"
    return f"{bytes_per_second / 1e6:.1f} MB/s"


def amount(nbytes: float) -> str:
    """Return a number of bytes in the unit of ``speed``.

    Examples
    --------
    >>> amount(2.5e9), amount(3e5)
    ('2.50 GB', '0.3 MB')
    """
    return f"{nbytes / 1e9:.2f} GB" if nbytes >= 1e8 else f"{nbytes / 1e6:.1f} MB"


def duration(seconds: float) -> str:
    """Return a time for people.

    Examples
    --------
    >>> duration(7.4), duration(200), duration(5000)
    ('7 s', '3:20', '1:23:20')
    """
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
