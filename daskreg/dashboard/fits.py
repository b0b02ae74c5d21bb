"""The fits that the page shows, in bounded space; fed by messages from anywhere."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from daskreg.callbacks.history import Thinned

from .messages import PASS, POINT, SHARD

#: Fits that are remembered, points and passes of each, and events of each.
MOST_FITS, MOST_POINTS, MOST_EVENTS = 12, 500, 200


class Fit:
    """One fit as far as it was told of.

    Attributes
    ----------
    number : int
        Among all fits, from 1.
    title, source : str
        The estimator and its data.
    tol : float
    status : str
        "running", how it ended, or "lost" where nothing was heard for long.
    points, passes : Thinned
        Rows of ``POINT`` and ``PASS``.
    shards : list of rows of ``SHARD``
    rows : tuple of int
        Rows done in the running pass, rows of a pass, and its number.
    events : deque of dict
    """

    def __init__(self, number: int, begin: Mapping[str, Any]) -> None:
        self.number = number
        self.title = str(begin.get("title", ""))
        self.tol = float(begin.get("tol") or 0.0)
        self.began = time.time()
        self.heard = self.began
        self.source, self.status, self.seconds_left = "", "running", float("nan")
        self.points, self.passes = Thinned(MOST_POINTS), Thinned(MOST_POINTS)
        self.shards: list[list[Any]] = []
        self.rows = (0, 0, 1)
        self.events: deque[dict[str, Any]] = deque(maxlen=MOST_EVENTS)
        self.ended: float | None = None

    @property
    def name(self) -> str:
        """How the page calls it."""
        return f"{self.number} {self.title}"

    def take(self, message: Mapping[str, Any]) -> None:
        """Add what a message tells.

        Raises
        ------
        TypeError, ValueError, KeyError, IndexError
            For a message of another form.
        """
        self.heard = time.time()
        for row in message.get("points", ()):
            self.points.append([_number(row[i]) for i in range(len(POINT))])
        for row in message.get("passes", ()):
            self.passes.append([_number(row[i]) for i in range(len(PASS))])
        if "shards" in message:
            self.shards = [
                [str(row[0]), *(_number(row[i]) for i in range(1, len(SHARD)))]
                for row in message["shards"]
            ]
        if "rows" in message:
            done, n_rows, n_pass = message["rows"]
            self.rows = int(done), int(n_rows), int(n_pass)
        for event in message.get("events", ()):
            self.events.append({name: event[name] for name in ("time", "kind", "message")})
        self.tol = float(message.get("tol", self.tol))
        self.source = str(message.get("source", self.source))
        self.seconds_left = _number(message.get("seconds_left"))
        if "status" in message:
            self.status, self.ended = str(message["status"]), self.heard

    @property
    def latest(self) -> dict[str, float] | None:
        """The latest point, by the names of ``POINT``."""
        rows = self.points.rows
        return dict(zip(POINT, rows[-1], strict=True)) if rows else None

    def columns(self) -> dict[str, list[float]]:
        """Points as columns, with ``tol`` and the ``share`` that is left of the first objective.

        What a logarithm does not know is NaN.
        """
        found = {name: [row[i] for row in self.points.rows] for i, name in enumerate(POINT)}
        for name in ("gap", "n_nonzero", "n_active"):
            found[name] = [_positive(value) for value in found[name]]
        found["tol"] = [_positive(self.tol)] * len(found["gap"])
        first = found["objective"][0] if found["objective"] else 1.0
        found["share"] = [value / first if first else math.nan for value in found["objective"]]
        return found

    def speeds(self) -> dict[str, list[float]]:
        """Passes as columns: ``n_pass``, ``seconds`` and ``speed`` in GB/s, zero left out."""
        rows = [row for row in self.passes.rows if row[2] > 0 and sum(row[3:]) > 0]
        return {
            "n_pass": [row[0] for row in rows],
            "seconds": [row[1] for row in rows],
            "speed": [sum(row[3:]) / row[2] / 1e9 for row in rows],
        }


class Fits:
    """The latest fits, and what the machines can give.

    Attributes
    ----------
    version : int
        Changes with every message.
    capacity : dict of str to float
        Bytes per second of ``memory`` and ``disk`` of all workers together, as far as known.
    """

    def __init__(self) -> None:
        self.version = 0
        self.capacity: dict[str, float] = {}
        self._fits: dict[str, Fit] = {}
        self._count = 0

    def take(self, message: Any) -> bool:
        """Take a message; False for one that is none of ours, which changes nothing."""
        if not isinstance(message, Mapping) or not isinstance(message.get("kind"), str):
            return False
        try:
            self._take(message)
        except (TypeError, ValueError, KeyError, IndexError):
            return False
        self.version += 1
        return True

    def _take(self, message: Mapping[str, Any]) -> None:
        if message["kind"] == "capacity":
            rates = message["rates"]
            known = [name for name in ("memory", "disk") if name in rates]
            self.capacity = {name: float(rates[name]) for name in known}
            return
        fit = str(message["fit"])
        if fit not in self._fits:
            self._count += 1
            self._fits[fit] = Fit(self._count, message)
            while len(self._fits) > MOST_FITS:
                del self._fits[next(iter(self._fits))]
        self._fits[fit].take(message)

    def latest(self, most: int) -> list[Fit]:
        """The fits that the page shows, in the order in which they began."""
        return list(self._fits.values())[-most:]


def _positive(value: float) -> float:
    return value if value > 0 else math.nan


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
