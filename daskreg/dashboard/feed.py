"""The client's side: a callback that tells the scheduler how a fit goes."""

from __future__ import annotations

import math
import threading
import time
import uuid
import warnings
from collections.abc import Callable
from typing import Any

from daskreg._callers import outside
from daskreg.callbacks import History, Pace, Rows, observe, statuses_in_words
from daskreg.callbacks.history import ITERATION

from .messages import PAGE, PASS, TOPIC, shard_rows

#: Seconds between two messages of a fit, and that the last one may take.
EVERY, LAST = 0.5, 2.0

_installed: dict[str, Callable[[], None]] = {}


def install(client: Any = None) -> str | None:
    """Put the page on the dashboard of a running cluster, and let all fits tell of themselves.

    Parameters
    ----------
    client : distributed.Client, optional
        Default: the one in use.  Calling it again changes nothing.

    Returns
    -------
    str or None
        The address of the page; None, with a warning, where the scheduler has no dashboard.

    Raises
    ------
    ValueError
        There is no client.

    Examples
    --------
    >>> from daskreg import cluster, dashboard
    >>> with cluster.local(n_workers=1, processes=False) as client:
    ...     print(dashboard.install(client))
    http://.../daskreg
    """
    from distributed.diagnostics.plugin import SchedulerPlugin  # noqa: F401 - plugins need it

    from daskreg.design.passes.active import active_client

    from .capacity import capacity_of
    from .plugin import FitsPlugin, page_of

    client = active_client() if client is None else client
    if client is None:
        raise ValueError(
            "there is no Dask client whose dashboard could show fits: start one, such as "
            "daskreg.cluster.local(), or pass client="
        )
    client.register_plugin(FitsPlugin())
    if client.run_on_scheduler(page_of) is None:
        warnings.warn(
            "the scheduler has no dashboard to show fits on: install bokeh where it runs "
            '(pip install "daskreg[dashboard]") and start it with a dashboard_address',
            UserWarning,
            stacklevel=outside(),
        )
        return None
    if client.id not in _installed:
        _installed[client.id] = observe(lambda estimator: _feed_for(client))
        client.log_event(TOPIC, {"kind": "capacity", "rates": capacity_of(client)})
    return link(client)


def link(client: Any) -> str:
    """The address of the page, in the form that the dashboard's own link has."""
    status = str(client.dashboard_link)
    return status.removesuffix("status") + PAGE


def _feed_for(client: Any) -> Feed | None:
    """A feed for a fit that begins on this client."""
    from daskreg.design.passes.active import active_client

    if client.status != "running":
        stop = _installed.pop(client.id, None)
        if stop is not None:
            stop()
        return None
    return Feed(client) if active_client() is client else None


class Feed:
    """A callback that tells the page of one fit; a few small messages a second at most.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client: Any) -> None:
        self._client, self.fit = client, uuid.uuid4().hex
        self._history, self._pace, self._rows = History(), Pace(), Rows()
        self._event: Any = None
        self._lock = threading.Lock()
        self._pending: dict[str, Any] = {}
        self._sent, self._busy, self._idle = -math.inf, False, threading.Event()
        self._idle.set()

    # ---------------------------------------------------------------- what a fit tells

    def setup(self, estimator: Any, context: Any) -> None:
        """The fit begins."""
        title = "path" if estimator is None else type(estimator).__name__
        self._add("title", title, now=True)

    def on_tol(self, tol: float) -> None:
        """The tolerance of the estimator."""
        self._pace.tol = tol
        self._add("tol", float(tol))

    def on_plan(self, plan: Any) -> None:
        """What the data are."""
        self._pace.start(plan.total_bytes)
        self._rows = Rows(plan.n_rows, plan.total_bytes)
        self._add("source", f"{plan.source}: {plan.n_rows or '?'} x {plan.n_columns:,}", now=True)

    def on_rows(self, rows: int, nbytes: int) -> None:
        """Rows done inside a pass."""
        self._rows.add(rows)
        self._add("rows", [self._rows.done, self._rows.n_rows or 0, self._rows.number])

    def on_pass(self, record: Any) -> None:
        """A pass has ended."""
        self._history.on_pass(record)
        if not record.counted:
            return
        tiers = [record.total(name) for name in PASS[3:]]
        row = [self._history.n_passes, self._history.seconds, float(record.seconds), *tiers]
        with self._lock:
            self._pending.setdefault("passes", []).append(row)
            self._pending["shards"] = shard_rows(record.shards)
        self._flush()

    def on_iteration(self, event: Any) -> None:
        """A point of the convergence."""
        self._history.on_iteration(event)
        self._event = event
        point = {name: values[-1] for name, values in self._history.iterations.items()}
        self._pace.update(int(point["n_pass"]), event.gap)
        row = [_finite(point[name]) for name in ITERATION if name != "violation"]
        with self._lock:
            points = self._pending.setdefault("points", [])
            points.append(row)
            del points[:-1000]  # a thousand between two messages are enough of them
            self._pending["seconds_left"] = _finite(self._pace.seconds_left)
        self._flush()

    def on_event(self, event: Any) -> None:
        """Something happened."""
        told = {"time": event.time, "kind": event.kind, "message": event.message}
        with self._lock:
            self._pending.setdefault("events", []).append(told)
        self._flush()

    def teardown(self, estimator: Any, context: Any) -> None:
        """The fit has ended: the last message is waited for."""
        solution = getattr(self._event, "solution", None)
        status = "ended" if solution is None else statuses_in_words(solution().status)
        self._event = None
        self._add("status", status, now=True)
        self._idle.wait(LAST)

    # ---------------------------------------------------------------- sending

    def _add(self, name: str, value: Any, *, now: bool = False) -> None:
        with self._lock:
            self._pending[name] = value
        self._flush(now=now)

    def _flush(self, *, now: bool = False) -> None:
        """Send what there is, unless a message is on its way or the last one was just now.

        Called from any thread, that of the client's event loop among them: nothing waits here.
        """
        with self._lock:
            due = now or time.monotonic() - self._sent >= EVERY
            if self._busy or not due or not self._pending:
                return
            self._busy = True
            self._idle.clear()
        self._client.loop.add_callback(self._send)

    async def _send(self) -> None:
        while True:
            with self._lock:
                message, self._pending = self._pending, {}
                self._sent = time.monotonic()
                if not message:
                    self._busy = False
                    self._idle.set()
                    return
            try:
                told = {"kind": "fit", "fit": self.fit, **message}
                await self._client.scheduler.log_event(topic=TOPIC, msg=told)
            except Exception:
                # A page that cannot be reached ends no fit.
                with self._lock:
                    self._pending, self._busy = {}, False
                self._idle.set()
                return
            if "status" not in self._pending:
                with self._lock:
                    if "status" not in self._pending:
                        self._busy = False
                        self._idle.set()
                        return


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
