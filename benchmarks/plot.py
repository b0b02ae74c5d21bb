"""The picture of a run: seconds of every library in every case, the fastest at the top."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from measure import Result
from names import MARKS, OWN, label

INK, QUIET, FAINT = "#1d2733", "#7b8794", "#d7dde3"
OURS, THEIRS, MARK = "#d1495b", "#3d5a80", "#9aa5b1"


def draw(document: dict[str, Any], groups: dict[str, list[Result]], path: Path) -> None:
    """Draw a panel for each case and save the figure."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = {case: [r for r in group if r.status != "lacks"] for case, group in groups.items()}
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    counts = [len(group) for group in shown.values()]
    tallest = [max(counts[row * columns : (row + 1) * columns]) for row in range(rows)]
    figure, axes = plt.subplots(
        rows, columns, figsize=(4.7 * columns, 0.9 + 0.85 * rows + 0.27 * sum(tallest)),
        squeeze=False, height_ratios=tallest,
    )  # fmt: skip
    low, high = _limits(shown)
    for place, axis in enumerate(axes.ravel()):
        if place >= len(shown):
            axis.set_visible(False)
            continue
        case, group = list(shown.items())[place]
        _panel(axis, document["cases"][case], group, (low, high), tallest[place // columns])
    settings = document["settings"]
    figure.suptitle(
        "Seconds to a certified relative gap of 1e-6", x=0.012, ha="left", fontsize=15,
        color=INK, fontweight="bold",
    )  # fmt: skip
    figure.text(
        0.012, 1.0 - 0.52 / figure.get_figheight(),
        f"median fit, {settings['threads']} threads, {document['machine']['processor']}; left is "
        "faster; open circles did not get there, their relative gap beside them",
        ha="left", va="top", fontsize=9, color=QUIET,
    )  # fmt: skip
    height = figure.get_figheight()
    figure.subplots_adjust(
        left=1.0 / figure.get_figwidth(), right=0.985, wspace=0.34, bottom=0.35 / height,
        top=1.0 - 1.05 / height, hspace=0.65 / (height / rows - 0.65),
    )  # fmt: skip
    figure.savefig(path, dpi=130, facecolor="white")
    plt.close(figure)


def _limits(shown: dict[str, list[Result]]) -> tuple[float, float]:
    seconds = [_when(r) for group in shown.values() for r in group]
    known = [value for value in seconds if math.isfinite(value)] or [1.0]
    return min(known) / 2.0, max(known) * 12.0


def _when(result: Result) -> float:
    """Return the seconds at which a library stands: of its median, else of what it tried last."""
    if result.status == "reached" or not result.climbed:
        return result.median("seconds")
    return float(result.climbed[-1]["seconds"])


def _panel(
    axis: Any, case: dict[str, Any], group: list[Result], limits: tuple[float, float], tallest: int
) -> None:
    own = next((r for r in group if r.library == OWN and r.status == "reached"), None)
    for row, result in enumerate(group):
        _dot(axis, row, result, limits)
    if own is not None:
        axis.axvline(own.median("seconds"), color=OURS, lw=0.8, alpha=0.35, zorder=0)
    size = f"{case['n_rows']:,} x {case['n_columns']:,}"
    axis.set_title(case["title"], loc="left", fontsize=10.5, color=INK, fontweight="bold", pad=6)
    axis.set_title(size, loc="right", fontsize=7.5, color=QUIET, pad=6)
    axis.set_xscale("log")
    axis.set_xlim(*limits)
    axis.set_ylim(tallest - 0.4, -0.6)
    axis.set_yticks(range(len(group)), [label(r.library) for r in group], fontsize=9)
    for tick, result in zip(axis.get_yticklabels(), group, strict=True):
        tick.set_color(OURS if result.library == OWN else INK)
        tick.set_fontweight("bold" if result.library == OWN else "normal")
    marks = [value for value in (0.01, 0.1, 1, 10, 60, 600) if limits[0] <= value <= limits[1]]
    names = {0.01: "10 ms", 0.1: "0.1 s", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min"}
    axis.set_xticks(marks, [names[value] for value in marks], fontsize=8, color=QUIET)
    axis.minorticks_off()
    axis.tick_params(length=0)
    axis.grid(axis="x", color=FAINT, lw=0.6)
    axis.set_axisbelow(True)
    for side in axis.spines.values():
        side.set_visible(False)


def _dot(axis: Any, row: int, result: Result, limits: tuple[float, float]) -> None:
    """Draw one library: a filled dot with its seconds, or an open one with what stopped it."""
    colour = OURS if result.library == OWN else MARK if result.library in MARKS else THEIRS
    when = _when(result)
    if not math.isfinite(when):
        axis.text(limits[0] * 1.15, row, _stopped(result), va="center", fontsize=8, color=QUIET)
        return
    reached = result.status == "reached"
    axis.plot([limits[0], when], [row, row], color=colour if reached else FAINT, lw=1.6, alpha=0.45)
    axis.plot(
        when, row, "o", ms=7, color=colour, mfc=colour if reached else "white",
        mec=colour if reached else QUIET, mew=1.2, zorder=3,
    )  # fmt: skip
    text = f"{when:.2g} s" if when < 10 else f"{when:.0f} s"
    if not reached:
        text = _stopped(result)
    axis.annotate(
        text, (when, row), xytext=(8, 0), textcoords="offset points", va="center", fontsize=8,
        color=(colour if result.library == OWN else INK) if reached else QUIET,
    )  # fmt: skip


def _stopped(result: Result) -> str:
    if math.isfinite(result.gap):
        return f"gap {result.gap:.0e}"
    return result.reason if len(result.reason) < 32 else "failed"
