"""How long a pass that loses its workers is tried again."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import Any

import dask  # noqa: TID253 - loaded only where a client is active

from daskreg.design.host import format_bytes
from daskreg.exceptions import WorkersLostError

from .shards import Shard

#: Seconds to wait for workers when all are gone, unless Dask's no-workers-timeout says otherwise.
NO_WORKERS = 300
#: Shards that a message names.
SHOWN = 4


class Patience:
    """Ends a pass that loses its workers and does not get on.

    A lost worker costs a repetition of its shards, however often that happens, as long as shards
    come to their end in between.  Rows that end every process that reads them never do: after
    Dask's ``allowed-failures`` losses without another finished shard the pass is given up.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client: Any) -> None:
        timeout = dask.config.get("distributed.scheduler.no-workers-timeout", None)
        self._seconds = dask.utils.parse_timedelta(timeout) if timeout else NO_WORKERS
        self._most = int(dask.config.get("distributed.scheduler.allowed-failures", 3))
        self._client = client
        self._best = self._losses = 0
        self._empty_since: float | None = None

    def check_workers(self, known: Sequence[str]) -> None:
        """Raise ``WorkersLostError`` when there has been no worker at all for too long."""
        if known:
            self._empty_since = None
            return
        if self._empty_since is None:
            self._empty_since = time.monotonic()
            warnings.warn(
                "the Dask cluster has lost all its workers: waiting up to "
                f"{self._seconds:g} s for new ones",
                RuntimeWarning,
                stacklevel=2,
            )
        if time.monotonic() - self._empty_since > self._seconds:
            raise WorkersLostError(
                f"the Dask cluster has had no workers for {self._seconds:g} s: scale it up and "
                "fit again"
            )

    def check_loss(self, n_done: int, left: Sequence[Shard]) -> None:
        """Raise ``WorkersLostError`` when workers were lost too often without another shard done.

        Parameters
        ----------
        n_done : int
            Shards that have come to their end.
        left : sequence of Shard
            The others.
        """
        self._losses = 1 if n_done > self._best else self._losses + 1
        self._best = max(self._best, n_done)
        if self._losses > self._most:
            raise WorkersLostError(self._message(left))

    def _message(self, left: Sequence[Shard]) -> str:
        rows = ", ".join(f"{s.specs[0].start} to {s.specs[-1].stop - 1}" for s in left[:SHOWN])
        largest = max(
            (spec.stop - spec.start) * run.columns.X.row_nbytes
            for shard in left
            for run in shard.runs
            for spec in run.specs
        )
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        limit = max((worker["memory_limit"] or 0 for worker in workers), default=0)
        return (
            f"workers died {self._losses} times in a row while they worked on rows {rows}"
            f"{' and more' if len(left) > SHOWN else ''}, in blocks of up to "
            f"{format_bytes(largest)}; memory limit of a worker: {format_bytes(limit)}. If they "
            "ran out of memory, use a smaller block_size or fewer threads per worker; else "
            "something in those rows, or in the library that reads them, ends the process: the "
            "logs of the workers tell"
        )
