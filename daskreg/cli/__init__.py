"""The command line: ``daskreg`` or, through Dask's own command, ``dask reg``."""

from __future__ import annotations

import click

from daskreg import __version__

from ._errors import Commands
from .demo import demo
from .fit import fit
from .plan import plan
from .predict import predict
from .report import report
from .show import show
from .slurm_script import slurm_script
from .warm_up import warm_up


@click.group(
    name="reg",
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(__version__, package_name="daskreg", prog_name="daskreg")
def main() -> None:
    """Sparse regression on data larger than memory, with a certificate.

    Exit status: 0 converged, 3 not converged (the model is saved), 2 wrong input, 75 ended by a
    signal with a checkpoint, 130 stopped by Ctrl-C.
    """


for _command in (demo, fit, plan, predict, report, show, slurm_script, warm_up):
    main.add_command(_command)

__all__ = ["main"]
