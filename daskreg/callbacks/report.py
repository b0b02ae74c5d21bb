"""A fit on the screen: a live bar on a terminal, plain lines in a log."""

from __future__ import annotations

import math
import sys
import textwrap
import threading
import time
from types import TracebackType
from typing import Any, TextIO

from .pace import Pace, Rows, describe, passes

_EVERY_LINE = 10  # passes that get a line each in a log; later ones one a second
_LINE_SECONDS = 1.0
_LABEL = 11  # characters of the labels of plans and reports


class ProgressReport:
    """Shows a fit: a live bar on a terminal, one plain line an iteration elsewhere.

    The bar says how much of the pass is done, at what speed and how long the rest takes; below
    it the gap falls to ``tol``.  When the fit ends the bar gives way to the last iteration's line.

    Parameters
    ----------
    tol : float
        As the estimator's.
    n_rows : int, optional
        Rows of the data; with it the bar moves inside a pass. The plan of a fit brings it.
    pass_bytes : int, optional
        Bytes of the data, for the speed. The plan of a fit brings it.
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
        self._rows = Rows(n_rows, pass_bytes)
        self._stream = sys.stderr if stream is None else stream
        self._live = self._stream.isatty() if live is None else live
        self._show_plan = show_plan
        self._bar: Any = None
        self._tasks: tuple[Any, ...] = ()
        self._text = ""
        self._last_line = -math.inf
        self._lock = threading.Lock()

    def __enter__(self) -> ProgressReport:
        if self._live:
            self._bar, self._tasks = _start_bar(self._stream)
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
            if self._text:
                self._print(self._text)

    def on_plan(self, plan: Any) -> None:
        """Take the size of a pass from the plan, and show it if asked to; passes begin now."""
        self.pace.start(plan.total_bytes)
        self._rows = Rows(plan.n_rows, plan.total_bytes)
        if self._show_plan:
            self._print(str(plan))
        self._show_rows()

    def on_rows(self, rows: int, nbytes: int) -> None:
        """Rows done inside a pass, and bytes read for them; called from any thread."""
        with self._lock:
            self._rows.add(rows)
            self._show_rows()

    def on_iteration(self, event: Any) -> None:
        """Show one iteration of the loop."""
        self.pace.update(passes(event), event.gap)
        self._text = describe(event, self.pace)
        if self._bar is not None:
            _, _, text = self._text.partition("  ")  # the other bar has the number of the pass
            self._bar.update(self._tasks[1], completed=self.pace.fraction, text=text, visible=True)
        elif self._is_due(event):
            self._print(self._text)

    def _show_rows(self) -> None:
        if self._bar is not None:
            self._bar.update(
                self._tasks[0],
                description=f"pass {self._rows.number}",
                total=self._rows.n_rows,
                completed=self._rows.done,
                text=str(self._rows),
            )

    def _print(self, text: str) -> None:
        if self._bar is None:
            print(text, file=self._stream, flush=True)
        else:
            console = self._bar.console
            console.print(fold(text, console.width), markup=False, highlight=False, soft_wrap=True)

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


def fold(text: str, width: int, indent: int = _LABEL) -> str:
    """Fold lines longer than ``width`` at spaces; what follows begins below the text.

    Examples
    --------
    >>> print(fold("passes     one and two and three", 24))
    passes     one and two
               and three
    """
    return "\n".join(
        line
        if len(line) <= width
        else textwrap.fill(
            line,
            max(width, 2 * indent),
            subsequent_indent=" " * indent,
            break_on_hyphens=False,
            break_long_words=False,
        )
        for line in text.splitlines()
    )


def _start_bar(stream: TextIO) -> tuple[Any, tuple[Any, ...]]:
    """Bars of the pass and of the gap; they leave the terminal as it was."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    bar = Progress(
        TextColumn("{task.description:<10}", markup=False),
        BarColumn(30),
        TextColumn("{task.fields[text]}", markup=False),
        console=Console(file=stream),
        transient=True,
    )
    tasks = (
        bar.add_task("opening", total=None, text=""),
        bar.add_task("gap", total=1.0, text="", visible=False),
    )
    bar.start()
    return bar, tasks
