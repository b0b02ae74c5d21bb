"""The figures of the page, each with its sources of data."""

from __future__ import annotations

from typing import Any

from .fits import Fit
from .messages import POINT

#: One for each fit on the page; told apart also by those who see few colours.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
TIERS = {"device": "#56b4e9", "memory": "#009e73", "disk": "#e69f00", "source": "#0072b2"}
TIER_NAMES = {
    "device": "on cards",
    "memory": "in memory",
    "disk": "on local disk",
    "source": "read from the source",
}
_HEIGHT = 215
_MOST_EVENTS = 100
_MOST_BARS = 48
_SHARDS = "fit | worker | shard: {} by tier"

#: Title, column of x, column of y, type of the y axis.
CURVES = (
    ("gap by pass", "n_pass", "gap", "log"),
    ("gap by seconds", "seconds", "gap", "log"),
    ("objective / first one, by pass", "n_pass", "share", "linear"),
    ("objective / first one, by seconds", "seconds", "share", "linear"),
    ("nonzero coefficients by pass", "n_pass", "n_nonzero", "log"),
    ("problems that go on, by pass", "n_pass", "n_active", "log"),
)


class Lines:
    """The curves: one source of points for each fit, shared by all figures."""

    def __init__(self) -> None:
        from bokeh.models import ColumnDataSource

        names = [*POINT, "tol", "share"]
        self._sources = [ColumnDataSource({name: [] for name in names}) for _ in COLOURS]
        self._glyphs: list[list[Any]] = [[] for _ in COLOURS]
        self.figures = [self._figure(*curve) for curve in CURVES]

    def _figure(self, title: str, x: str, y: str, scale: str) -> Any:
        plot = _plot(title, y_axis_type=scale)
        for source, glyphs in zip(self._sources, self._glyphs, strict=True):
            glyphs.append(plot.line(x, y, source=source, line_width=2))
            glyphs.append(plot.scatter(x, y, source=source, size=5))
            if y == "gap":
                glyphs.append(
                    plot.line(x, "tol", source=source, line_dash="dashed", line_alpha=0.6)
                )
        return plot

    def update(self, fits: list[Fit], colours: list[str]) -> None:
        """Show these fits."""
        for place, (source, glyphs) in enumerate(zip(self._sources, self._glyphs, strict=True)):
            if place < len(fits):
                source.data = fits[place].columns()
                _colour(glyphs, colours[place])
            elif len(source.data["gap"]):
                source.data = {name: [] for name in source.data}


class Speed:
    """Bytes per second of the passes, beside what memory and disks give."""

    def __init__(self) -> None:
        from bokeh.models import ColumnDataSource

        title = "GB/s by pass (dotted: memory, disks)"
        self.figure = _plot(title, y_axis_type="log")
        empty: dict[str, list[float]] = {"n_pass": [], "seconds": [], "speed": []}
        self._sources = [ColumnDataSource(dict(empty)) for _ in COLOURS]
        self._glyphs = [
            [
                self.figure.line("n_pass", "speed", source=source, line_width=2),
                self.figure.scatter("n_pass", "speed", source=source, size=5),
            ]
            for source in self._sources
        ]
        self._limits = {name: ColumnDataSource({"x": [], "y": []}) for name in ("memory", "disk")}
        for name, source in self._limits.items():
            dotted = {"line_color": TIERS[name], "line_dash": "dotted", "line_width": 2}
            self.figure.line("x", "y", source=source, **dotted)

    def update(self, fits: list[Fit], colours: list[str], capacity: dict[str, float]) -> None:
        """Show these fits."""
        last = 1.0
        for place, (source, glyphs) in enumerate(zip(self._sources, self._glyphs, strict=True)):
            if place < len(fits):
                source.data = fits[place].speeds()
                _colour(glyphs, colours[place])
                last = max([last, *source.data["n_pass"]])
            elif len(source.data["speed"]):
                source.data = {name: [] for name in source.data}
        for name, source in self._limits.items():
            rate = capacity.get(name)
            known = [] if rate is None else [rate / 1e9] * 2
            source.data = {"x": [0.0, last][: len(known)], "y": known}


