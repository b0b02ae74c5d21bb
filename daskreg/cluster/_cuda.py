"""One worker process for each GPU of this machine."""

from __future__ import annotations

import importlib.util
from typing import Any

from daskreg.exceptions import ClusterError, MissingDependencyError

from ._security import DASHBOARD, LOOPBACK, protocol_of, security_of


def cuda(
    n_workers: int | None = None,
    memory_limit: int | str | None = None,
    device_memory_limit: int | str | float | None = 0,
    *,
    security: Any = None,
    **settings: Any,
) -> Any:
    """Start a worker process for each GPU of this machine and return their client.

    Everything listens on 127.0.0.1 only.  Closing the client stops the processes.

    Parameters
    ----------
    n_workers : int, optional
        GPUs to use; None takes all that ``CUDA_VISIBLE_DEVICES`` shows.
    memory_limit : int or str, optional
        Host memory of each process, in bytes or as "64GiB"; None divides the machine's.
    device_memory_limit : int, float, str or None, default=0
        From which on dask-cuda moves task results to the host; 0: never, since what the workers
        keep between passes has been planned.
    security : True, path or distributed.Security, optional
        As in ``local``.
    **settings
        Passed on to ``dask_cuda.LocalCUDACluster``.

    Returns
    -------
    distributed.Client

    Raises
    ------
    MissingDependencyError
        Without dask-cuda or CuPy.
    ClusterError
        Without an NVIDIA driver, or without a GPU that can be seen.

    Notes
    -----
    Kernels that have a form for GPUs run there, all others on the processors of these processes:
    the README says which.  Sums travel over TCP as numpy arrays, so that neither UCX nor a GPU is
    needed where the client is.  On a cluster that somebody else has started every worker finds its
    own GPU; ``DASKREG_DEVICE`` in its environment chooses between ``auto``, ``cpu`` and ``gpu``.

    A GPU cannot be shared by two of these workers.  Two ``dask cuda worker ADDRESS
    --device-memory-limit 0`` processes can share one, each in an environment with
    ``CUPY_GPU_MEMORY_LIMIT=45%``.
    """
    if n_workers is not None and n_workers < 1:
        raise ValueError(f"expected at least one worker, got {n_workers}")
    try:
        from dask_cuda import LocalCUDACluster
    except ImportError as error:
        raise _missing("dask-cuda", error) from error
    if importlib.util.find_spec("cupy") is None:
        raise _missing("CuPy", "no module named 'cupy'")
    from ._client import PATIENT, OwningClient

    keys = security_of(security)
    defaults: dict[str, Any] = {
        "host": LOOPBACK,
        "dashboard_address": DASHBOARD,
        "threads_per_worker": 1,
        "protocol": protocol_of(keys).removesuffix("://"),
        "pre_import": "cupy",
        "device_memory_limit": device_memory_limit,
    }
    given = {"n_workers": n_workers, "memory_limit": memory_limit, "security": keys}
    defaults |= {name: value for name, value in given.items() if value is not None}
    try:
        cluster = LocalCUDACluster(**defaults | settings)
    except Exception as error:
        # An IndexError: there is no first of the devices that are visible.
        told = isinstance(error, ValueError | IndexError)
        if told or type(error).__module__.startswith("pynvml"):
            raise ClusterError(
                "no GPU can be used here: it takes an NVIDIA driver and a device that "
                f"CUDA_VISIBLE_DEVICES shows ({type(error).__name__}: {error})"
            ) from error
        raise
    return OwningClient(cluster, PATIENT)


def _missing(what: str, why: object) -> MissingDependencyError:
    return MissingDependencyError(
        f"cluster.cuda needs {what}: pip install 'daskreg[cuda12]' or 'daskreg[cuda13]', as your "
        f"driver is ({why})"
    )
