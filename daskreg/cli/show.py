"""``daskreg show``: what a model file holds."""

from __future__ import annotations

from pathlib import Path

import click

from ._errors import debug_option
from ._report import certificate, coefficients, show_table


@click.command()
@click.argument("model_file", metavar="MODEL", type=click.Path(path_type=Path))
@click.option("--most", type=click.IntRange(min=1), default=20, help="Coefficients to show.")
@debug_option
def show(model_file: Path, most: int) -> None:
    """Show the largest coefficients of MODEL and what is proved about it."""
    import numpy as np

    from daskreg import load

    model = load(model_file)
    coef = np.asarray(model.coef_)
    params = ", ".join(
        f"{name}={value!r}" for name, value in model.get_params(deep=False).items() if value
    )
    click.echo(f"{type(model).__name__}({params})")
    click.echo(f"{np.count_nonzero(coef)} of {coef.size} coefficients are not zero")
    click.echo(certificate(model))
    show_table(coefficients(model, most))
