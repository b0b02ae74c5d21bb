"""Options and helpers that commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from daskreg.exceptions import DataError

_ARRAY_SUFFIXES = {".npy", ".zarr", ".csv", ".parquet", ".gz"}


def _to_bytes(ctx: click.Context, option: click.Parameter, value: str | None) -> int | None:
    from daskreg.design.host import parse_bytes

    try:
        return parse_bytes(value, "the value")
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, option) from error


def bytes_option(name: str, **settings: Any) -> Any:
    """An option that takes 1GiB, 500MB or a number of bytes."""
    return click.option(name, metavar="BYTES", callback=_to_bytes, **settings)


memory_option = bytes_option("--memory", help="Limit of each process, such as 1GiB.")


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Say what is X, y, weights and offset."""
    for option in reversed(
        [
            click.argument("data", type=click.Path(path_type=Path)),
            click.option("--target", metavar="NAME", help="Column of DATA that is the response."),
            click.option(
                "--y",
                "y_path",
                metavar="PATH",
                type=click.Path(path_type=Path),
                help="File with the response, where DATA has no named columns.",
            ),
            click.option(
                "--weights", metavar="NAME|PATH", help="Column or file of sample weights."
            ),
            click.option("--offset", metavar="NAME|PATH", help="Column or file of offsets."),
            click.option(
                "--columns", metavar="A,B,...", help="Columns to use; default all the others."
            ),
            click.option(
                "--sample-dim", metavar="DIM", help="Dimension of NetCDF or zarr data that is rows."
            ),
            memory_option,
        ]
    ):
        command = option(command)
    return command


def require_data(path: Path) -> Path:
    """Return ``path`` if it exists; raise ``DataError`` that shows what lies beside it."""
    if path.exists():
        return path
    import difflib

    siblings = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, siblings, n=3)
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    raise DataError(f"there is no {path}{hint}")


def response(target: str | None, y_path: Path | None) -> Any:
    """The response: a column name, or the array in a file."""
    if (target is None) == (y_path is None):
        raise click.UsageError(
            "say what to predict: --target NAME for a column of DATA, or --y PATH for a file"
        )
    return target if target is not None else column_file(require_data(y_path or Path()))


def column_or_file(value: str | None) -> Any:
    """A column name as it is, or the array in the file of that name."""
    if value is None:
        return None
    path = Path(value)
    if path.suffix in _ARRAY_SUFFIXES and path.exists():
        return column_file(path)
    return value


def column_file(path: Path) -> Any:
    """The one column (or the columns) that a file holds, opened but not read where that can be."""
    if path.suffix == ".npy":
        import numpy as np

        return np.load(path, mmap_mode="r", allow_pickle=False)
    if path.suffix == ".zarr":
        import zarr

        return zarr.open_array(path, mode="r")
    if path.suffix == ".parquet":
        import pandas as pd

        return _only_column(path, pd.read_parquet(path))
    if path.suffix in (".csv", ".gz"):
        import pandas as pd

        return _only_column(path, pd.read_csv(path))
    raise DataError(f"{path}: expected a .npy, .zarr, .csv or .parquet file with one column")


def _only_column(path: Path, frame: Any) -> Any:
    if frame.shape[1] != 1:
        raise DataError(
            f"{path} has {frame.shape[1]} columns ({', '.join(map(str, frame.columns[:5]))} ...); "
            "a file of one column is needed here"
        )
    return frame.iloc[:, 0].to_numpy()


def names_of(columns: str | None) -> list[str] | None:
    """Split ``--columns``."""
    return None if columns is None else [name.strip() for name in columns.split(",")]
