"""What a fitted model says to a person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from daskreg.exceptions import DataError


def converged(model: Any) -> bool:
    """Whether every problem of the model met its tolerance."""
    return all(str(status) == "converged" for status in np.atleast_1d(model.status_))


def certificate(model: Any) -> str:
    """What is proved about the solution, in words."""
    gap, relative = np.atleast_1d(model.dual_gap_), np.atleast_1d(model.relative_gap_)
    met = "meets" if converged(model) else "DOES NOT MEET"
    if np.isfinite(relative).all():
        return (
            f"No coefficients can lower the objective by more than {gap.max():.2g}, which is "
            f"{relative.max():.2g} of its value at coefficients 0; this {met} tol={model.tol:g}."
        )
    return (
        "This problem has no useful lower bound, so there is no gap. The distance of the gradient "
        f"from the optimality conditions {met} tol={model.tol:g}."
    )


def describe_fit(model: Any) -> str:
    """Lines on a fit that has just ended."""
    from daskreg.design.host import format_bytes

    coef = np.asarray(model.coef_)
    status = ", ".join(sorted({str(one) for one in np.atleast_1d(model.status_)}))
    lines = [
        f"status     {status}: {certificate(model)}",
        f"solver     {model.solver_} ({model.solver_reason_})",
        f"passes     {model.n_passes_}, {format_bytes(model.bytes_read_)} read, "
        f"{model.fit_seconds_:.1f} s",
        f"nonzeros   {np.count_nonzero(coef)} of {coef.size}",
    ]
    return "\n".join(lines)


def coefficients(model: Any, most: int) -> Any:
    """A table of the largest coefficients of every output."""
    from rich.table import Table

    coef = np.atleast_2d(model.coef_)
    intercept = np.atleast_1d(model.intercept_)
    names = getattr(model, "feature_names_in_", None)
    table = Table("output", "feature", "coefficient", box=None, header_style="bold")
    table.columns[2].justify = "right"
    for output, values in enumerate(coef):
        label = _output_label(model, output, len(coef))
        table.add_row(label, "(intercept)", f"{intercept[output]:.6g}")
        largest = np.argsort(-np.abs(values), kind="stable")[:most]
        for j in largest[values[largest] != 0]:
            name = str(names[j]) if names is not None else str(j)
            table.add_row(label, name, f"{values[j]:.6g}")
    return table


def _output_label(model: Any, output: int, n_outputs: int) -> str:
    classes = getattr(model, "classes_", None)
    if classes is not None and n_outputs == 1:
        return str(classes[1])
    names = getattr(model, "target_names_", None)
    return str(names[output]) if names is not None and len(names) == n_outputs else str(output)


def show_table(table: Any) -> None:
    """Print a rich table to stdout, whole where stdout is no terminal."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(table)


def require_writable(path: Path | None) -> None:
    """Raise ``DataError`` now rather than after a long fit, if ``path`` cannot be written."""
    if path is None:
        return
    if path.is_dir():
        raise DataError(f"{path} is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise DataError(f"the folder {path.parent} does not exist; create it first")


def note(text: str) -> None:
    """Say something beside the result: on stderr, so that stdout can be piped."""
    click.echo(text, err=True)
