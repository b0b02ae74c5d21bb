"""Where progress is shown: plain lines, and the choice among screens."""

from __future__ import annotations

import sys
import time
from math import inf
from typing import Any, TextIO

from .screen import Screen
from .standing import Standing

_EVERY_LINE = 10  # passes that get a line each in a log; later ones one a second
_LINE_SECONDS = 1.0


class Lines(Screen):
    """Plain lines, for logs and pipes; many quick iterations do not drown them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = -inf

    def start(self) -> None: ...

    def stop(self, standing: Standing, line: str) -> None: ...

    def show_rows(self, standing: Standing) -> None: ...

    def show_iteration(self, standing: Standing, line: str) -> None:
        now, event = time.monotonic(), standing.event
        early = event.n_active == 0 or event.n_passes < _EVERY_LINE
        if early or now - self._last >= _LINE_SECONDS:
            self._last = now
            self.say(line)

    def say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


def screen_for(stream: TextIO | None = None, live: bool | None = None) -> Screen:
    """The screen of a stream: a terminal, a notebook, or plain lines.

    Parameters
    ----------
    stream : text file, optional
        Default: a notebook if this process is the kernel of one, else ``sys.stderr``.
    live : bool, optional
        Default: whether the stream is a terminal, or this is a notebook.
    """
    if stream is None and live is not False and in_notebook():
        from .notebook import Notebook

        return Notebook()
    stream = sys.stderr if stream is None else stream
    if stream.isatty() if live is None else live:
        from .terminal import Terminal

        return Terminal(stream)
    return Lines(stream)


def in_notebook() -> bool:
    """Whether this process is the kernel of a Jupyter notebook."""
    ipython = sys.modules.get("IPython")
    shell: Any = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None
