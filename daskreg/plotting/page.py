"""A model as one page of HTML that needs no network: numbers, plots, coefficients, events."""

from __future__ import annotations

import html
import io
from collections.abc import Callable
from typing import Any

import numpy as np

from daskreg import __version__
from daskreg.callbacks.fit_report import FitReport
from daskreg.callbacks.fit_report_html import summary_html
from daskreg.callbacks.pace import duration

from ._axes import report_of
from .convergence import plot_convergence, plot_seconds
from .model import plot_coefficients, plot_path, plot_scores

#: Outputs whose coefficients are shown, and events.
_MOST_OUTPUTS, _MOST_EVENTS = 6, 200
_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff;
       max-width: 1080px; margin: 24px auto; padding: 0 20px; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 0 0 6px; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(460px, 1fr)); gap: 24px; }
figure { margin: 0; } svg { max-width: 100%; height: auto; }
section { margin-top: 26px; } pre { font-size: 12.5px; overflow-x: auto; }
table.plain { border-collapse: collapse; font-size: 13px; }
table.plain td, table.plain th { text-align: left; padding: 2px 14px 2px 0; vertical-align: top; }
footer { margin: 30px 0 10px; color: #666; font-size: 12.5px; }
"""


def report_html(model: Any) -> str:
    """Return a page on a fitted model: no scripts, and nothing is fetched from elsewhere.

    Parameters
    ----------
    model : fitted model
        With its ``fit_report_``, as also ``daskreg.load`` returns it.

    Raises
    ------
    ValueError
        The model has no fit report.

    Examples
    --------
    >>> import numpy as np
    >>> from daskreg import Lasso
    >>> from daskreg.plotting import report_html
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> page = report_html(Lasso(alpha=0.1).fit(X, X @ [1.0, 0.0, -2.0]))
    >>> page[:15], page.count("<svg")
    ('<!DOCTYPE html>', 2)
    """
    report = report_of(model)
    title = html.escape(f"{report.estimator}: {report.status}")
    sections = [
        f"<h1>{title}</h1>{summary_html(report, whole=False)}",
        _plots(model, report),
        _shards(report),
        _events(report),
        f"<section><h2>Plan</h2><pre>{html.escape(report.plan)}</pre></section>",
        f"<section><h2>Model</h2><pre>{html.escape(repr(model))}</pre></section>",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>"
        f"{''.join(sections)}<footer>daskreg {__version__}</footer></body></html>\n"
    )


def _plots(model: Any, report: FitReport) -> str:
    figures = []
    if len(report.iterations.get("n_pass", ())) > 1:
        figures += [_figure("Convergence", lambda: plot_convergence(model))]
    if report.seconds:
        figures += [_figure("Seconds by phase", lambda: plot_seconds(model))]
    if report.scores is not None:
        figures += [_figure("Scores", lambda: plot_scores(model))]
    if report.path is not None:
        figures += [_figure("Path of the largest coefficients", lambda: plot_path(model))]
    names = _output_names(model)
    for output, name in enumerate(names[:_MOST_OUTPUTS]):
        of = f" of {name}" if name else ""

        def largest(output: int = output) -> Any:
            return plot_coefficients(model, output=output)

        figures += [_figure(f"Largest coefficients{of}", largest)]
    left = len(names) - _MOST_OUTPUTS
    more = f"<p>{left} more outputs are not shown.</p>" if left > 0 else ""
    return f'<section class="plots">{"".join(figures)}</section>{more}'


def _output_names(model: Any) -> list[str]:
    n_outputs = len(np.atleast_2d(model.coef_))
    if n_outputs == 1:
        return [""]
    for known, what in (("classes_", "class"), ("target_names_", "target")):
        names = getattr(model, known, None)
        if names is not None and len(names) == n_outputs:
            return [f"{what} {name}" for name in names]
    return [f"output {number}" for number in range(n_outputs)]


def _figure(title: str, draw: Callable[[], Any]) -> str:
    """One plot as inline SVG: letters are shapes, so that it looks the same everywhere."""
    import matplotlib

    # Equal models make equal pages; the title keeps the names of parts of several plots apart.
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": title, "font.size": 9}):
        drawn = draw().figure
        buffer = io.StringIO()
        drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    return f"<figure><h2>{html.escape(title)}</h2>{svg}</figure>"


def _shards(report: FitReport) -> str:
    from daskreg.callbacks.fit_report_html import format_size

    if not report.shards:
        return ""
    heads = ("worker", "rows", "memory", "disk", "source", "seconds", "in kernels")
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td>{html.escape(cell)}</td>"
            for cell in (
                str(shard["where"] or "this process"),
                f"{shard['n_rows']:,}",
                *(format_size(shard[tier]) for tier in ("memory", "disk", "source")),
                f"{shard['seconds']:.3g}",
                f"{shard['compute']:.3g}",
            )
        )
        + "</tr>"
        for shard in report.shards[:64]
    )
    head = "".join(f"<th>{name}</th>" for name in heads)
    left = len(report.shards) - 64
    more = f"<p>{left} more shards are not shown.</p>" if left > 0 else ""
    return (
        "<section><h2>Shards in the last pass, and where their blocks came from</h2>"
        f'<table class="plain"><tr>{head}</tr>{rows}</table>{more}</section>'
    )


def _events(report: FitReport) -> str:
    if not report.events:
        return ""
    shown = report.events[-_MOST_EVENTS:]
    rows = "".join(
        f"<tr><td>{duration(event['time'])}</td><td>pass {event['n_pass'] or 0}</td>"
        f"<td>{html.escape(str(event['kind']).replace('_', ' '))}</td>"
        f"<td>{html.escape(str(event['message']))}</td></tr>"
        for event in shown
    )
    left = len(report.events) - len(shown) + report.n_events_left_out
    more = f"<p>{left:,} earlier ones are not shown.</p>" if left else ""
    return f'<section><h2>Events</h2>{more}<table class="plain">{rows}</table></section>'
