"""A fit report as a few lines of HTML: what a notebook shows of it."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .pace import duration
from .words import PHASES, TIERS, precise

if TYPE_CHECKING:
    from .fit_report import FitReport

#: Colours that are told apart also by those who see few, on light and on dark ground.
COLOURS = {
    "read": "#56b4e9",
    "decode": "#cc79a7",
    "compute": "#009e73",
    "wait": "#d55e00",
    "reduce": "#e6b800",
    "solve": "#7f7f7f",
    "memory": "#009e73",
    "disk": "#e69f00",
    "source": "#0072b2",
    "device": "#56b4e9",
}
_EVENTS = 8  # latest ones that are shown
_CELL = "text-align:left;vertical-align:top;padding:2px 10px 2px 0;border:none;background:none"


def summary_html(report: FitReport, *, whole: bool = True) -> str:
    """A table: certificate, seconds and bytes as bars, memory; where it is the ``whole`` of what is
    shown also a heading, the gap as a line and events."""
    rows = [
        ("status", _status(report)),
        ("solver", html.escape(f"{report.solver}: {report.reason}")),
    ]
    if report.seconds:
        took = f"{report.n_passes:,} in {precise(report.seconds['passes'])}"
        in_all = f"whole fit {precise(report.seconds['total'])}"
        rows.append(("passes", f"{took}; {in_all}"))
        rows.append(("seconds", bars({name: report.seconds[name] for name in PHASES}, precise)))
    if report.bytes:
        tiers = {name: report.bytes.get(name, 0) for name in TIERS}
        rows.append(("bytes", bars(tiers, format_size, TIERS)))
    if report.measured is not None:
        rows.append(("memory", memory_words(report)))
    curve = gap_svg(report.iterations, report.tol)
    if curve and whole:
        rows.append(("gap", curve))
    if report.events and whole:
        rows.append(("events", events_list(report)))
    body = "".join(
        f'<tr style="background:none"><th style="{_CELL};opacity:.65;font-weight:normal">{name}'
        f'</th><td style="{_CELL}">{value}</td></tr>'
        for name, value in rows
    )
    heading = f"<b>{html.escape(report.estimator)}</b>" if whole else ""
    return (
        f'<div style="font-size:13px;line-height:1.4">{heading}'
        f'<table style="border-collapse:collapse;margin:4px 0;border:none">{body}</table></div>'
    )


def _status(report: FitReport) -> str:
    text = html.escape(report.status)
    if math.isfinite(report.gap):
        text += f", relative gap {report.gap:.2g} (tol {report.tol:g})"
    return text


def format_size(size: float) -> str:
    """Bytes for people."""
    from daskreg.design.host import format_bytes

    return format_bytes(size)


def memory_words(report: FitReport) -> str:
    """Memory measured, planned and allowed."""
    assert report.measured is not None
    parts = [f"{format_size(report.measured)} at most in a process"]
    for name, words in (("planned", "planned"), ("limit", "allowed")):
        if report.memory.get(name) is not None:
            parts.append(f"{format_size(report.memory[name])} {words}")
    return ", ".join(parts)


def bars(values: Mapping[str, float], words: Any, names: dict[str, str] | None = None) -> str:
    """One bar of parts, and below it what each of them is."""
    whole = sum(values.values())
    told = {name: value for name, value in values.items() if value > 0}
    if not told:
        return "none"
    parts = "".join(
        f'<span title="{name}" style="display:inline-block;height:10px;background:{COLOURS[name]};'
        f'width:{300 * value / whole:.1f}px"></span>'
        for name, value in told.items()
    )
    legend = "&ensp;".join(
        f'<span style="white-space:nowrap"><span style="color:{COLOURS[name]}">&#9632;</span> '
        f"{(names or {}).get(name, name)} {words(value)}</span>"
        for name, value in told.items()
    )
    return f'<div style="line-height:0;margin:4px 0">{parts}</div>{legend}'


def events_list(report: FitReport) -> str:
    """The latest events, one a line."""
    lines = [
        f"{duration(event['time'])}: {html.escape(str(event['message']))}"
        for event in report.events[-_EVENTS:]
    ]
    left = len(report.events) - len(lines) + report.n_events_left_out
    return "<br>".join(([f"{left:,} earlier ones"] if left else []) + lines)


def gap_svg(
    iterations: dict[str, list[Any]], tol: float, width: int = 300, height: int = 60
) -> str:
    """The gap on a logarithmic scale over the passes, with ``tol`` as a dashed line; empty where
    there are not two points."""
    pairs = zip(iterations.get("n_pass", []), iterations.get("gap", []), strict=True)
    points = [(x, math.log10(y)) for x, y in pairs if y is not None and 0 < y < math.inf]
    if len(points) < 2 or points[0][0] == points[-1][0]:
        return ""
    floor = [math.log10(tol)] if tol and tol > 0 else []
    low, high = (side([y for _, y in points] + floor) for side in (min, max))
    first, last = points[0][0], points[-1][0]

    def place(x: float, y: float) -> str:
        down = (high - y) / max(high - low, 1e-9)
        return f"{(x - first) / (last - first) * width:.1f},{3 + down * (height - 6):.1f}"

    line = " ".join(place(x, y) for x, y in points)
    dashed = ""
    if floor:
        start, end = place(first, floor[0]), place(last, floor[0])
        dashed = f'<path d="M{start} L{end}" stroke="#d55e00" stroke-dasharray="4 3" fill="none"/>'
    return (
        f'<svg width="{width}" height="{height}" role="img" aria-label="gap by pass">{dashed}'
        f'<polyline points="{line}" fill="none" stroke="#0072b2" stroke-width="1.5"/></svg>'
        f"<br>{10 ** points[0][1]:.1e} to {10 ** points[-1][1]:.1e} in passes {first} to {last}; "
        "dashed: tol"
    )
