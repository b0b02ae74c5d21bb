"""``daskreg fit``: one model from one data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ._checkpoint import checkpoint_options, remove_checkpoint, resumable
from ._errors import NOT_CONVERGED, debug_option
from ._model import make_model, model_options
from ._options import (
    cluster_options,
    column_or_file,
    data_options,
    names_of,
    require_data,
    response,
)
from ._options import workers as started
from ._report import (
    coefficients,
    converged,
    describe_fit,
    require_writable,
    save,
    say,
    show_table,
)

_MOST = 10  # coefficients shown of each output


@click.command()
@data_options
@model_options
@click.option("--out", type=click.Path(path_type=Path), help="Save the model to this file.")
@click.option("--quiet", is_flag=True, help="No plan and no progress.")
@checkpoint_options
@cluster_options
@debug_option
@click.pass_context
def fit(context: click.Context, /, **options: Any) -> None:
    """Fit a sparse linear model to DATA (.npy, .zarr, .parquet, .nc, .csv)."""
    from daskreg.callbacks import ProgressReport

    require_writable(options["out"])
    data = require_data(options["data"])
    y = response(options["target"], options["y_path"])
    rows = {
        "sample_weight": column_or_file(options["weights"]),
        "offset": column_or_file(options["offset"]),
        "sample_dim": options["sample_dim"],
        "feature_names": names_of(options["columns"]),
    }
    model = make_model(options)
    where = started(options["workers"], options["scheduler"], options["memory"])
    with resumable(options) as keeping, where:
        if options["quiet"]:
            model.fit(data, y, **rows, **keeping)
        else:
            with ProgressReport(options["tol"], show_plan=True) as report:
                model.callbacks = [report]
                model.fit(data, y, **rows, **keeping)
                model.callbacks = ()
    say(describe_fit(model, _MOST))
    show_table(coefficients(model, _MOST))
    if options["out"] is not None:
        say(f"saved      {save(model, options['out'])}")
        if converged(model):
            remove_checkpoint(options["checkpoint"])
    if not converged(model):
        context.exit(NOT_CONVERGED)
