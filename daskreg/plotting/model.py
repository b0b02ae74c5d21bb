"""What was fitted: coefficients, paths of them, and scores of the alphas."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._axes import COLOURS, axes_of, plain, report_of

#: Coefficients that a path names in its legend.
_NAMED = 10


def plot_path(model: Any, ax: Any = None) -> Any:
    """Plot the largest coefficients of a path along its alphas.

    Parameters
    ----------
    model : fitted model with several alphas, or FitReport
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        The model has one alpha only.
    """
    path, ax = report_of(model).path, axes_of(ax)
    if path is None:
        raise ValueError("this fit has one alpha, not a path: cross-validate, or plot_coefficients")
    alpha = np.asarray(path["alpha"], dtype=float)
    for place, (name, coef) in enumerate(zip(path["features"], path["coef"], strict=True)):
        named = place < _NAMED
        ax.plot(
            alpha,
            [math.nan if value is None else value for value in coef],
            color=COLOURS[place % len(COLOURS)] if named else "#bbbbbb",
            linewidth=1.5 if named else 0.8,
            label=name if named else None,
            zorder=2 if named else 1,
        )
    ax.axhline(0, color="black", linewidth=0.6)
    _strength_axis(ax, alpha, path)
    ax.set_ylabel("coefficient")
    if path["features"]:
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
    return ax


def plot_scores(model: Any, ax: Any = None) -> Any:
    """Plot the scores of the alphas: the mean over folds with its standard error, or a criterion.

    Parameters
    ----------
    model : fitted model with several alphas, or FitReport
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        The model has no scores of several alphas.
    """
    scores, ax = report_of(model).scores, axes_of(ax)
    if scores is None:
        raise ValueError("this fit chose nothing by scores: cross-validate to have some")
    ratios, alphas = scores["l1_ratio"], np.array(scores["alpha"], dtype=float)
    for place, (alpha, mean, error) in enumerate(
        zip(alphas, _floats(scores["mean"]), _floats(scores["error"]), strict=True)
    ):
        colour = COLOURS[place % len(COLOURS)]
        label = f"l1_ratio {ratios[place]:g}" if len(ratios) > 1 else None
        ax.plot(alpha, mean, color=colour, label=label, marker="o", markersize=2.5)
        if scores["n_folds"] > 1:
            ax.fill_between(alpha, mean - error, mean + error, color=colour, alpha=0.15, lw=0)
    _strength_axis(ax, alphas, scores)
    what = scores["what"]
    ax.set_ylabel(what if len(what) < 40 else what.replace(" on ", "\non ", 1))
    if scores["n_folds"] > 1:
        ax.set_title(f"mean of {scores['n_folds']} folds, band: standard error", fontsize=9)
    if len(ratios) > 1:
        ax.legend(frameon=False, fontsize=8)
    return ax


def plot_coefficients(model: Any, ax: Any = None, *, most: int = 20, output: int = 0) -> Any:
    """Plot the largest coefficients of a model.

    Parameters
    ----------
    model : fitted model
    ax : matplotlib Axes, optional
    most : int
        Coefficients at most.
    output : int
        Which target or class, where there are several.

    Returns
    -------
    matplotlib Axes
    """
    coef = np.atleast_2d(np.asarray(model.coef_))[output]
    largest = np.argsort(-np.abs(coef), kind="stable")[:most]
    largest = largest[coef[largest] != 0][::-1]
    names = getattr(model, "feature_names_in_", None)
    labels = [f"column {j}" if names is None else _short(str(names[j])) for j in largest]
    ax = axes_of(ax, (6.4, 0.9 + 0.21 * max(3, len(largest))))
    places, values = np.arange(len(largest)), coef[largest]
    ax.barh(places, values, color=[COLOURS[1] if value < 0 else COLOURS[0] for value in values])
    ax.set_yticks(places, labels, fontsize=8)
    ax.set_ylim(-0.6, max(3, len(largest)) - 0.4)
    ax.axvline(0, color="black", linewidth=0.6)
    ax.set_xlabel("coefficient")
    plain(ax)
    ax.grid(axis="y", visible=False)
    if not len(largest):
        ax.text(0.5, 0.5, "all coefficients are 0", ha="center", transform=ax.transAxes)
    return ax


def _strength_axis(ax: Any, alpha: Any, known: dict[str, Any]) -> None:
    """The strength of the penalty, stronger on the left, with the one that was chosen."""
    if (alpha > 0).all():
        ax.set_xscale("log")
    ax.invert_xaxis()
    ax.set_xlabel(known["name"] + (f" ({known['output']})" if known["output"] else ""))
    if known["chosen"] is not None:
        ax.axvline(known["chosen"], color="black", linestyle="--", linewidth=1)
        ax.annotate(
            *("chosen", (known["chosen"], 1)),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            xytext=(4, -10),
            fontsize=8,
        )
    plain(ax)


def _floats(rows: list[list[float | None]]) -> Any:
    return np.array([[math.nan if one is None else one for one in row] for row in rows])


def _short(name: str, most: int = 40) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}\N{HORIZONTAL ELLIPSIS}"
