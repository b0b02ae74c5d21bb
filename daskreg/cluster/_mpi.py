"""A cluster of the ranks of an MPI job."""

from __future__ import annotations

from typing import Any

from daskreg.exceptions import ClusterError, MissingDependencyError

from ._local import quiet
from ._security import DASHBOARD, as_config, interface_of, protocol_of, security_of


def mpi(
    threads_per_worker: int = 1,
    memory_limit: int | str | None = None,
    *,
    interface: str | None = None,
    security: Any = None,
    timeout: float = 60.0,
    **settings: Any,
) -> Any:
    """Make the ranks of ``mpirun -n 6 python program.py`` a cluster; return its client.

    Rank 0 becomes the scheduler, rank 1 goes on with the program, the others become workers: on
    all ranks but one this function ends the process once rank 1 has closed the client.

    Parameters
    ----------
    threads_per_worker : int
    memory_limit : int or str, optional
        Of each worker; None divides the machine's memory.
    interface : str, optional
        Network interface that scheduler and workers listen on, such as "ib0"; None is the
        loopback one, which does for ranks on one machine.
    security : True, path or distributed.Security, optional
        As in ``local``; True: rank 0 makes keys and hands them to the others by MPI.
    timeout : float, default=60
        Seconds to wait for the workers.
    **settings
        Passed on to ``dask_mpi.initialize``.

    Returns
    -------
    distributed.Client
        On rank 1.

    Raises
    ------
    MissingDependencyError
        Without dask-mpi, mpi4py or an MPI library.
    ClusterError
        Fewer than 3 ranks.
    """
    try:
        import dask_mpi
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # mpi4py finds no MPI library
        raise MissingDependencyError(
            "cluster.mpi needs dask-mpi, mpi4py and an MPI library such as Open MPI: "
            f"pip install 'daskreg[mpi]' ({error})"
        ) from error
    import dask

    from ._client import OwningClient, wait_for

    ranks = MPI.COMM_WORLD
    if ranks.Get_size() < 3:
        raise ClusterError(
            "a scheduler, the program and a worker take 3 ranks at least, there are "
            f"{ranks.Get_size()}: start it with `mpirun -n 6 python program.py` for 4 workers"
        )
    keys = security_of(security) if security is not True or ranks.Get_rank() == 0 else None
    config = as_config(keys) if keys is not None else {}
    if security is True:
        config = ranks.bcast(config, root=0)
    options: dict[str, Any] = {
        "interface": interface_of(interface),
        "nthreads": threads_per_worker,
        "memory_limit": memory_limit or "auto",
        "dashboard_address": DASHBOARD,
        "protocol": protocol_of(config or None),
    }
    dask.config.set(config)
    quiet()
    with dask.config.set({"scheduler-address": None}):
        if not dask_mpi.initialize(**options | settings, exit=False):
            raise SystemExit(0)
        address = dask.config.get("scheduler-address")
    client = OwningClient(address)
    wait_for(client, ranks.Get_size() - 2, timeout, "see what the other ranks say")
    return client
