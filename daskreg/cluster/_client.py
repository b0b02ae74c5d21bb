"""A client that ends its cluster, and waiting for workers with an end."""

from __future__ import annotations

import atexit
import contextlib
from collections.abc import Mapping
from typing import Any

import dask  # noqa: TID253 - loaded only where a cluster is started
import distributed  # noqa: TID253

from daskreg.design.passes.roster import workers_of
from daskreg.exceptions import ClusterError

#: For clusters whose nannies start their workers again: one that dies twice within some seconds is
#: not given up because someone looks while it is away.
PATIENT = {"distributed.deploy.lost-worker-timeout": "1h"}


class OwningClient(distributed.Client):
    """A client whose closing, or the end of the process, ends the cluster that it was given.

    Parameters
    ----------
    cluster : distributed.deploy.Cluster or str
        A cluster of this process, or the address of a scheduler, which is ended with its workers.
    config : mapping, optional
        Dask's configuration while the client is open.
    **settings
        Of ``distributed.Client``.
    """

    def __init__(
        self, cluster: Any, config: Mapping[str, Any] | None = None, **settings: Any
    ) -> None:
        self._owned: Any = None
        self._config = contextlib.ExitStack()
        self._config.enter_context(dask.config.set(dict(config or {})))
        try:
            super().__init__(cluster, **settings)
        except BaseException:
            self._config.close()
            if not isinstance(cluster, str):
                cluster.close()
            raise
        self._owned = cluster
        # Runs before distributed's own, which leave schedulers alone that others have started.
        atexit.register(self.close)

    def close(self, *args: Any, **settings: Any) -> Any:
        owned, self._owned = self._owned, None
        if owned is None:
            return super().close(*args, **settings)
        atexit.unregister(self.close)
        try:
            if isinstance(owned, str):
                with contextlib.suppress(OSError, TimeoutError):  # it has gone by itself
                    self.shutdown()
            super().close(*args, **settings)
        finally:
            if not isinstance(owned, str):
                owned.close()
            self._config.close()
        return None


def wait_for(client: Any, n_workers: int, timeout: float, advice: str) -> None:
    """Wait until ``n_workers`` have joined; once time is up, one is enough.

    Parameters
    ----------
    client : distributed.Client
        Closed where none has come.
    n_workers : int
    timeout : float
        Seconds.
    advice : str
        What to look at, for the message.

    Raises
    ------
    ClusterError
        No worker has come.
    """
    with contextlib.suppress(TimeoutError):
        client.wait_for_workers(n_workers, timeout=timeout)
        return
    try:
        some_came = bool(workers_of(client))
    except OSError:
        some_came = False
    if not some_came:
        client.close()
        raise ClusterError(f"no worker joined the cluster within {timeout:g} s: {advice}")
