"""Axes and arguments that all plots share."""

from __future__ import annotations

from typing import Any

from daskreg.callbacks import FitReport

#: Told apart also by those who see few colours.
COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"),
    *("#7f7f7f", "#8c564b", "#17becf", "#bcbd22"),
)


def axes_of(ax: Any, size: tuple[float, float] = (6.4, 3.4)) -> Any:
    """Return ``ax``, or the axes of a new figure."""
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    # Not pyplot's: a figure that nobody keeps track of is gone when it is no longer used.
    return Figure(figsize=size, layout="constrained").subplots()


def report_of(model: Any) -> FitReport:
    """Return the fit report of a model, or the report that is given.

    Raises
    ------
    ValueError
        The model is not fitted, or its file was written before there were reports.
    """
    if isinstance(model, FitReport):
        return model
    report = getattr(model, "fit_report_", None)
    if not isinstance(report, FitReport):
        raise ValueError(
            f"this {type(model).__name__} has no fit report: fit it first, or fit it again with "
            "this version"
        )
    return report


def plain(ax: Any) -> None:
    """Leave out what carries no information."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25, linewidth=0.6)
