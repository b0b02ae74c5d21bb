"""Who of a cluster is there: workers come, go and fall silent, and a scheduler may be gone."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import dask  # noqa: TID253 - loaded only where a client is active

from daskreg._callers import outside
from daskreg.events import record
from daskreg.exceptions import ClusterLostError, WorkersLostError

#: Seconds between two looks at who is still there while a pass runs.
LOOK_UP = 2
#: Seconds to wait for workers when all are gone, unless told otherwise.
NO_WORKERS = 300.0
#: Seconds that one question to the scheduler may take.
ASK = 5.0
#: Seconds without an answer of the scheduler after which it is given up.
LOST_AFTER = 45.0
#: Seconds without a heartbeat (one comes every half to some seconds) after which a worker hangs.
SILENT = 30.0
#: What the scheduler says of workers that are about to go.
LEAVING = ("closing_gracefully", "closing", "closed", "failed")
#: Seconds between two looks while there is nobody.
PAUSE = 0.2


def workers_of(client: Any) -> dict[str, Any]:
    """What the scheduler says now of all its workers, by address.

    ``Client.scheduler_info`` answers from a field that the client's own clock overwrites with an
    answer that names no worker: read between the two, a whole cluster looks empty.

    Raises
    ------
    OSError
        The scheduler has not answered within ``ASK`` seconds, or the client is closed.
    """
    try:
        ask = client.scheduler.identity
        return dict(client.sync(ask, n_workers=-1, callback_timeout=ASK)["workers"])
    except (AttributeError, RuntimeError) as error:
        raise OSError(f"the Dask client is {client.status}: {error}") from error


class Roster:
    """The workers of a client, looked up now and then; what changes is an event of the fit.

    Parameters
    ----------
    client : distributed.Client
    worker_timeout : float, optional
        Seconds without any worker after which a fit is given up; None: Dask's
        ``no-workers-timeout``, else 300.
    """

    def __init__(self, client: Any, worker_timeout: float | None = None) -> None:
        if worker_timeout is None:
            said = dask.config.get("distributed.scheduler.no-workers-timeout", None)
            worker_timeout = dask.utils.parse_timedelta(said) if said else NO_WORKERS
        self.timeout = float(worker_timeout or 0.0)
        self._client = client
        self._known: dict[str, Any] | None = None
        self._beats: dict[str, tuple[Any, float]] = {}
        self._silent: set[str] = set()
        self._unanswered_since: float | None = None
        self._empty_since: float | None = None

    def look(self) -> dict[str, Any]:
        """What the scheduler says of its workers now, by address; what it said last where it does
        not answer.

        Raises
        ------
        ClusterLostError
            It has not answered for too long, or the client is closed.
        """
        if self._client.status in ("closing", "closed"):
            raise self._lost("the Dask client is closed")
        try:
            workers = workers_of(self._client)
        except OSError:
            self._not_answered()
            return self._known or {}
        self._unanswered_since = None
        self._compare(workers)
        return workers

    def _not_answered(self) -> None:
        now = time.monotonic()
        self._unanswered_since = since = self._unanswered_since or now
        if self._client.status in ("closing", "closed"):
            raise self._lost("the Dask client has lost its scheduler and is closed")
        if now - since > LOST_AFTER:
            raise self._lost(
                f"the Dask scheduler at {self._address} has not answered for {now - since:.0f} s"
            )
        time.sleep(PAUSE)

    @property
    def _address(self) -> str:
        return str(getattr(self._client.scheduler, "address", "(no address)"))

    def _lost(self, what: str) -> ClusterLostError:
        return ClusterLostError(f"{what}: start a cluster and a client, and fit again")

    def _compare(self, workers: dict[str, Any]) -> None:
        """Note who came, who went, and who has been silent for long."""
        now, known = time.monotonic(), self._known
        self._known = workers
        if known is not None:
            for address in sorted(known.keys() - workers.keys()):
                record("worker_lost", f"worker {address} is gone", {"worker": address})
            for address in sorted(workers.keys() - known.keys()):
                record("worker_joined", f"worker {address} has come", {"worker": address})
        beats = {}
        for address, info in workers.items():
            last = self._beats.get(address)
            same = last is not None and last[0] == info["last_seen"]
            beats[address] = last if last is not None and same else (info["last_seen"], now)
        self._beats = beats
        silent = {address for address, (_, since) in beats.items() if now - since > SILENT}
        for address in sorted(silent - self._silent):
            record(
                "hung",
                f"worker {address} has not been heard of for {SILENT:g} s: others do its work",
                {"worker": address},
            )
        self._silent = silent

    def at_work(self, found: dict[str, Any] | None = None) -> dict[str, Any]:
        """Those of ``found``, or of a new look, that can be given something to do now."""
        found = self.look() if found is None else found
        return {
            address: info
            for address, info in found.items()
            if address not in self._silent and info.get("status") not in LEAVING
        }

    def require(self, call: Callable[[], Any] | None = None) -> dict[str, Any]:
        """Those at work; waits for the first one, with a message.

        Parameters
        ----------
        call : callable, optional
            Called when there is nobody: gives an adaptive cluster a reason to start somebody.

        Raises
        ------
        WorkersLostError
            Nobody has come for too long.
        """
        workers = self.at_work()
        # Whoever is called for is let go of when somebody has come.
        called = call() if call is not None and not workers else None
        while not workers:
            self.check(workers)
            time.sleep(PAUSE)
            workers = self.at_work()
        del called
        self.check(workers)
        return workers

    def check(self, workers: dict[str, Any]) -> None:
        """Say once that there is nobody to work, and raise when that has taken too long.

        Raises
        ------
        WorkersLostError
        """
        if workers:
            self._empty_since = None
            return
        if self._empty_since is None:
            self._empty_since = time.monotonic()
            message = f"the Dask cluster has no workers: waiting up to {self.timeout:g} s for some"
            record("waiting", message, {"timeout": self.timeout})
            warnings.warn(message, RuntimeWarning, stacklevel=outside())
        if time.monotonic() - self._empty_since > self.timeout:
            raise WorkersLostError(
                f"the Dask cluster has had no workers for {self.timeout:g} s (worker_timeout): "
                "scale it up and fit again"
            )
