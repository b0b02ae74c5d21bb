"""What a fitted model says to a person."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np

from daskreg.exceptions import DataError

_LABEL = 11  # characters of the labels


def converged(model: Any) -> bool:
    """Whether every problem of the model met its tolerance."""
    return all(str(status) == "converged" for status in np.atleast_1d(model.status_))


def certificate(model: Any) -> str:
    """What is proved about the solution, in words."""
    gap, relative = np.atleast_1d(model.dual_gap_), np.atleast_1d(model.relative_gap_)
    met = "meets" if converged(model) else "DOES NOT MEET"
    if np.isfinite(relative).all():
        if gap.max() == 0:
            return f"none but rounding, which {met} tol={model.tol:g}"
        return (
            f"no coefficients lower the objective by more than {gap.max():.2g}; relative to its "
            f"value at coefficients 0 that is {relative.max():.2g} and {met} tol={model.tol:g}"
        )
    return (
        "no useful lower bound exists here; the distance of the gradient from the optimality "
        f"conditions {met} tol={model.tol:g}"
    )


def describe_fit(model: Any, most: int) -> str:
    """Lines on a fitted model; ``most`` coefficients are going to be shown below them."""
    from daskreg.design.host import format_bytes

    coef = np.asarray(model.coef_)
    n_nonzero = np.count_nonzero(coef)
    status = ", ".join(sorted({str(one) for one in np.atleast_1d(model.status_)}))
    shown = f"; the {most} largest are:" if np.count_nonzero(coef, axis=-1).max() > most else ""
    lines = [
        *_chosen(model),
        f"status     {status}",
        f"gap        {certificate(model)}",
        f"solver     {model.solver_}: {model.solver_reason_}",
        f"passes     {model.n_passes_:,}, {format_bytes(model.bytes_read_)} read, "
        f"{model.fit_seconds_:.1f} s",
        f"nonzeros   {n_nonzero:,} of {coef.size:,}{shown if most else ''}",
    ]
    classes = getattr(model, "classes_", None)
    if classes is not None:
        lines.append(f"classes    {classes[0]}, {classes[1]}: coefficients raise {classes[1]}")
    return "\n".join(lines)


def _chosen(model: Any) -> list[str]:
    """What cross-validation chose, if there was any."""
    if not hasattr(model, "alpha_"):
        return []
    alpha = ", ".join(f"{value:.6g}" for value in np.atleast_1d(model.alpha_))
    rule = "the least error" if model.selection == "best" else "one standard error"
    folds = "rows left out one by one" if model.cv is None else f"cv={model.cv}"
    return [f"alpha      {alpha}: {rule}, {folds}"]


def coefficients(model: Any, most: int) -> Any:
    """A table of the largest coefficients of every output."""
    from rich.table import Table
    from rich.text import Text

    coef = np.atleast_2d(model.coef_)
    intercept = np.atleast_1d(model.intercept_)
    names = getattr(model, "feature_names_in_", None)
    several = len(coef) > 1
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in (["output"] if several else []) + ["feature"]:
        table.add_column(heading, overflow="fold")
    table.add_column("coefficient", justify="right", no_wrap=True)

    def add(output: int, name: str, value: float) -> None:
        label = [Text(_output_label(model, output, len(coef)))] if several else []
        table.add_row(*label, Text(name), f"{value:.6g}")

    for output, values in enumerate(coef):
        add(output, "(intercept)", intercept[output])
        largest = np.argsort(-np.abs(values), kind="stable")[:most]
        for j in largest[values[largest] != 0]:
            add(output, str(names[j]) if names is not None else str(j), values[j])
    return table


def _output_label(model: Any, output: int, n_outputs: int) -> str:
    names = getattr(model, "target_names_", None)
    return str(names[output]) if names is not None and len(names) == n_outputs else str(output)


def show_table(table: Any) -> None:
    """Print a rich table to stdout, whole where stdout is no terminal."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(table, highlight=False)


def require_writable(path: Path | None) -> None:
    """Raise ``DataError`` now rather than after a long fit, if ``path`` cannot be written."""
    if path is None:
        return
    if path.is_dir():
        raise DataError(f"{path} is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise DataError(f"the folder {path.parent} does not exist; create it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise DataError(f"the folder {path.parent.resolve()} cannot be written; choose another")


def save(model: Any, path: Path) -> Path:
    """Save a fitted model; where that fails, keep it in the system's temporary folder.

    Raises
    ------
    DataError
        Naming what went wrong and where the model is now.
    OSError
        If it can be kept nowhere.
    """
    try:
        return Path(model.save(path))
    except OSError as error:
        kept = Path(tempfile.mkdtemp(prefix="daskreg-")) / path.name
        try:
            model.save(kept)
        except OSError:
            raise error from None
        raise DataError(f"{path}: {error.strerror}; the fitted model is kept in {kept}") from error


def say(text: str) -> None:
    """Print a part of the result on stdout, folded where that is a terminal."""
    click.echo(_folded(text, sys.stdout))


def note(text: str, indent: int = _LABEL) -> None:
    """Say something beside the result: on stderr, so that stdout can be piped."""
    click.echo(_folded(text, sys.stderr, indent), err=True)


def _folded(text: str, stream: Any, indent: int = _LABEL) -> str:
    from daskreg.callbacks import fold

    width = shutil.get_terminal_size().columns
    return fold(text, width, indent) if stream.isatty() else text
