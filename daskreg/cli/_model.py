"""The options that describe an estimator, and the estimator that they describe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

_L1_RATIO = {"l1": 1.0, "l2": 0.0}


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Say which model is fitted, and how."""
    for option in reversed(
        [
            click.option("--loss", type=click.Choice(["squared", "logistic"]), default="squared"),
            click.option("--penalty", type=click.Choice(["l1", "l2", "elasticnet"]), default="l1"),
            click.option(
                "--alpha", type=float, help="Strength of the penalty (squared loss; default 1)."
            ),
            click.option(
                "--C", "C", type=float, help="Inverse strength (logistic loss; default 1)."
            ),
            click.option(
                "--l1-ratio", type=float, help="Share of L1 in an elastic net; default 0.5."
            ),
            click.option(
                "--cv",
                type=click.IntRange(min=2),
                help="Choose alpha on so many folds of consecutive rows (squared loss).",
            ),
            click.option(
                "--selection",
                type=click.Choice(["best", "1se"]),
                help="With --cv: least error, or the largest alpha within a standard error of it.",
            ),
            click.option(
                "--standardize", is_flag=True, help="Penalise per standard deviation of a column."
            ),
            click.option("--no-intercept", is_flag=True, help="Leave the intercept out."),
            click.option("--positive", is_flag=True, help="No coefficient below 0 (squared loss)."),
            click.option(
                "--class-weight", type=click.Choice(["balanced"]), help="Logistic loss only."
            ),
            click.option("--tol", type=float, default=1e-6, help="Relative gap at which to stop."),
            click.option("--max-iter", type=click.IntRange(min=1), default=1000),
            click.option(
                "--max-passes",
                type=click.IntRange(min=1),
                help="End after so many passes over DATA, with the best model so far.",
            ),
            click.option(
                "--deadline",
                metavar="SECONDS",
                type=click.FloatRange(min=0, min_open=True),
                help="End after so many seconds, likewise.",
            ),
            click.option(
                "--solver",
                type=click.Choice(
                    ["auto", "gram", "fista", "quasi_newton", "sampled_newton", "screening"]
                ),
                default="auto",
            ),
            click.option(
                "--cache",
                type=click.Choice(["auto", "memory", "disk", "none"]),
                default="auto",
                help="Where rows stay between passes; auto: in memory, and on disk where it is "
                "faster than DATA.",
            ),
        ]
    ):
        command = option(command)
    return command


def make_model(options: dict[str, Any]) -> Any:
    """The estimator that the options describe, unfitted.

    Raises
    ------
    click.UsageError
        For an option that the chosen loss and penalty would ignore.
    """
    from daskreg import linear_model

    loss, penalty = options["loss"], options["penalty"]
    logistic = loss == "logistic"
    _refuse(options, "alpha" if logistic else "C", f"--loss {loss}")
    if options["cv"] is None:
        _refuse(options, "selection", "no --cv")
    else:
        _refuse(options, "alpha", "--cv, which chooses it")
    if logistic:
        _refuse(options, "cv", "--loss logistic")
    _refuse(options, "positive" if logistic else "class_weight", f"--loss {loss}")
    if penalty != "elasticnet":
        _refuse(options, "l1_ratio", f"--penalty {penalty}")
    settings = {
        "fit_intercept": not options["no_intercept"],
        "standardize": options["standardize"],
        "tol": options["tol"],
        "max_iter": options["max_iter"],
        "solver": options["solver"],
        "memory_limit": options["memory"],
        "cache": None if options["cache"] == "none" else options["cache"],
    }
    given = ("alpha", "C", "class_weight", "positive", "cv", "selection", "max_passes", "deadline")
    settings |= {name: options[name] for name in given if options[name] not in (None, False)}
    ratio = 0.5 if options["l1_ratio"] is None else options["l1_ratio"]
    if logistic:
        return linear_model.LogisticRegression(l1_ratio=_L1_RATIO.get(penalty, ratio), **settings)
    validated = "CV" if options["cv"] is not None else ""
    if penalty == "elasticnet":
        return getattr(linear_model, f"ElasticNet{validated}")(l1_ratio=ratio, **settings)
    kind = "Lasso" if penalty == "l1" else "Ridge"
    return getattr(linear_model, f"{kind}{validated}")(**settings)


def _refuse(options: dict[str, Any], name: str, because: str) -> None:
    if options[name] not in (None, False):
        raise click.UsageError(f"--{name.replace('_', '-')} has no effect with {because}")
