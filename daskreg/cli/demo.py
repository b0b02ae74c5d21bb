"""``daskreg demo``: a lasso on data larger than its memory limit, from nothing."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from daskreg.exceptions import DataError

from ._errors import NOT_CONVERGED, debug_option
from ._options import bytes_option
from ._report import converged, describe_fit, note, require_writable, save, say

_SPARE = 64 << 20  # bytes of disk left free


@click.command()
@bytes_option("--size", default="4GiB", help="Bytes of the design matrix, float32.")
@bytes_option("--memory", default="1GiB", help="Memory limit of each worker process.")
@click.option("--columns", type=click.IntRange(min=2), default=256)
@click.option("--workers", type=click.IntRange(min=1), default=2, help="Worker processes.")
@click.option("--correlation", type=float, default=0.5, help="Of neighbouring columns.")
@click.option("--alpha", type=float, default=0.1, help="Strength of the L1 penalty.")
@click.option(
    "--solver",
    type=click.Choice(["auto", "gram", "fista", "quasi_newton", "sampled_newton", "screening"]),
    default="auto",
)
@click.option("--seed", type=int, default=0)
@click.option(
    "--scratch", type=click.Path(path_type=Path), help="Folder for the data; default a temporary."
)
@click.option("--keep", is_flag=True, help="Do not remove the data afterwards.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="daskreg-demo.zarr.zip",
    help="Model file; a JSON report is written beside it.",
)
@debug_option
@click.pass_context
def demo(context: click.Context, /, **options: Any) -> None:
    """Write a seeded design matrix, fit a lasso to it under a memory limit, and compare the
    support found with the truth."""
    require_writable(options["out"])
    n_rows = max(1, options["size"] // (4 * options["columns"]))
    with _folder(options["scratch"], options["keep"], n_rows * 4 * options["columns"]) as folder:
        files = _write(folder, n_rows, options)
        model, peaks = _fit(files, options)
    say(describe_fit(model, most=0))
    report = _compare(model, files, peaks, options)
    say(_report_lines(report))
    save(model, options["out"])
    beside = _beside(options["out"])
    beside.write_text(json.dumps(report, indent=2) + "\n")
    say(f"saved      {options['out']}, {beside}")
    if not converged(model):
        context.exit(NOT_CONVERGED)


@contextlib.contextmanager
def _folder(parent: Path | None, keep: bool, size: int) -> Iterator[Path]:
    """A scratch folder with room for the data, removed afterwards unless kept."""
    from daskreg.design.host import format_bytes

    parent = Path(tempfile.gettempdir()) if parent is None else parent
    if not parent.is_dir():
        raise DataError(f"--scratch {parent} is not a folder; create it first")
    free = shutil.disk_usage(parent).free
    if free < size * 1.02 + _SPARE:
        raise DataError(
            f"{parent} has {format_bytes(free)} free, the data take {format_bytes(size)}; choose "
            "a smaller --size or another folder with --scratch"
        )
    folder = Path(tempfile.mkdtemp(prefix="daskreg-demo-", dir=parent))
    try:
        yield folder
    finally:
        if keep:
            note(f"data kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _write(folder: Path, n_rows: int, options: dict[str, Any]) -> Any:
    from daskreg.datasets import make_sparse_regression
    from daskreg.design.host import format_bytes

    n_columns = options["columns"]
    size = n_rows * 4 * n_columns
    note(f"writing    {n_rows:,} rows x {n_columns:,} columns, {format_bytes(size)}, to {folder}")
    started = time.monotonic()
    with _bar(size) as advance:
        files = make_sparse_regression(
            folder,
            n_rows,
            n_columns,
            n_informative=min(10, n_columns),
            correlation=options["correlation"],
            seed=options["seed"],
            on_block=advance,
        )
    note(f"written    {size / 1e9 / (time.monotonic() - started):.2f} GB/s")
    return files


@contextlib.contextmanager
def _bar(total: int) -> Iterator[Any]:
    """A bar of bytes on a terminal, else nothing; yields the function that moves it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    from daskreg.callbacks import Rows

    done = Rows(total, total)
    columns = TextColumn("writing   "), BarColumn(30), TextColumn("{task.fields[text]}")
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, text="")

        def advance(nbytes: int) -> None:
            done.add(nbytes)
            bar.update(task, completed=done.done, text=str(done))

        yield advance


def _fit(files: Any, options: dict[str, Any]) -> tuple[Any, dict[str, int]]:
    """Fit in worker processes; return the model and the peak bytes of every process."""
    from daskreg import cluster
    from daskreg.callbacks import ProgressReport
    from daskreg.design.host import peak_memory
    from daskreg.linear_model import Lasso

    memory = options["memory"]
    with cluster.local(options["workers"], 1, memory) as client:
        with ProgressReport(1e-6, show_plan=True) as report:
            model = Lasso(
                options["alpha"],
                solver=options["solver"],
                memory_limit=memory,
                callbacks=[report],
            ).fit(files.X, files.y)
        model.callbacks = ()
        peaks = client.run(peak_memory)
    named = {f"worker {number}": peak for number, peak in enumerate(peaks.values())}
    return model, named | {"main": peak_memory()}


def _compare(
    model: Any, files: Any, peaks: dict[str, int], options: dict[str, Any]
) -> dict[str, Any]:
    import numpy as np

    truth, found = files.problem.support, np.flatnonzero(model.coef_)
    return {
        "rows": files.problem.n_rows,
        "columns": files.problem.n_columns,
        "bytes": files.problem.nbytes,
        "alpha": options["alpha"],
        "status": str(model.status_),
        "relative_gap": float(model.relative_gap_),
        "dual_gap": float(model.dual_gap_),
        "passes": int(model.n_passes_),
        "bytes_read": int(model.bytes_read_),
        "seconds": round(float(model.fit_seconds_), 3),
        "memory_limit": options["memory"],
        "memory_planned": int(model.plan_.peak),
        "memory_measured": peaks,
        "support_true": truth.tolist(),
        "support_found": found.tolist(),
        "support_missed": np.setdiff1d(truth, found).tolist(),
        "support_false": np.setdiff1d(found, truth).tolist(),
        "largest_coef_error": float(np.abs(model.coef_ - files.coef).max()),
    }


def _report_lines(report: dict[str, Any]) -> str:
    from daskreg.design.host import format_bytes

    measured = max(
        peak for name, peak in report["memory_measured"].items() if name.startswith("worker")
    )
    n_true, n_missed = len(report["support_true"]), len(report["support_missed"])
    lines = [
        f"memory     {format_bytes(measured)} measured at most in a worker, "
        f"{format_bytes(report['memory_planned'])} planned, "
        f"{format_bytes(report['memory_limit'])} allowed; "
        f"{format_bytes(report['memory_measured']['main'])} in the main process",
        f"data       {report['bytes'] / report['memory_limit']:.1f} times the limit of a process",
        f"support    {n_true - n_missed} of {n_true} true columns found, "
        f"{len(report['support_false'])} false ones; coefficients within "
        f"{report['largest_coef_error']:.2f} of the truth (the penalty shrinks them)",
    ]
    return "\n".join(lines)


def _beside(out: Path) -> Path:
    name = out.name
    for suffix in (".zip", ".zarr"):
        name = name.removesuffix(suffix)
    return out.with_name(f"{name}.json")
