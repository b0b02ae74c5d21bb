"""What workers tell of a running pass, and who hears it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from .outcome import Outcome
from .scheduler import Progress, fresh
from .shards import Shard

#: Seconds between two progress events of a shard.
EVENT_INTERVAL = 0.25


class Events:
    """Tells the client rows done and bytes read, a few times a second."""

    def __init__(self, worker: Any, topic: tuple[str, str]) -> None:
        self._worker, (self._topic, self._pass) = worker, topic
        self._rows = self._bytes = 0
        self._last = time.monotonic()

    def __call__(self, rows: int, read: int) -> None:
        self._rows += rows
        self._bytes += read
        if time.monotonic() - self._last > EVENT_INTERVAL:
            self.flush()

    def flush(self) -> None:
        told = {"pass": self._pass, "rows": self._rows, "bytes": self._bytes}
        self._worker.log_event(self._topic, told)
        self._rows = self._bytes = 0
        self._last = time.monotonic()


class Listener:
    """Hands what workers tell during a pass to its progress function.

    Attributes
    ----------
    topic : tuple of str or None
        The client's topic, one for all passes since a scheduler never forgets one, and the name of
        this pass; None: nobody listens.
    """

    def __init__(self, client: Any, progress: Progress | None) -> None:
        self.topic: tuple[str, str] | None = None
        if progress is not None:
            self.topic = f"daskreg-progress-{client.id}", fresh("pass")
        self._client, self._progress = client, progress
        self._rows = self._bytes = 0
        self._lock = threading.Lock()
        self._over = False

    def __enter__(self) -> None:
        if self.topic is not None:
            self._client.subscribe_topic(self.topic[0], self._hear)

    def _hear(self, event: Any) -> None:
        told = event[1]
        if self.topic is not None and told["pass"] == self.topic[1]:
            self._tell(told["rows"], told["bytes"])

    def _tell(self, rows: int, read: int) -> None:
        with self._lock:
            if self._progress is not None and not self._over:
                self._rows += rows
                self._bytes += read
                self._progress(rows, read)

    def __exit__(self, *_: object) -> None:
        if self.topic is not None:
            self._client.unsubscribe_topic(self.topic[0])

    def catch_up(self, shards: Sequence[Shard], outcomes: Sequence[Outcome]) -> None:
        """Tell what events still on their way would have told."""
        rows = sum(spec.stop - spec.start for shard in shards for spec in shard.specs)
        read = sum(outcome.bytes_read for outcome in outcomes)
        self._tell(rows - self._rows, read - self._bytes)
        self._over = True
