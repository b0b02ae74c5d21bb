"""The process-wide ledger of blocks that stay on the card: device bytes, counted apart."""

from __future__ import annotations

import queue
import threading
from collections.abc import Hashable

from .blocks import DeviceBlock


class Shelf:
    """Blocks kept in the card's memory between passes, and the bytes that are promised to others.

    Room is claimed before memory is allocated, so that several threads never promise the same
    bytes twice.  None of it is the process's memory: ``sys.getsizeof`` of a shard, by which Dask
    spills, counts host bytes only.

    Attributes
    ----------
    emptied : queue.SimpleQueue
        Gets None when the last shard is released: to put it there is safe wherever that happens.
    """

    def __init__(self) -> None:
        # Reentrant: the collector may end a shard, and so release it, inside any of these methods.
        self._lock = threading.RLock()
        self._blocks: dict[Hashable, dict[int, DeviceBlock]] = {}
        self._bytes: dict[Hashable, int] = {}
        self._data: dict[Hashable, str] = {}
        self.emptied: queue.SimpleQueue[None] = queue.SimpleQueue()

    def open(self, shard: Hashable, data: str = "") -> None:
        """Let a shard keep blocks until it is released; ``data`` names what they are blocks of."""
        with self._lock:
            self._blocks[shard], self._bytes[shard], self._data[shard] = {}, 0, data

    @property
    def is_empty(self) -> bool:
        """Whether no shard may keep blocks now."""
        with self._lock:
            return not self._blocks

    @property
    def nbytes(self) -> int:
        """Device bytes that are kept, or promised, in this process."""
        with self._lock:
            return sum(self._bytes.values())

    def held_by(self, shard: Hashable) -> int:
        """Device bytes of one shard."""
        with self._lock:
            return self._bytes.get(shard, 0)

    def blocks(self, shard: Hashable) -> dict[int, DeviceBlock]:
        """The blocks of one shard, by number."""
        with self._lock:
            return dict(self._blocks.get(shard, ()))

    def of_data(self, data: str) -> dict[int, DeviceBlock]:
        """The blocks of some data that any shard keeps here, by number."""
        with self._lock:
            shards = [shard for shard, name in self._data.items() if name == data]
            return {k: block for shard in shards for k, block in self._blocks[shard].items()}

    def claim(self, shard: Hashable, nbytes: int, limit: int) -> bool:
        """Promise bytes to a shard unless the process would then keep more than ``limit``, or the
        shard was released."""
        with self._lock:
            if shard not in self._blocks or self.nbytes + nbytes > limit:
                return False
            self._bytes[shard] += nbytes
            return True

    def give_back(self, shard: Hashable, nbytes: int) -> None:
        """Take back a promise that memory did not keep."""
        with self._lock:
            if shard in self._bytes:
                self._bytes[shard] -= nbytes

    def put(self, shard: Hashable, block: DeviceBlock) -> None:
        """Keep a block whose bytes were claimed."""
        with self._lock:
            if shard in self._blocks:
                self._blocks[shard][block.index] = block

    def release(self, shard: Hashable) -> None:
        """Forget everything that is kept for a shard."""
        with self._lock:
            known = self._blocks.pop(shard, None)
            self._bytes.pop(shard, None)
            self._data.pop(shard, None)
            if known is not None and not self._blocks:
                self.emptied.put(None)


SHELF = Shelf()
