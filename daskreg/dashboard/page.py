"""The page: curves of the latest fits on common axes, cards, shards by tier, and events."""

from __future__ import annotations

from typing import Any

from .cards import cards_html
from .fits import Fit, Fits
from .panels import COLOURS, Events, Lines, Shards, Speed

#: Fits that are shown at once.
SHOWN = len(COLOURS)
#: Milliseconds between two looks for news.
PERIOD = 500


class Page:
    """What one browser shows; updated where something has changed.

    Parameters
    ----------
    fits : Fits
    """

    def __init__(self, fits: Fits) -> None:
        from bokeh.layouts import column, row
        from bokeh.models import Div

        self._fits, self._version = fits, -1
        self._cards = Div(text="", sizing_mode="stretch_width")
        self._lines, self._speed = Lines(), Speed()
        self._shards, self._events = Shards(), Events()
        wide = {"sizing_mode": "stretch_width"}
        self.root = column(
            self._cards,
            row(*self._lines.figures[:4], **wide),
            row(*self._lines.figures[4:], self._speed.figure, **wide),
            row(self._shards.figure, self._events.root, **wide),
            **wide,
        )
        self.update()

    def update(self) -> None:
        """Show what is new, and the clocks of what runs."""
        shown = self._fits.latest(SHOWN)
        colours = colours_of(shown)
        self._cards.text = cards_html(shown, colours)
        if self._fits.version == self._version:
            return
        self._version = self._fits.version
        self._lines.update(shown, colours)
        self._speed.update(shown, colours, self._fits.capacity)
        self._shards.update(shown)
        self._events.update(shown)


def colours_of(shown: list[Fit]) -> list[str]:
    """The colour of each fit: it keeps the same as long as it is on the page."""
    return [COLOURS[(fit.number - 1) % SHOWN] for fit in shown]


def make_document(fits: Fits, scheduler: Any, extra: dict[str, Any], doc: Any) -> None:
    """Make the document of one browser; called by the Bokeh server."""
    from distributed.dashboard.components.scheduler import BOKEH_THEME, env

    page = Page(fits)
    doc.title = "Dask: daskreg"
    doc.add_periodic_callback(page.update, PERIOD)
    doc.add_root(page.root)
    doc.template = env.get_template("simple.html")
    doc.template_variables.update(extra)
    doc.theme = BOKEH_THEME
