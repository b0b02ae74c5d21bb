"""Progress in a Jupyter notebook: a live widget, which becomes plain HTML when the fit ends."""

from __future__ import annotations

import html
import time
from typing import Any

from .pace import amount, certificate, duration
from .screen import Screen
from .standing import Standing

#: Seconds between two updates of what is shown.
_EVERY = 0.2
_SAID = 6  # latest messages that stay on the screen
_BLUE, _GREEN = "#0072b2", "#009e73"


class Notebook(Screen):
    """The bars and numbers of a fit below its cell.

    An ``ipywidgets`` widget where that is installed, else HTML that is displayed anew.  What is
    left in the saved notebook is HTML.
    """

    def __init__(self) -> None:
        self._shown: _Widget | _Display | None = None
        self._said: list[str] = []
        self._last = 0.0
        self._ended = ""

    def start(self) -> None:
        self._said, self._last, self._ended = [], 0.0, ""
        self._shown = _shown()

    def stop(self, standing: Standing, line: str) -> None:
        if self._shown is not None:
            self._ended = "ended"
            self._shown.close(self._html(standing))
            self._shown = None

    def show_rows(self, standing: Standing) -> None:
        if time.monotonic() - self._last >= _EVERY:
            self._show(standing)

    def show_iteration(self, standing: Standing, line: str) -> None:
        if self._shown is None:
            print(line)  # noqa: T201 - nobody has put up a screen
        elif standing.event.n_active == 0 or time.monotonic() - self._last >= _EVERY:
            self._show(standing)

    def say(self, text: str) -> None:
        if self._shown is None:
            print(text)  # noqa: T201
        else:
            self._said = [*self._said, text][-_SAID:]

    def _show(self, standing: Standing) -> None:
        self._last = time.monotonic()
        if self._shown is not None:
            self._shown.show(self._html(standing))

    def _html(self, standing: Standing) -> str:
        return progress_html(standing, self._said, ended=bool(self._ended))


def progress_html(standing: Standing, said: list[str], *, ended: bool = False) -> str:
    """Where a fit stands: two bars, a line of numbers, and what was said."""
    rows, pace, event = standing.rows, standing.pace, standing.event
    lines = [f"<b>{html.escape(standing.title)}</b>"] if standing.title else []
    if not ended:
        share = rows.done / rows.n_rows if rows.n_rows else 0.0
        lines.append(_bar(f"pass {rows.number}", share, _GREEN, str(rows)))
    if event is not None:
        text = certificate(event).removeprefix("gap ")
        if event.gap == event.gap:
            text += f" (tol {pace.tol:.0e})"
        if event.n_active and pace.seconds_left == pace.seconds_left:
            text += f", about {duration(pace.seconds_left)} left"
        lines.append(_bar("gap", pace.fraction, _BLUE, text))
        lines.append(_numbers(standing))
    lines += [f'<pre style="margin:2px 0">{html.escape(text)}</pre>' for text in said]
    return (
        '<div style="font-size:13px;line-height:1.5;font-variant-numeric:tabular-nums">'
        + "".join(line if line.startswith("<div") else f"<div>{line}</div>" for line in lines)
        + "</div>"
    )


def _numbers(standing: Standing) -> str:
    event, speed = standing.event, standing.pace.bytes_per_second
    values = {
        "objective": f"{event.objective:.5g}",
        "nonzeros": f"{event.n_nonzero:,}",
        "problems left": f"{event.n_active:,}",
        "read": amount(standing.bytes_read),
    }
    if speed == speed:
        values["speed"] = f"{speed / 1e9:.2f} GB/s"
    return "&emsp;".join(
        f'<span style="white-space:nowrap"><span style="opacity:.65">{name}</span> {value}</span>'
        for name, value in values.items()
    )


def _bar(label: str, share: float, colour: str, text: str) -> str:
    width = f"{100 * min(max(share, 0.0), 1.0):.1f}%"
    return (
        '<div style="display:flex;align-items:center;gap:10px">'
        f'<span style="min-width:70px;opacity:.65">{html.escape(label)}</span>'
        '<span style="width:220px;height:9px;background:rgba(128,128,128,.25);flex:none">'
        f'<span style="display:block;height:9px;width:{width};background:{colour}"></span></span>'
        f"<span>{html.escape(text)}</span></div>"
    )


class _Widget:
    """HTML in a widget; its last state stays behind as plain HTML."""

    def __init__(self) -> None:
        import ipywidgets
        from IPython.display import display

        self._display: Any = display
        self._widget = ipywidgets.HTML()
        display(self._widget)

    def show(self, text: str) -> None:
        self._widget.value = text

    def close(self, text: str) -> None:
        from IPython.display import HTML

        self._widget.close()
        self._display(HTML(text))


class _Display:
    """HTML that is displayed, and replaced."""

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._html: Any = HTML
        self._handle = display(HTML(""), display_id=True)

    def show(self, text: str) -> None:
        self._handle.update(self._html(text))

    close = show


def _shown() -> _Widget | _Display:
    try:
        return _Widget()
    except ImportError:
        return _Display()
