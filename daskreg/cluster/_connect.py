"""A cluster that somebody else has started."""

from __future__ import annotations

import contextlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from daskreg.exceptions import ClusterError

from ._security import security_of

_LOOK_UP = 0.1  # seconds between two looks at a file


def connect(
    address: str | None = None,
    scheduler_file: str | os.PathLike[str] | None = None,
    *,
    n_workers: int = 1,
    timeout: float = 60.0,
    security: Any = None,
) -> Any:
    """Return the client of a running Dask cluster; closing it leaves the cluster as it is.

    Parameters
    ----------
    address : str, optional
        Such as "tcp://10.0.0.1:8786", or "tls://..." with ``security``.
    scheduler_file : path, optional
        Written by ``dask scheduler --scheduler-file``.  It is waited for.
    n_workers : int, default=1
        Workers to wait for; 0 waits for none.
    timeout : float, default=60
        Seconds, for the scheduler and again for the workers.
    security : path or distributed.Security, optional
        The folder of ``tls_files`` that the cluster was started with; None takes what Dask's
        configuration says.

    Returns
    -------
    distributed.Client

    Raises
    ------
    ValueError
        Neither or both of address and file; an address that is none.
    ClusterError
        Nobody answers, or no worker joins, in time.

    Examples
    --------
    >>> from daskreg import cluster
    >>> with cluster.local(n_workers=1) as started:
    ...     with cluster.connect(started.scheduler.address) as client:
    ...         client.submit(sum, [1, 2]).result()
    3
    """
    from distributed import Client

    from ._client import wait_for

    if (address is None) == (scheduler_file is None):
        raise ValueError("give the address of the scheduler, or scheduler_file=, one of the two")
    end = time.monotonic() + timeout
    where = address
    if scheduler_file is not None:
        address = _address_in(Path(scheduler_file), end, timeout)
        where = f"{address}, which {scheduler_file} names (a file of a cluster that has ended?)"
    _check_address(str(address))
    keys, left = security_of(security), max(1.0, end - time.monotonic())
    try:
        _ask(str(address), keys, left)
    except Exception as error:  # whatever may listen there, it answers as it likes
        raise ClusterError(_unreachable(str(address), str(where), left, error)) from error
    client = Client(address, timeout=left, security=keys)
    if n_workers > 0:
        wait_for(
            client, n_workers, timeout, f"start some with `dask worker {client.scheduler.address}`"
        )
    return client


def _address_in(file: Path, end: float, timeout: float) -> str:
    """Return the address in a scheduler file, which may be about to be written."""
    while True:
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            content = json.loads(file.read_text())
            if not isinstance(content, dict) or not isinstance(content.get("address"), str):
                raise ClusterError(
                    f"{file} is no scheduler file: expected what "
                    "`dask scheduler --scheduler-file` writes, with an address"
                )
            return str(content["address"])
        if time.monotonic() >= end:
            state = "not whole" if file.exists() else "not there"
            raise ClusterError(
                f"the scheduler file {file} is still {state} after {timeout:g} s: start "
                f"`dask scheduler --scheduler-file {file}`, or name the file of a running one"
            )
        time.sleep(_LOOK_UP)


def _check_address(address: str) -> None:
    from distributed.comm import parse_address, parse_host_port
    from distributed.comm.registry import backends

    if Path(address).is_file():
        raise ValueError(f"{address} is a file, not an address: name it as scheduler_file")
    try:
        scheme, place = parse_address(address)
        if scheme in backends and scheme != "inproc":
            parse_host_port(place)
    except ValueError as error:
        raise ValueError(
            f"{address!r} is no address of a Dask scheduler, such as tcp://10.0.0.1:8786: {error}"
        ) from error
    if scheme not in backends:
        raise ValueError(
            f"{address!r} is no address of a Dask scheduler: it begins with {scheme}://, expected "
            f"one of {', '.join(f'{name}://' for name in backends)}"
        )


def _ask(address: str, keys: Any, seconds: float) -> None:
    """Raise whatever comes of asking for a scheduler.

    A ``Client`` that fails to connect leaves a thread behind, and may block the next one.
    """
    import asyncio

    from distributed import Security
    from distributed.comm import connect
    from distributed.core import send_recv

    async def ask() -> Any:
        async with asyncio.timeout(seconds):
            comm = await connect(
                address,
                timeout=seconds,
                **(Security() if keys is None else keys).get_connection_args("client"),
            )
            try:
                return await send_recv(comm, op="identity")
            finally:
                comm.abort()

    # In a thread, since a notebook has a loop of its own.
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(asyncio.run, ask()).result()
    if answer["type"] != "Scheduler":
        raise ValueError(f"it is a {answer['type']}")


def _unreachable(address: str, where: str, seconds: float, error: Exception) -> str:
    if address.startswith("tls://") and isinstance(error, TypeError):
        advice = "it is encrypted: security= takes the folder of its keys"
    elif "certificate" in str(error):
        advice = "security= needs the keys that it was started with"
    elif isinstance(error, OSError):
        advice = "check that it runs, that its port is open to this machine, and tcp:// or tls://"
    else:
        advice = "nothing that is one answers there"
    cause = str(error).split("\n")[0] or type(error).__name__
    return f"no Dask scheduler can be reached at {where} within {seconds:.0f} s: {advice} ({cause})"
