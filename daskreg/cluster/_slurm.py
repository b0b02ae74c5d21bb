"""Workers as SLURM jobs, or as the tasks of one."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from daskreg.exceptions import ClusterError

from ._jobqueue import dask_jobqueue, sigint_kept
from ._local import check_counts
from ._security import DASHBOARD, interface_of, protocol_of, security_of
from ._srun import tasks
from ._walltime import lifetime_options, signal_seconds

_WHERE_JOBS_ARE = (
    "`squeue --me` says what its jobs wait for, slurm-*.out what became of them. Workers on other "
    "machines need interface=, the name of a network that reaches this one"
)


def slurm(
    n_workers: int | None = None,
    threads_per_worker: int = 1,
    memory_limit: int | str | None = None,
    *,
    walltime: str | None = None,
    interface: str | None = None,
    security: Any = None,
    timeout: float = 600.0,
    **settings: Any,
) -> Any:
    """Run workers under SLURM and return their ``distributed.Client``.

    With ``n_workers`` the scheduler runs here and each worker is a job of its own; jobs that end,
    are cancelled or preempted are submitted again as long as the client is open.  Workers leave
    before their walltime is over, and not all at once.

    Without, in a program started with ``srun -n 6 python program.py``, the first task is the
    scheduler, the second goes on with the program, and the other four become workers.

    Parameters
    ----------
    n_workers : int, optional
    threads_per_worker : int
        As many CPUs are asked for.  Unused without ``n_workers``: srun has the say.
    memory_limit : int or str
        Of each worker, such as "4GiB"; needed with ``n_workers``, unless Dask's configuration
        ``jobqueue.slurm.memory`` has it.  Without, None divides the machine's.
    walltime : str, optional
        Of each worker job, in SLURM's form; None: as Dask's configuration says, half an hour.
    interface : str, optional
        Network interface that scheduler and workers listen on, such as "ib0".  None is the
        loopback one, which does for a cluster of one machine and for nothing wider.
    security : True, path or distributed.Security, optional
        Encrypt, and let in who has the key: True makes one for this cluster, in the current
        folder, which the workers have to see.
    timeout : float, default=600
        Seconds to wait for the workers.  With those that are there by then it goes on.
    **settings
        Passed on to ``dask_jobqueue.SLURMCluster`` (``queue=``, ``account=``,
        ``job_extra_directives=``, ``job_directives_skip=["--mem"]``, ``log_directory=``), or to
        ``dask_jobqueue.slurm.SLURMRunner``.

    Returns
    -------
    distributed.Client

    Raises
    ------
    MissingDependencyError
        Without dask-jobqueue.
    ClusterError
        No sbatch here, a job that SLURM refuses, no worker in time, or not under srun.
    """
    if n_workers is None:
        return tasks(threads_per_worker, memory_limit, interface, security, timeout, settings)
    check_counts(n_workers, threads_per_worker)
    if shutil.which("sbatch") is None:
        raise ClusterError(
            "there is no sbatch on the PATH: cluster.slurm runs where SLURM jobs are submitted; "
            "cluster.local starts workers on this machine"
        )
    with sigint_kept():
        jobqueue = dask_jobqueue()
    import dask

    from ._client import OwningClient, wait_for

    worker = {
        "cores": threads_per_worker,
        "memory": _memory(memory_limit),
        "interface": interface_of(interface),
        "walltime": walltime or str(dask.config.get("jobqueue.slurm.walltime")),
    }
    # Jobs end as a matter of course: that is no reason to give a task up.
    with dask.config.set({"distributed.scheduler.allowed-failures": 100}):
        cluster = jobqueue.SLURMCluster(**_settings(worker, security_of(security), settings))
    try:
        _try_job(cluster.job_script())
        # `scale` would never replace a lost worker, and by default one is missed for 15 s.
        cluster.adapt(minimum=n_workers, maximum=n_workers, interval="1s")
    except BaseException:
        cluster.close()
        raise
    client = OwningClient(cluster, {"distributed.deploy.lost-worker-timeout": "2s"})
    wait_for(client, n_workers, timeout, _WHERE_JOBS_ARE)
    return client


def _settings(worker: dict[str, Any], keys: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``SLURMCluster``: what is ``given`` adds to lists, else replaces."""
    chosen: dict[str, Any] = worker | {
        "processes": 1,
        # The batch shell keeps signals to itself, so the worker takes its place.
        "python": f"exec {shlex.quote(sys.executable)}",
        # A job that SLURM itself brought back would meet the one submitted in its place.
        "job_extra_directives": [
            f"--signal=B:TERM@{signal_seconds(worker['walltime'])}",
            "--no-requeue",
        ],
        # A worker's own pages would be there for all who reach this machine.
        "worker_extra_args": [
            *("--dashboard-address", DASHBOARD),
            *lifetime_options(worker["walltime"]),
        ],
        "scheduler_options": {"dashboard_address": DASHBOARD},
    }
    if keys is not None:
        chosen |= {"security": keys, "protocol": protocol_of(keys)}
        chosen["shared_temp_directory"] = os.getcwd()
    for name, value in given.items():
        if name == "scheduler_options":
            chosen[name] = chosen[name] | value
        elif isinstance(chosen.get(name), list):
            chosen[name] = [*chosen[name], *value]
        else:
            chosen[name] = value
    return chosen


def _memory(memory_limit: int | str | None) -> int | str:
    import dask

    given = memory_limit or dask.config.get("jobqueue.slurm.memory", None)
    if given is None:
        raise ValueError(
            "memory_limit is needed: SLURM reserves it for each worker, such as '4GiB'"
        )
    return f"{given}B" if isinstance(given, int) else str(given)


def _try_job(script: str) -> None:
    """Raise ``ClusterError`` if SLURM would refuse the job; submitting it would only log that."""
    tried = subprocess.run(
        ["sbatch", "--test-only"], input=script, capture_output=True, text=True, check=False
    )
    if tried.returncode:
        why = (
            tried.stderr.strip()
            .removeprefix("sbatch: error: ")
            .removeprefix("allocation failure: ")
        )
        raise ClusterError(f"SLURM refuses the worker job: {why}; it is\n{script}")
