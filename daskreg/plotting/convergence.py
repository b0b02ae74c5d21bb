"""How a fit converged, and what its seconds went on."""

from __future__ import annotations

import math
from typing import Any

from daskreg.callbacks.fit_report_html import COLOURS as PHASE_COLOURS
from daskreg.callbacks.words import PHASES

from ._axes import COLOURS, axes_of, plain, report_of


def plot_convergence(model: Any, ax: Any = None, *, by: str = "n_pass") -> Any:
    """Plot the relative gap and the nonzero coefficients of a fit.

    Parameters
    ----------
    model : fitted model or FitReport
    ax : matplotlib Axes, optional
        Default: those of a new figure.
    by : {'n_pass', 'seconds'}
        What is on the x axis.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        For another ``by``, or a model without a report.

    Examples
    --------
    >>> import numpy as np
    >>> from daskreg import Lasso
    >>> from daskreg.plotting import plot_convergence
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> model = Lasso(alpha=0.1, solver="fista").fit(X, X @ [1.0, 0.0, -2.0])
    >>> plot_convergence(model).get_xlabel()
    'pass'
    """
    names = {"n_pass": "pass", "seconds": "seconds"}
    if by not in names:
        raise ValueError(f"by must be one of {', '.join(map(repr, names))}; got {by!r}")
    report, ax = report_of(model), axes_of(ax)
    known = report.iterations
    x, gap = known.get(by, []), [_positive(value) for value in known.get("gap", [])]
    mark = "o" if len(x) <= 40 else None
    ax.set_xlabel(names[by])
    plain(ax)
    if all(math.isnan(value) for value in gap):
        gap = [_positive(value) for value in known.get("violation", [])]
        ax.set_ylabel("violation")
    else:
        ax.set_ylabel("relative gap")
    if any(math.isfinite(value) for value in gap):
        ax.semilogy(x, gap, color=COLOURS[0], marker=mark, markersize=3)
        if report.tol > 0:
            ax.axhline(report.tol, color=COLOURS[0], linestyle="--", linewidth=1, alpha=0.7)
            ax.annotate(
                *(f"tol {report.tol:g}", (0.3, report.tol)),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                xytext=(0, -4),
                bbox={"facecolor": "white", "linewidth": 0, "pad": 1},
                color=COLOURS[0],
                fontsize=8,
            )
    other = ax.twinx()
    other.plot(x, known.get("n_nonzero", []), color=COLOURS[1], marker=mark, markersize=3)
    other.set_ylabel("nonzero coefficients", color=COLOURS[1])
    other.yaxis.get_major_locator().set_params(integer=True)
    other.set_ylim(bottom=0)
    other.spines[["top"]].set_visible(False)
    ax.margins(x=0.02)
    if by == "n_pass":
        ax.xaxis.get_major_locator().set_params(integer=True)
    return ax


def plot_seconds(model: Any, ax: Any = None) -> Any:
    """Plot what the seconds of a fit went on, one bar a phase.

    Parameters
    ----------
    model : fitted model or FitReport
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    report, ax = report_of(model), axes_of(ax, (6.4, 2.2))
    names = list(PHASES)[::-1]
    seconds = [report.seconds.get(name, 0.0) for name in names]
    bars = ax.barh(names, seconds, color=[PHASE_COLOURS[name] for name in names])
    ax.bar_label(bars, [f"{value:.3g} s, {PHASES[name]}" for name, value in
                        zip(names, seconds, strict=True)], padding=4, fontsize=8)  # fmt: skip
    ax.set_xlim(0, 1.8 * max([*seconds, 1e-9]))
    ax.set_xlabel("seconds (of all threads for read, decode, compute and wait)")
    plain(ax)
    ax.grid(axis="y", visible=False)
    return ax


def _positive(value: float | None) -> float:
    return value if value is not None and 0 < value < math.inf else math.nan
