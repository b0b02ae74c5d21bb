"""What a fit went through, kept in bounded space."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from .pace import passes

#: Rows that a history keeps of iterations, and of passes.
MOST = 1000
#: What is kept of an iteration, and of a pass.
ITERATION = (
    *("n_pass", "seconds", "gap", "violation", "objective", "n_nonzero", "n_active"),
    "bytes_read",
)
PASS = (
    "name",
    "seconds",
    "reduce",
    "read",
    "decode",
    "compute",
    "wait",
    "memory",
    "disk",
    "source",
    "device",
)
#: Seconds and bytes that are added up over all passes.
SUMS = PASS[1:]


class Thinned:
    """Rows in order, at most ``most`` of them: then every second one is dropped, and so on.

    The first and the latest row are always there.

    Examples
    --------
    >>> rows = Thinned(most=4)
    >>> for number in range(100):
    ...     rows.append(number)
    >>> rows.rows
    [0, 32, 64, 96, 99]
    """

    def __init__(self, most: int = MOST) -> None:
        self._most, self._stride, self._n = most, 1, 0
        self._kept: list[Any] = []
        self._latest: Any = None

    def append(self, row: Any) -> None:
        """Add a row."""
        if self._n % self._stride == 0:
            if len(self._kept) == self._most:
                self._kept = self._kept[::2]
                self._stride *= 2
            if self._n % self._stride == 0:
                self._kept.append(row)
        self._n += 1
        self._latest = row

    @property
    def rows(self) -> list[Any]:
        """Those that are kept, the latest at the end."""
        whole = self._n == 0 or (self._n - 1) % self._stride == 0
        return self._kept if whole else [*self._kept, self._latest]

    def __len__(self) -> int:
        """How many there were."""
        return self._n

    def snapshot(self) -> list[Any]:
        """Plain values, from which ``restored`` makes the same."""
        return [self._most, self._stride, self._n, list(self._kept), self._latest]

    @classmethod
    def restored(cls, snapshot: list[Any]) -> Thinned:
        """The rows of a snapshot."""
        most, stride, n, kept, latest = snapshot
        rows = cls(most)
        rows._stride, rows._n, rows._kept, rows._latest = stride, n, list(kept), latest
        return rows


class History:
    """A callback that keeps the convergence of a fit and what its passes took.

    Attributes
    ----------
    plan : Plan or None
        The latest one.
    n_passes : int
        Passes over X that were made while it listened.
    totals : dict of str to float
        Seconds (``reduce``, ``read``, ``decode``, ``compute``, ``wait`` and, of whole passes,
        ``seconds``) and bytes (``memory``, ``disk``, ``source``) of all passes.
    shards : tuple of ShardRecord
        Of the latest pass over X.
    resident : dict of str to int
        Most bytes that each process held, by address; of this one under "".

    Parameters
    ----------
    clock : callable
        Seconds, rising.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began = clock, clock()
        self._lock = threading.Lock()
        self.plan: Any = None
        self.n_passes = 0
        self.totals: dict[str, float] = dict.fromkeys(SUMS, 0)
        self.shards: tuple[Any, ...] = ()
        self.resident: dict[str, int] = {}
        self._iterations, self._passes = Thinned(), Thinned()

    @property
    def seconds(self) -> float:
        """Since the fit began, those of an earlier process included."""
        return self._clock() - self._began

    @property
    def bytes_read(self) -> int:
        """Decoded bytes that came from below the memory of processes."""
        return int(self.totals["disk"] + self.totals["source"])

    def on_plan(self, plan: Any) -> None:
        """Keep the plan."""
        self.plan = plan

    def on_pass(self, record: Any) -> None:
        """Count a pass; ``record`` is a `daskreg.design.passes.tally.PassRecord`."""
        sums = {"seconds": record.seconds, "reduce": record.reduce}
        sums |= {name: record.total(name) for name in SUMS[2:]}
        with self._lock:
            for name, value in sums.items():
                self.totals[name] += value
            for shard in record.shards:
                most = max(shard.resident, self.resident.get(shard.where, 0))
                self.resident[shard.where] = most
            if record.counted:
                self.n_passes += 1
                self.shards = record.shards
                self._passes.append([record.name, *sums.values()])

    def on_iteration(self, event: Any) -> None:
        """Keep a point of the convergence."""
        numbers = event.gap, event.violation, event.objective
        self._iterations.append(
            [
                self.n_passes or passes(event),
                self.seconds,
                *map(float, numbers),
                *(int(event.n_nonzero), int(event.n_active), self.bytes_read),
            ]
        )

    @property
    def iterations(self) -> dict[str, list[Any]]:
        """Columns of ``ITERATION``."""
        return _columns(ITERATION, self._iterations.rows)

    @property
    def passes(self) -> dict[str, list[Any]]:
        """Columns of ``PASS``."""
        return _columns(PASS, self._passes.rows)

    def snapshot(self) -> dict[str, Any]:
        """What a fit that goes on later has to know; plain values."""
        return {
            "seconds": self.seconds,
            "n_passes": self.n_passes,
            "totals": dict(self.totals),
            "iterations": self._iterations.snapshot(),
            "passes": self._passes.snapshot(),
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._began = self._clock() - float(snapshot["seconds"])
        self.n_passes, self.totals = int(snapshot["n_passes"]), dict(snapshot["totals"])
        self._iterations = Thinned.restored(snapshot["iterations"])
        self._passes = Thinned.restored(snapshot["passes"])


def _columns(names: tuple[str, ...], rows: list[Any]) -> dict[str, list[Any]]:
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}
