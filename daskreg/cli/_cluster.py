"""Options that say where passes run."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import click

#: What ``--cluster`` takes before the colon, and whether a number of workers has to follow.
KINDS = {"local": True, "slurm": False, "mpi": False, "cuda": False}
_PLACES = ("cluster", "workers", "scheduler", "scheduler_file")


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Say where passes run."""
    for option in reversed(
        [
            click.option(
                "--cluster",
                metavar="KIND[:N]",
                help="Start N workers: local:4 (processes here), slurm:4 (a job each), cuda (one "
                "for each GPU); slurm under srun and mpi under mpirun take the tasks they are in.",
            ),
            click.option(
                "--workers",
                type=click.IntRange(min=0),
                default=0,
                help="Short for --cluster local:N; 0: threads of this process.",
            ),
            click.option(
                "--scheduler", metavar="ADDRESS", help="Use the running Dask cluster there."
            ),
            click.option(
                "--scheduler-file",
                metavar="FILE",
                help="Use the one whose scheduler has written FILE.",
            ),
            click.option(
                "--cluster-option",
                "cluster_settings",
                metavar="NAME=VALUE",
                multiple=True,
                help="For the function of daskreg.cluster behind it, such as walltime=02:00:00, "
                "interface=ib0, security=true or n_workers=8; may be repeated.",
            ),
        ]
    ):
        command = option(command)
    return command


@contextlib.contextmanager
def started(options: dict[str, Any]) -> Iterator[Any]:
    """The Dask client that the options ask for, or None for threads.

    Raises
    ------
    click.UsageError
        For options that contradict each other, or that do nothing.
    ClusterError
        It cannot be started or reached.
    """
    start = starter(options)
    if start is None:
        yield None
        return
    with start() as client:
        yield client


def show_page(client: Any) -> None:
    """Put the page of fits on the dashboard of a cluster, and say where it is."""
    from daskreg.dashboard import install

    if client is None:
        raise click.UsageError("--dashboard needs a cluster, such as --cluster local:2")
    page = install(client)
    if page is not None:
        click.echo(f"dashboard  {page}", err=True)


def starter(options: dict[str, Any]) -> Callable[[], Any] | None:
    """Return what starts the cluster that the options ask for; None: threads."""
    from daskreg import cluster

    named = [name for name in _PLACES if options[name]]
    if len(named) > 1:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in named)
        raise click.UsageError(f"{flags} name different clusters: choose one")
    settings = dict(_setting(text) for text in options["cluster_settings"])
    if not named:
        if settings:
            raise click.UsageError("--cluster-option does nothing without a cluster")
        return None
    if options["scheduler"]:
        return _calling(cluster.connect, options["scheduler"], **settings)
    if options["scheduler_file"]:
        return _calling(cluster.connect, scheduler_file=options["scheduler_file"], **settings)
    kind, n_workers = _kind(options["cluster"] or f"local:{options['workers']}")
    given = {"memory_limit": options["memory"]}
    if n_workers is not None:
        given["n_workers"] = n_workers
    return _calling(getattr(cluster, kind), **given | settings)


def _kind(text: str) -> tuple[str, int | None]:
    """Take ``local:4`` apart."""
    kind, colon, number = text.partition(":")
    counted = number.isdecimal() and int(number) > 0
    if kind not in KINDS or (colon and (not counted or kind == "mpi")) or KINDS[kind] > counted:
        raise click.UsageError(
            f"--cluster takes local:N, slurm:N, slurm, mpi, cuda or cuda:N; got {text!r}"
        )
    return kind, int(number) if counted else None


def _setting(text: str) -> tuple[str, Any]:
    """A name and a value, which is JSON if it can be read as such and text if not."""
    name, equals, value = text.partition("=")
    name = name.strip().replace("-", "_")
    if not equals or not name.isidentifier():
        raise click.UsageError(f"--cluster-option takes NAME=VALUE; got {text!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _calling(function: Callable[..., Any], *args: Any, **settings: Any) -> Callable[[], Any]:
    def call() -> Any:
        try:
            return function(*args, **settings)
        except TypeError as error:
            if "argument" in str(error):
                raise click.UsageError(f"--cluster-option: {error}") from error
            raise

    return call
