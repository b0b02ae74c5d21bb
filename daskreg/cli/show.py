"""``daskreg show``: what a model file holds."""

from __future__ import annotations

from pathlib import Path

import click

from ._errors import debug_option
from ._report import coefficients, describe_fit, say, show_table


@click.command()
@click.argument("model_file", metavar="MODEL", type=click.Path(path_type=Path))
@click.option("--most", type=click.IntRange(min=1), default=20, help="Coefficients to show.")
@debug_option
def show(model_file: Path, most: int) -> None:
    """Show the largest coefficients of MODEL and what is proved about it."""
    from daskreg import load

    model = load(model_file)
    say(f"model      {' '.join(repr(model).split())}")
    say(describe_fit(model, most))
    show_table(coefficients(model, most))
