"""Progress on a terminal: bars that give way to one line when the fit ends."""

from __future__ import annotations

import contextlib
from typing import Any, TextIO

from .folding import fold
from .pace import amount, certificate, duration, model
from .screen import Screen
from .standing import Standing


class Terminal(Screen):
    """Two bars, of the pass and of the gap, and a line below them.

    Parameters
    ----------
    stream : text file
        The terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bars: Any = None
        self._tasks: tuple[Any, ...] = ()

    def start(self) -> None:
        """Put up the bars; they leave the terminal as it was."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        self._bars = Progress(
            TextColumn("{task.description:<10}", markup=False),
            BarColumn(30),
            TextColumn("{task.fields[text]}", markup=False, table_column=Column(no_wrap=True)),
            console=Console(file=self._stream),
            transient=True,
        )
        self._tasks = (
            self._bars.add_task("opening", total=None, text=""),
            self._bars.add_task("gap", total=1.0, text="", visible=False),
            self._bars.add_task("model", total=1.0, text="", visible=False),
        )
        self._bars.start()

    def stop(self, standing: Standing, line: str) -> None:
        if self._bars is None:
            return
        # A progress bar outlives its terminal's window at times: nothing is lost with it.
        with contextlib.suppress(OSError, ValueError):
            self._bars.stop()
        self._bars = None
        if line:
            self.say(line)

    def show_rows(self, standing: Standing) -> None:
        if self._bars is not None:
            self._bars.update(
                self._tasks[0],
                description=f"pass {standing.rows.number}",
                total=standing.rows.n_rows,
                completed=standing.rows.done,
                text=str(standing.rows),
            )

    def show_iteration(self, standing: Standing, line: str) -> None:
        if self._bars is None:
            self.say(line)
            return
        event, pace = standing.event, standing.pace
        text = certificate(event).removeprefix("gap ")
        if event.n_active and pace.seconds_left == pace.seconds_left:
            text += f" of {pace.tol:.0e}  about {duration(pace.seconds_left)} left"
        self._bars.update(self._tasks[1], completed=pace.fraction, text=text, visible=True)
        below = model(event)
        if standing.bytes_read:
            below += f"  {amount(standing.bytes_read)} read"
        self._bars.update(self._tasks[2], completed=pace.fraction, text=below, visible=True)

    def say(self, text: str) -> None:
        if self._bars is None:
            print(text, file=self._stream, flush=True)
        else:
            console = self._bars.console
            console.print(fold(text, console.width), markup=False, highlight=False, soft_wrap=True)
