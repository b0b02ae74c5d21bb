"""``daskreg plan``: what a fit would read and hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ._errors import debug_option
from ._options import (
    cluster_options,
    column_or_file,
    data_options,
    names_of,
    require_data,
    response,
)
from ._options import workers as started
from ._report import say


@click.command()
@data_options
@cluster_options
@debug_option
def plan(
    data: Path,
    target: str | None,
    y_path: Path | None,
    weights: str | None,
    offset: str | None,
    columns: str | None,
    sample_dim: str | None,
    memory: int | None,
    workers: int,
    scheduler: str | None,
) -> None:
    """Say what fitting DATA would read and hold; no byte of X is read."""
    with started(workers, scheduler, memory):
        say(
            foresee(
                require_data(data),
                response(target, y_path),
                sample_weight=column_or_file(weights),
                offset=column_or_file(offset),
                feature_names=names_of(columns),
                sample_dim=sample_dim,
                memory_limit=memory,
            )
        )


def foresee(data: Path, y: Any, **settings: Any) -> str:
    """The plan of a fit, as text."""
    from daskreg.design import as_design

    with as_design(data, y, **settings) as design:
        return str(design.plan)
