"""``daskreg slurm-script``: a fit as a job for sbatch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from daskreg.exceptions import DataError

from ._errors import debug_option
from ._model import make_model
from ._options import bytes_option, require_data, response
from ._report import note, require_writable
from .fit import fit

_CLUSTER = ("cluster", "workers", "scheduler", "scheduler_file", "cluster_settings")


@click.command(
    "slurm-script",
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
    options_metavar="[OPTIONS] --",
)
@click.option(
    "--script", type=click.Path(path_type=Path), help="Write it to this file; default stdout."
)
@click.option("--walltime", default="01:00:00", help="Of one run, as sbatch takes it.")
@click.option("--workers", type=click.IntRange(min=1), default=4, help="Worker processes.")
@click.option("--threads", type=click.IntRange(min=1), default=1, help="CPUs of each worker.")
@bytes_option("--memory-per-worker", default="4GiB", help="That SLURM reserves for each of them.")
@click.option("--partition", help="As sbatch takes it.")
@click.option("--account", help="As sbatch takes it.")
@click.option("--job-name", default="daskreg")
@click.option("--array", help="One fit for each number, such as 0-9, in place of %a below.")
@click.option(
    "--interface", help="Network between nodes, such as ib0; without, the job stays on one node."
)
@click.option("--tls", is_flag=True, help="Encrypt what scheduler, workers and fit say.")
@click.option("--max-restarts", type=click.IntRange(min=0), default=100)
@click.option("--sbatch", "extra", multiple=True, help="Another option of sbatch, as --qos=high.")
@click.argument("fit_arguments", nargs=-1, required=True, type=click.UNPROCESSED)
@debug_option
def slurm_script(script: Path | None, fit_arguments: tuple[str, ...], **options: Any) -> None:
    """Write a job for sbatch that does `daskreg fit FIT_ARGUMENTS` with workers of its own.

    The arguments of the fit stand after "--".  The job ends before its walltime with a checkpoint
    and goes back to the queue, until the fit is done; --out is needed, --checkpoint has a default.
    """
    from daskreg.cluster.script import Job

    arguments = _checked(fit_arguments, options["array"])
    memory = options.pop("memory_per_worker")
    named = {"n_workers": options.pop("workers"), "name": options.pop("job_name")}
    text = Job(folder=os.getcwd(), memory=memory, **named, **options).text(arguments)
    if script is None:
        click.echo(text, nl=False)
        return
    require_writable(script)
    script.write_text(text)
    script.chmod(0o755)
    note(f"saved      {script}; submit it with: sbatch {script}")


def _checked(arguments: tuple[str, ...], array: str | None) -> list[str]:
    """Return the arguments of a fit that can be ended and go on, after the checks of the fit."""
    options = fit.make_context("daskreg fit", list(arguments)).params
    for name in _CLUSTER:
        if options[name]:
            flag = "cluster-option" if name == "cluster_settings" else name.replace("_", "-")
            raise click.UsageError(f"the job has a cluster of its own: leave --{flag} out")
    if options["out"] is None:
        raise click.UsageError("the model of a job has to go somewhere: add --out FILE to the fit")
    if array is not None and "%a" not in str(options["out"]):
        raise click.UsageError("all fits of --array would write one model: put %a into --out")
    make_model(options)
    if not any("%a" in argument for argument in arguments):
        require_data(options["data"])
        response(options["target"], options["y_path"])
    elif array is None:
        raise DataError("%a stands for the number in a job array: add --array, such as 0-9")
    if "%a" not in str(options["out"]):
        require_writable(options["out"])
    more = [] if options["checkpoint"] else ["--checkpoint", f"{options['out']}.checkpoint"]
    if options["resume"] is None:
        more += ["--resume", "auto"]
    if options["on_signal"] is None:
        more += ["--on-signal", "checkpoint"]
    return [*arguments, *more]
