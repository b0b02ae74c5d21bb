"""``daskreg predict``: apply a saved model to data."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

import click

from daskreg.exceptions import DataError

from ._errors import debug_option
from ._options import column_or_file, require_data
from ._report import require_writable, say

_SUFFIXES = (".npy", ".csv", ".zarr")


@click.command()
@click.argument("model_file", metavar="MODEL", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="A .npy, .csv or .zarr to write."
)
@click.option("--probability", is_flag=True, help="Class probabilities instead of labels.")
@click.option("--offset", metavar="NAME|PATH", help="Column or file of offsets.")
@click.option("--sample-dim", metavar="DIM", help="Dimension of NetCDF or zarr data that is rows.")
@debug_option
def predict(
    model_file: Path,
    data: Path,
    out: Path,
    probability: bool,
    offset: str | None,
    sample_dim: str | None,
) -> None:
    """Predict the rows of DATA with MODEL."""
    from daskreg import load

    if out.suffix not in _SUFFIXES:
        raise DataError(f"--out {out}: expected a name that ends in {', '.join(_SUFFIXES)}")
    if out.suffix != ".zarr":
        require_writable(out)
    model = load(model_file)
    if probability and not hasattr(model, "predict_proba"):
        raise click.UsageError(f"--probability: a {type(model).__name__} has no classes")
    function = model.predict_proba if probability else model.predict
    settings = {"offset": column_or_file(offset), "sample_dim": sample_dim}
    predicted = function(require_data(data), **settings)
    write(out, predicted, _columns(model, predicted, probability))
    say(f"saved      {len(predicted):,} predictions: {out}")


def _columns(model: Any, predicted: Any, probability: bool) -> list[str]:
    if predicted.ndim == 1:
        return ["prediction"]
    if probability:
        return [f"probability_{label}" for label in model.classes_]
    return [f"prediction_{name}" for name in range(predicted.shape[1])]


def write(out: Path, predicted: Any, columns: list[str]) -> None:
    """Write predictions in one step: ``out`` is absent, old or whole."""
    import numpy as np

    values = np.asarray(predicted)
    part = out.with_name(f".{out.stem}.{os.getpid()}.part{out.suffix}")
    try:
        if out.suffix == ".npy":
            np.save(part, values, allow_pickle=False)
        elif out.suffix == ".csv":
            _write_csv(part, values, columns)
        else:
            _write_zarr(part, values)
            shutil.rmtree(out, ignore_errors=True)
        os.replace(part, out)
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(part) if part.is_dir() else part.unlink()


def _write_csv(path: Path, values: Any, columns: list[str]) -> None:
    import csv

    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(values.reshape(len(values), -1).tolist())


def _write_zarr(path: Path, values: Any) -> None:
    import zarr

    if values.dtype.kind not in "biuf":
        raise DataError(
            "zarr has no settled type for text labels: choose .csv or .npy, or --probability"
        )
    dims = ("sample", "output")[: values.ndim]
    config: Any = {"write_empty_chunks": True}
    array = zarr.create_array(
        str(path), shape=values.shape, dtype=values.dtype, dimension_names=dims, config=config
    )
    array[...] = values
