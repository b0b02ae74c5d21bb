"""What shards keep between passes in one memory of this process, and how many bytes that is."""

from __future__ import annotations

import queue
import threading
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar


class Numbered(Protocol):
    """Anything with the number of a block."""

    @property
    def index(self) -> int: ...


Kept = TypeVar("Kept", bound=Numbered)


@dataclass
class _Account(Generic[Kept]):
    """Of one shard: ``data`` names what it keeps blocks of; bytes it has, and is going to have.

    ``notes`` say what is known of its blocks, and are gone when these change.
    """

    data: str
    blocks: dict[int, Kept] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    nbytes: int = 0
    planned: int = 0
    passing: int = 0
    notes: dict[Hashable, Any] = field(default_factory=dict)


class Book(Generic[Kept]):
    """Blocks by shard, and their bytes: one budget over all shards, threads and fits.

    Room is claimed before memory is taken, so that several threads never use the same bytes twice.
    What a shard is planned to keep is known before it is there, so that the plans of two fits do
    not count on the same bytes either.

    Parameters
    ----------
    emptied : queue.SimpleQueue, optional
        Gets None when the last shard is released: to put it there is safe wherever that happens.
    """

    def __init__(self, emptied: queue.SimpleQueue[None] | None = None) -> None:
        # Reentrant: the collector may end a shard, and so release it, inside any of these methods.
        self._lock = threading.RLock()
        self._accounts: dict[Hashable, _Account[Kept]] = {}
        self._emptied = emptied

    def open(self, shard: Hashable, data: str = "") -> None:
        """Let a shard keep blocks until it is released; ``data`` names what they are blocks of."""
        with self._lock:
            self._accounts[shard] = _Account(data)

    def release(self, shard: Hashable) -> None:
        """Forget everything that is kept for a shard."""
        with self._lock:
            known = self._accounts.pop(shard, None)
            if known is not None and not self._accounts and self._emptied is not None:
                self._emptied.put(None)

    @property
    def n_shards(self) -> int:
        """Shards that may keep blocks now."""
        with self._lock:
            return len(self._accounts)

    @property
    def nbytes(self) -> int:
        """Bytes that are kept, or claimed, in this process."""
        with self._lock:
            return sum(account.nbytes for account in self._each())

    def held_by(self, shard: Hashable) -> int:
        """Bytes of one shard."""
        with self._lock:
            account = self._accounts.get(shard)
            return 0 if account is None else account.nbytes

    def has(self, shard: Hashable, index: int) -> bool:
        """Whether a block is kept for a shard."""
        with self._lock:
            account = self._accounts.get(shard)
            return account is not None and index in account.blocks

    def blocks(self, shard: Hashable) -> dict[int, Kept]:
        """The blocks of one shard, by number."""
        with self._lock:
            account = self._accounts.get(shard)
            return {} if account is None else dict(account.blocks)

    def note(self, shard: Hashable, what: Hashable, found: Any) -> None:
        """Remember what was found of the blocks of a shard, as long as they are the same."""
        with self._lock:
            account = self._accounts.get(shard)
            if account is not None:
                account.notes[what] = found

    def noted(self, shard: Hashable, what: Hashable) -> Any:
        """What was found of the blocks of a shard; None: nothing, or they are others now."""
        with self._lock:
            account = self._accounts.get(shard)
            return None if account is None else account.notes.get(what)

    def of_data(self, data: str) -> dict[int, Kept]:
        """The blocks of some data that any shard keeps here, by number."""
        with self._lock:
            own = [account for account in self._each() if account.data == data]
            return {index: block for account in own for index, block in account.blocks.items()}

    def _each(self) -> list[_Account[Kept]]:
        # A copy: the collector may release a shard between two steps of a loop.
        return list(self._accounts.values())

    # ------------------------------------------------------------------ bytes and blocks

    def claim(self, shard: Hashable, nbytes: int, limit: int) -> bool:
        """Give bytes to a shard unless the process would then keep more than ``limit``, or the
        shard was released."""
        with self._lock:
            account = self._accounts.get(shard)
            if account is None or self.nbytes + nbytes > limit:
                return False
            account.nbytes += nbytes
            return True

    def give_back(self, shard: Hashable, nbytes: int) -> None:
        """Take back a claim that memory did not keep."""
        with self._lock:
            account = self._accounts.get(shard)
            if account is not None:
                account.nbytes -= nbytes

    def put(self, shard: Hashable, block: Kept, nbytes: int) -> None:
        """Keep a block whose bytes were claimed."""
        with self._lock:
            account = self._accounts.get(shard)
            if account is not None:
                account.blocks[block.index], account.sizes[block.index] = block, nbytes
                account.notes.clear()

    def pin(self, shard: Hashable, block: Kept, nbytes: int, limit: int) -> bool:
        """Claim and put at once; True as well where the block is kept already."""
        with self._lock:
            account = self._accounts.get(shard)
            if account is not None and block.index in account.blocks:
                return True
            if not self.claim(shard, nbytes, limit):
                return False
            self.put(shard, block, nbytes)
            return True

    def drop(self, shard: Hashable, index: int) -> bool:
        """Forget one block; returns whether it was kept."""
        with self._lock:
            account = self._accounts.get(shard)
            if account is None or index not in account.blocks:
                return False
            block = account.blocks.pop(index)
            account.nbytes -= account.sizes.pop(index)
            account.notes.clear()
        del block  # only here: to give back page-locked memory waits for the card
        return True

    def clear(self) -> None:
        """Forget all blocks: their memory cannot be read any more."""
        with self._lock:
            for account in self._each():
                account.blocks.clear()
                account.notes.clear()
                account.nbytes -= sum(account.sizes.values())
                account.sizes.clear()

    # ------------------------------------------------------------------ what plans have promised

    def promise(self, shard: Hashable, planned: int, passing: int) -> None:
        """Note what a shard is going to keep, and what a pass over its data takes beside it."""
        with self._lock:
            account = self._accounts.get(shard)
            if account is not None:
                account.planned, account.passing = planned, passing

    @property
    def to_come(self) -> int:
        """Bytes that shards are going to keep and have not claimed yet."""
        with self._lock:
            return sum(max(0, account.planned - account.nbytes) for account in self._each())

    @property
    def passing(self) -> int:
        """Bytes that passes over all data that are kept here take beside blocks, if made at once;
        shards of the same data share theirs."""
        with self._lock:
            each: dict[str, int] = {}
            for account in self._each():
                each[account.data] = max(each.get(account.data, 0), account.passing)
            return sum(each.values())
