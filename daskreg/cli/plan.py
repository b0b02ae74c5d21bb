"""``daskreg plan``: what a fit would read and hold."""

from __future__ import annotations

from typing import Any

import click

from ._cluster import cluster_options, started
from ._errors import debug_option
from ._model import make_model, model_options
from ._options import (
    column_or_file,
    data_options,
    names_of,
    require_data,
    response,
)
from ._report import say


@click.command()
@data_options
@model_options
@cluster_options
@debug_option
def plan(**options: Any) -> None:
    """Say what ``daskreg fit`` with the same options would read and hold; no byte of X is read."""
    with started(options):
        rows = {
            "sample_weight": column_or_file(options["weights"]),
            "offset": column_or_file(options["offset"]),
            "feature_names": names_of(options["columns"]),
            "sample_dim": options["sample_dim"],
        }
        y = response(options["target"], options["y_path"])
        say(foresee(make_model(options), require_data(options["data"]), y, **rows))


def foresee(model: Any, X: Any, y: Any, **rows: Any) -> str:
    """The plan of ``model.fit(X, y, **rows)``, as text.

    Rows that are unknown would be counted by reading; then it is the plan of the data alone.
    """
    from daskreg.design import as_design

    with as_design(X, y, memory_limit=model.memory_limit, **rows) as design:
        if design.plan.n_rows is None:
            return str(design.plan)
    model.callbacks = [_EndBeforeReading()]
    try:
        model.fit(X, y, **rows)
    except _Planned as planned:
        return str(planned.args[0])
    raise AssertionError("a fit without a plan")


class _Planned(Exception):
    """Carries the plan out of a fit that has not begun to read."""


class _EndBeforeReading:
    def on_plan(self, plan: Any) -> None:
        raise _Planned(plan)

    def on_iteration(self, event: Any) -> None: ...
