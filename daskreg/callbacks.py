"""Progress of a fit: passes, the gap on a logarithmic bar, speed and the time that is left.

A callback is any object with ``on_iteration(event)``; the event is a
`daskreg.solvers.Progress`.  One that also has ``on_rows(rows, nbytes)`` hears of the rows done
inside a pass, from any thread, and one with ``on_plan(plan)`` is given the plan before the first
byte is read.  `Pace` keeps the numbers and `ProgressReport` shows them, so that
other protocols (scikit-learn's callbacks, a notebook widget) can reuse the numbers.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, TextIO

_HISTORY = 8  # events from which the decay of the gap is judged
_EVERY_LINE = 10  # passes that get a line each in a log; later ones one a second
_LINE_SECONDS = 1.0


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
        self.pass_bytes = pass_bytes
        self._clock = clock
        self._events: deque[tuple[float, int, float]] = deque(
            [(clock(), 0, math.nan)], maxlen=_HISTORY
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
        """Time to tol if the gap goes on falling by its recent factor a pass; NaN if unknown."""
        known = [(n_passes, gap) for _, n_passes, gap in self._events if gap > 0]
        if known and known[-1][1] <= self.tol:
            return 0.0
        if len(known) < 2 or known[-1][0] == known[0][0] or known[-1][1] >= known[0][1]:
            return math.nan
        (first, high), (last, low) = known[0], known[-1]
        rate = math.log(high / low) / (last - first)
        return math.log(low / self.tol) / rate * self.seconds_per_pass


class ProgressReport:
    """Shows a fit: a live bar on a terminal, one plain line an iteration elsewhere.

    Parameters
    ----------
    tol : float
        As the estimator's.
    n_rows : int, optional
        Rows of the data; with it the bar moves inside a pass.
    pass_bytes : int, optional
        Bytes of the data, for the speed.
    stream : text file, optional
        Default ``sys.stderr``.
    live : bool, optional
        Default: whether ``stream`` is a terminal. Needs the ``with`` block.
    show_plan : bool
        Print the plan before the first pass.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> with ProgressReport(tol=1e-3, stream=sys.stdout) as report:
    ...     report.on_iteration(
    ...         SimpleNamespace(n_passes=0, gap=1e-4, objective=0.5, n_nonzero=3, n_active=0)
    ...     )
    pass 1  gap 1.0e-04  nonzeros 3
    """

    def __init__(
        self,
        tol: float = 1e-6,
        n_rows: int | None = None,
        pass_bytes: int | None = None,
        stream: TextIO | None = None,
        live: bool | None = None,
        show_plan: bool = False,
    ) -> None:
        self.pace = Pace(tol, pass_bytes)
        self._n_rows = n_rows
        self._stream = sys.stderr if stream is None else stream
        self._live = self._stream.isatty() if live is None else live
        self._show_plan = show_plan
        self._bar: Any = None
        self._tasks: tuple[Any, ...] = ()
        self._rows = 0
        self._last_line = -math.inf
        self._lock = threading.Lock()

    def __enter__(self) -> ProgressReport:
        if self._live:
            self._bar, self._tasks = _start_bar(self._stream, self._n_rows)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def on_plan(self, plan: Any) -> None:
        """Take the size of a pass from the plan, and show it if asked to."""
        self._n_rows, self.pace.pass_bytes = plan.n_rows, plan.total_bytes
        if self._bar is not None:
            self._bar.update(self._tasks[0], total=plan.n_rows)
        if self._show_plan:
            write = self._bar.console.print if self._bar is not None else self._print
            write(str(plan))

    def on_rows(self, rows: int, nbytes: int) -> None:
        """Rows done inside a pass, and bytes read for them; called from any thread."""
        with self._lock:
            self._rows += rows
            if self._bar is not None and self._n_rows:
                done = self._rows % self._n_rows or self._n_rows
                number = -(-self._rows // self._n_rows)
                self._bar.update(self._tasks[0], completed=done, description=f"pass {number}")

    def on_iteration(self, event: Any) -> None:
        """Show one iteration of the loop."""
        self.pace.update(_passes(event), event.gap)
        text = describe(event, self.pace)
        if self._bar is not None:
            self._bar.update(self._tasks[1], completed=self.pace.fraction, text=text)
        elif self._is_due(event):
            self._print(text)

    def _print(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def _is_due(self, event: Any) -> bool:
        """Whether a log gets this line: thousands of quick passes would drown it."""
        now = time.monotonic()
        due = (
            event.n_active == 0
            or event.n_passes < _EVERY_LINE
            or now - self._last_line >= _LINE_SECONDS
        )
        if due:
            self._last_line = now
        return due


def describe(event: Any, pace: Pace) -> str:
    """Return one line on an iteration; what is not known is left out."""
    parts = [f"pass {_passes(event)}"]
    violation = getattr(event, "violation", math.nan)
    if not math.isnan(event.gap):
        parts.append(f"gap {event.gap:.1e}")
    elif not math.isnan(violation):
        parts.append(f"violation {violation:.1e}")
    parts.append(f"nonzeros {event.n_nonzero}")
    if event.n_active > 1:
        parts.append(f"{event.n_active} problems go on")
    if not math.isnan(pace.bytes_per_second):
        parts.append(f"{pace.bytes_per_second / 1e9:.2f} GB/s")
    if event.n_active and not math.isnan(pace.seconds_left):
        parts.append(f"about {pace.seconds_left:.0f} s left")
    return "  ".join(parts)


def _passes(event: Any) -> int:
    """Passes over the data: one has been made before the loop began to count."""
    return int(event.n_passes) + 1


def listener(callbacks: Iterable[Any]) -> Callable[[int, int], None] | None:
    """Return one function of (rows, nbytes) for all callbacks with ``on_rows``, None without any.

    Examples
    --------
    >>> listener([]) is None
    True
    """
    hear = [callback.on_rows for callback in callbacks if hasattr(callback, "on_rows")]
    if not hear:
        return None

    def tell(rows: int, nbytes: int) -> None:
        for on_rows in hear:
            on_rows(rows, nbytes)

    return tell


def _start_bar(stream: TextIO, n_rows: int | None) -> tuple[Any, tuple[Any, ...]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[text]}"),
        TimeElapsedColumn(),
        console=Console(file=stream),
    )
    tasks = (
        bar.add_task("pass 1", total=n_rows, text="rows"),
        bar.add_task("gap", total=1.0, text=""),
    )
    bar.start()
    return bar, tasks
