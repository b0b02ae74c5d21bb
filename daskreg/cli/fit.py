"""``daskreg fit``: one model from one data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ._checkpoint import checkpoint_options, remove_checkpoint, resumable
from ._cluster import cluster_options, show_page, started
from ._errors import NOT_CONVERGED, debug_option
from ._model import make_model, model_options
from ._options import (
    column_or_file,
    data_options,
    names_of,
    require_data,
    response,
)
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
@click.option(
    "--start",
    metavar="MODEL",
    type=click.Path(path_type=Path),
    help="Begin at the coefficients of this model file, such as last month's.",
)
@click.option(
    "--dashboard",
    is_flag=True,
    help="Show the fit on the Dask dashboard of the cluster, and print the page's address.",
)
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
    if options["start"] is not None:
        rows["start"] = require_data(options["start"])
    model = make_model(options)
    try:
        with resumable(options) as keeping, started(options) as client:
            if options["dashboard"]:
                show_page(client)
            if options["quiet"]:
                model.fit(data, y, **rows, **keeping)
            else:
                with ProgressReport(options["tol"], show_plan=True) as report:
                    model.callbacks = [report]
                    model.fit(data, y, **rows, **keeping)
                    model.callbacks = ()
    except KeyboardInterrupt:
        if hasattr(model, "coef_"):
            _tell(model, options["out"])
        raise
    _tell(model, options["out"])
    if not converged(model):
        context.exit(NOT_CONVERGED)
    if options["out"] is not None:
        remove_checkpoint(options["checkpoint"])


def _tell(model: Any, out: Path | None) -> None:
    """Show a model and save it, an interrupted one too: its certificate says how far it came."""
    model.callbacks = ()
    say(describe_fit(model, _MOST))
    show_table(coefficients(model, _MOST))
    if out is not None:
        say(f"saved      {save(model, out)}")
