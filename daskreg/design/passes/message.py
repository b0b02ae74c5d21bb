"""What all tasks of a pass are told."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import dask  # noqa: TID253 - loaded only where a client is active

from .remote import itself
from .scheduler import fresh, goes_once


class Message:
    """Kernel and state of a pass; large ones go through the scheduler as one task, once.

    Parameters
    ----------
    client : distributed.Client
    name : str
        Of the kernel.
    payload : bytes
    topic : tuple of str or None
        Whom to tell of progress.
    n_shards : int
    """

    def __init__(
        self, client: Any, name: str, payload: bytes, topic: tuple[str, str] | None, n_shards: int
    ) -> None:
        self.name = name
        self._client, self._payload, self._topic = client, payload, topic
        self.once = goes_once(len(payload), n_shards)
        self._task: Any = None

    @property
    def arguments(self) -> tuple[Any, Any]:
        """What a task of the pass is given beside its shard."""
        if not self.once:
            return self._payload, self._topic
        if self._task is None or self._task.status in ("error", "cancelled"):
            self._task = self._state_task()
        return self._task, self._topic

    def _state_task(self) -> Any:
        """A task whose value is the state: through the scheduler once, then among the workers."""
        # Dask advises against large task arguments; this one is sent once instead of many times.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
            return self._client.submit(itself, self._payload, key=fresh("state"), pure=False)

    def release(self) -> None:
        """Let go of the state."""
        if self._task is not None:
            with suppress(Exception):
                self._task.release()
