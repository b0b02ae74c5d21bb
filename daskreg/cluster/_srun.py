"""A cluster of the tasks that srun has started."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from daskreg.exceptions import ClusterError

from ._jobqueue import dask_jobqueue, sigint_kept
from ._local import quiet
from ._security import DASHBOARD, interface_of, protocol_of, security_of, tls_files

_WAIT_FOR_KEYS = 60.0  # seconds


def tasks(
    threads_per_worker: int,
    memory_limit: int | str | None,
    interface: str | None,
    security: Any,
    timeout: float,
    settings: dict[str, Any],
) -> Any:
    """Return the client of a cluster that the tasks of this step of SLURM make up.

    Only the second task returns; the parameters are those of ``slurm``.

    Raises
    ------
    ClusterError
        Fewer than three tasks, or none.
    """
    if "SLURM_PROCID" not in os.environ or int(os.environ.get("SLURM_NTASKS", "1")) < 3:
        raise ClusterError(
            "say how many workers to submit as jobs, slurm(n_workers=4), or start the program "
            "with srun: `srun -n 6 python program.py` has a scheduler, the program and 4 workers; "
            f"got {os.environ.get('SLURM_NTASKS', 'no')} tasks"
        )
    with sigint_kept():
        dask_jobqueue()
        from dask_jobqueue.slurm import SLURMRunner
    from ._client import OwningClient, wait_for

    # A job that was requeued finds the file of its former life.
    name = "-".join(
        os.environ.get(part, "0")
        for part in ("SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT")
    )
    keys = _shared_keys(security, name)
    common = {
        "interface": interface_of(interface),
        "protocol": protocol_of(keys),
        "security": keys,
    }
    workers = {"nthreads": threads_per_worker, "memory_limit": memory_limit or "auto"}
    quiet()
    if os.environ["SLURM_PROCID"] != "1":
        # Scheduler and workers end themselves with this signal, once they are done.
        signal.signal(signal.SIGINT, lambda *_: sys.exit())
    options: dict[str, Any] = {
        "scheduler_file": f".daskreg-{name}.json",
        "scheduler_options": common | {"port": 0, "dashboard_address": DASHBOARD},
        "worker_options": common | workers,
    }
    runner = SLURMRunner(**options | settings)
    # The client ends the scheduler; a runner that is forgotten would do so at once.
    runner.scheduler_comm = None
    client = OwningClient(runner.scheduler_address, security=keys)
    wait_for(client, runner.n_workers, timeout, "see what the other tasks of srun say")
    return client


def _shared_keys(security: Any, name: str) -> Any:
    """Return the keys of all tasks; the first one makes those that are made for this cluster."""
    if security is not True:
        return security_of(security)
    folder = Path(f".daskreg-{name}-tls")
    if os.environ["SLURM_PROCID"] == "0":
        atexit.register(shutil.rmtree, tls_files(folder), ignore_errors=True)
    end = time.monotonic() + _WAIT_FOR_KEYS
    while not folder.exists():
        if time.monotonic() > end:
            raise ClusterError(f"the first task has not written {folder.absolute()}")
        time.sleep(0.1)
    return security_of(folder)
