"""The report of a fit: from its history, and from what the estimator knows of its paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Float
from daskreg.callbacks import FitReport, History, statuses_in_words
from daskreg.events import Event

#: Seconds of passes by what they went on.
_PHASES = ("reduce", "read", "decode", "compute", "wait")
#: Coefficients along a path that a report keeps, l1_ratios whose scores it keeps, and shards.
MOST_COEF, MOST_RATIOS, MOST_SHARDS = 20, 8, 1000


def fit_report(
    estimator: Any, history: History, events: Sequence[Event], n_left_out: int, peak: int
) -> FitReport:
    """Say how a fit went.

    Parameters
    ----------
    estimator : estimator
        With its fitted attributes and ``fit_seconds_``.
    history : History
    events : sequence of Event
    n_left_out : int
        Events beyond those that were kept.
    peak : int
        Bytes of this process at their most, when the fit had ended.
    """
    paths = getattr(estimator, "_paths", None)
    plan, totals, total = estimator.plan_, history.totals, float(estimator.fit_seconds_)
    gaps = np.atleast_1d(getattr(estimator, "relative_gap_", np.nan))
    return FitReport(
        estimator=type(estimator).__name__,
        status=statuses_in_words(estimator.status_),
        solver=str(estimator.solver_),
        reason=str(estimator.solver_reason_),
        tol=float(estimator.tol),
        gap=float(gaps.max()),
        n_passes=int(estimator.n_passes_),
        seconds={
            "total": total,
            "passes": float(totals["seconds"]),
            "solve": max(0.0, total - float(totals["seconds"])),
            **{name: float(totals[name]) for name in _PHASES},
        },
        bytes={
            **{name: int(totals[name]) for name in ("memory", "disk", "source", "device")},
            "pinned": sum(shard.pinned for shard in history.shards),
            "spooled": sum(shard.spooled for shard in history.shards),
            "on_cards": sum(shard.on_card for shard in history.shards),
        },
        memory={
            "planned": int(plan.peak),
            "limit": int(plan.memory_limit),
            "measured": history.resident,
            "client": peak,
        },
        iterations=history.iterations,
        passes=history.passes,
        shards=[dict(vars(shard)) for shard in history.shards[:MOST_SHARDS]],
        events=[dict(vars(event)) for event in events],
        n_events_left_out=n_left_out,
        path=None if paths is None else _path(estimator, paths),
        scores=None if paths is None else _scores(estimator, paths),
        plan=str(plan),
    )


def _path(estimator: Any, paths: Any) -> dict[str, Any]:
    """The largest coefficients of the first output along its alphas, at the l1_ratio chosen."""
    ratio = _chosen_ratio(estimator, paths)
    coef, alpha = paths.coef[0, ratio], paths.alpha[0, ratio]
    largest = np.argsort(-np.abs(coef).max(axis=0), kind="stable")[:MOST_COEF]
    largest = largest[np.abs(coef[:, largest]).max(axis=0) > 0]
    return {
        "alpha": alpha.tolist(),
        "name": _name_of_alpha(estimator),
        "chosen": _chosen_alpha(estimator),
        "n_nonzero": np.count_nonzero(coef, axis=1).tolist(),
        "features": [_feature(estimator, j) for j in largest.tolist()],
        "coef": coef[:, largest].T.tolist(),
        "output": _output(paths),
    }


def _scores(estimator: Any, paths: Any) -> dict[str, Any] | None:
    """Mean and standard error over folds, or a criterion, of the first output."""
    curves: dict[str, Float]
    if paths.scores is not None:
        scores = paths.scores[:, 0]
        n_folds = len(scores)
        error = scores.std(axis=0, ddof=1) / np.sqrt(n_folds) if n_folds > 1 else 0 * scores[0]
        curves = {"mean": scores.mean(axis=0), "error": error}
    elif "criterion" in paths.further:
        criterion = paths.further["criterion"][0]
        curves = {"mean": criterion, "error": 0 * criterion}
    else:
        return None
    return {
        "alpha": paths.alpha[0, :MOST_RATIOS].tolist(),
        "name": _name_of_alpha(estimator),
        "chosen": _chosen_alpha(estimator),
        "l1_ratio": np.asarray(paths.l1_ratio[:MOST_RATIOS], dtype=float).tolist(),
        "chosen_ratio": _chosen_ratio(estimator, paths),
        "what": _name_of_scores(estimator),
        "n_folds": 0 if paths.scores is None else len(paths.scores),
        "output": _output(paths),
        **{name: values[:MOST_RATIOS].tolist() for name, values in curves.items()},
    }


def _chosen_ratio(estimator: Any, paths: Any) -> int:
    """Place of the l1_ratio that was chosen for the first output."""
    ratio = getattr(estimator, "l1_ratio_", None)
    if ratio is None or len(paths.l1_ratio) == 1:
        return 0
    return int(np.argmin(np.abs(paths.l1_ratio - float(np.ravel(ratio)[0]))))


def _chosen_alpha(estimator: Any) -> float | None:
    """The alpha, or C, that was chosen for the first output."""
    for name in ("alpha_", "C_"):
        if hasattr(estimator, name):
            value = float(np.ravel(getattr(estimator, name))[0])
            return 1.0 / value if name == "C_" else value
    return None


def _name_of_alpha(estimator: Any) -> str:
    return "1 / C" if hasattr(estimator, "C_") else "alpha"


def _name_of_scores(estimator: Any) -> str:
    if hasattr(estimator, "criterion"):
        return str(estimator.criterion).upper()
    scoring = getattr(estimator, "_scoring", None) or getattr(estimator, "scoring", None)
    if scoring is not None:
        return str(scoring)
    if not type(estimator)._greater_is_better:
        return "mean squared error on held-out rows"
    if estimator.cv is None:
        return "minus the squared error of rows left out one by one"
    return "R squared on held-out rows"


def _output(paths: Any) -> str:
    """Which output this is about, where there are several."""
    n_outputs = len(paths.coef)
    return "" if n_outputs == 1 else f"first of {n_outputs} outputs"


def _feature(estimator: Any, j: int) -> str:
    names: AnyArray | None = getattr(estimator, "feature_names_in_", None)
    return f"column {j}" if names is None else str(names[j])
