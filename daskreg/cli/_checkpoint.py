"""Options of fits that may be ended and go on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click


def checkpoint_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Say where a fit keeps what it has found out, and whether it goes on from there."""
    for option in reversed(
        [
            click.option(
                "--checkpoint",
                metavar="PATH|URL",
                help="Keep what the fit has found out in this file; removed once --out is saved.",
            ),
            click.option(
                "--checkpoint-every",
                metavar="SECONDS",
                type=click.FloatRange(min=0),
                default=60.0,
                help="Time between two writings of the checkpoint.",
            ),
            click.option(
                "--resume",
                type=click.Choice(["auto", "must"]),
                help="Go on from the checkpoint: if there is one, or else fail.",
            ),
            click.option(
                "--on-signal",
                type=click.Choice(["checkpoint"]),
                help="On SIGTERM or SIGUSR1 write the checkpoint and end with status 75.",
            ),
        ]
    ):
        command = option(command)
    return command


@contextlib.contextmanager
def resumable(options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The arguments of ``fit`` that the options stand for, while signals are heard.

    Raises
    ------
    click.UsageError
        For options that do nothing without ``--checkpoint``.
    """
    path, resume = options["checkpoint"], options["resume"]
    if path is None:
        for name in ("resume", "on_signal"):
            if options[name] is not None:
                raise click.UsageError(f"--{name.replace('_', '-')} needs --checkpoint PATH")
        yield {}
        return
    given = {
        "checkpoint": path,
        "checkpoint_every": options["checkpoint_every"],
        "resume": False if resume is None else resume,
    }
    if options["on_signal"] is None:
        yield given
        return
    from daskreg.checkpoint import on_signal

    with on_signal():
        yield given


def remove_checkpoint(path: str | Path | None) -> None:
    """Remove a checkpoint that has become a model."""
    if path is not None:
        from daskreg.checkpoint.store import Store

        Store(path).remove()