class Shards:
    """Where each shard lives, and the tier that its blocks are in: one bar a shard."""

    def __init__(self) -> None:
        from bokeh.models import ColumnDataSource, FactorRange

        self._range = FactorRange(factors=[])
        self.figure = _plot(_SHARDS.format("GB"), height=300, y_range=self._range)
        self._source = ColumnDataSource({name: [] for name in ("shard", *TIERS)})
        self.figure.hbar_stack(
            list(TIERS),
            y="shard",
            height=0.8,
            color=list(TIERS.values()),
            source=self._source,
            legend_label=list(TIER_NAMES.values()),
        )
        legend = self.figure.legend[0]
        legend.orientation, legend.border_line_color, legend.padding = "horizontal", None, 2
        legend.background_fill_alpha = 0.0
        self.figure.add_layout(legend, "below")
        self.figure.x_range.start = 0

    def update(self, fits: list[Fit]) -> None:
        """Show the shards of fits that run, else of the last one."""
        running = [fit for fit in fits if fit.ended is None and fit.shards]
        shown = running or [fit for fit in fits if fit.shards][-1:]
        names, sizes = [], []
        for fit in shown:
            for number, (where, *values) in enumerate(fit.shards):
                names.append(f"{fit.number} | {_place(where)} | {number}")
                sizes.append(values[: len(TIERS)])
        names, sizes = names[:_MOST_BARS], sizes[:_MOST_BARS]
        unit, name = (1e9, "GB") if max(map(sum, sizes), default=0) >= 1e8 else (1e6, "MB")
        self.figure.title.text = _SHARDS.format(name)
        self._range.factors = names[::-1]
        columns = {tier: [row[i] / unit for row in sizes] for i, tier in enumerate(TIERS)}
        self._source.data = {"shard": names, **columns}


class Events:
    """What happened, the latest first."""

    def __init__(self) -> None:
        from bokeh.layouts import column
        from bokeh.models import ColumnDataSource, DataTable, Div, NumberFormatter, TableColumn

        self._source = ColumnDataSource({name: [] for name in ("time", "fit", "kind", "message")})
        columns = [
            TableColumn(
                field="time", title="s", width=50, formatter=NumberFormatter(format="0,0.0")
            ),
            TableColumn(field="fit", title="fit", width=90),
            TableColumn(field="kind", title="event", width=90),
            TableColumn(field="message", title="", width=500),
        ]
        table = DataTable(
            source=self._source,
            columns=columns,
            index_position=None,
            height=270,
            sizing_mode="stretch_width",
        )
        self._title = Div(text="", margin=(4, 5, 0, 10))
        self.root = column(self._title, table, sizing_mode="stretch_width")

    def update(self, fits: list[Fit]) -> None:
        """Show those of these fits."""
        rows = [(fit.began + event["time"], fit, event) for fit in fits for event in fit.events]
        rows = sorted(rows, key=lambda row: -row[0])[:_MOST_EVENTS]
        title = "events" if rows else "events: none so far"
        self._title.text = f'<b style="font-size:13px">{title}</b>'
        self._source.data = {
            "time": [event["time"] for _, _, event in rows],
            "fit": [fit.name for _, fit, _ in rows],
            "kind": [str(event["kind"]).replace("_", " ") for _, _, event in rows],
            "message": [event["message"] for _, _, event in rows],
        }


def _plot(title: str, height: int = _HEIGHT, **settings: Any) -> Any:
    from bokeh.plotting import figure

    plot = figure(
        title=title,
        height=height,
        tools="box_zoom,reset,hover",
        sizing_mode="stretch_width",
        min_width=200,
        **settings,
    )
    plot.toolbar.autohide = True
    return plot


def _colour(glyphs: list[Any], colour: str) -> None:
    for renderer in glyphs:
        renderer.glyph.line_color = colour
        if hasattr(renderer.glyph, "fill_color"):
            renderer.glyph.fill_color = colour


def _place(where: str) -> str:
    """A worker's address without what all of them share."""
    return where.partition("://")[2] or where or "this process"
