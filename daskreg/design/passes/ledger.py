"""The process-wide ledger of pinned blocks: one budget over all shards, threads and fits."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import numpy as np

from daskreg.design.blocks import Block
from daskreg.design.sources.base import matrix_nbytes


class Ledger:
    """Blocks kept in this process's memory between passes.

    Shards pickle as recipes; what they pin lives here, so that spilling, stealing and retiring
    workers never write or send it.  The budget is the process's: a shard that moves in after a
    lost worker gets what is left, pins less and streams more, with the same result.
    """

    def __init__(self) -> None:
        # Reentrant: the collector may end a shard, and so release it, inside any of these methods.
        self._lock = threading.RLock()
        self._blocks: dict[Hashable, dict[int, Block]] = {}
        self._bytes: dict[Hashable, int] = {}
        self._data: dict[Hashable, str] = {}

    def open(self, shard: Hashable, data: str = "") -> None:
        """Let a shard pin blocks until it is released; ``data`` names what they are blocks of."""
        with self._lock:
            self._blocks[shard], self._bytes[shard], self._data[shard] = {}, 0, data

    def of_data(self, data: str) -> dict[int, Block]:
        """The blocks of some data that any shard has pinned in this process, by number."""
        with self._lock:
            shards = [shard for shard, name in self._data.items() if name == data]
            return {k: block for shard in shards for k, block in self._blocks[shard].items()}

    @property
    def nbytes(self) -> int:
        """Bytes pinned in this process."""
        with self._lock:
            return sum(self._bytes.values())

    def held_by(self, shard: Hashable) -> int:
        """Bytes pinned for one shard."""
        with self._lock:
            return self._bytes.get(shard, 0)

    def blocks(self, shard: Hashable) -> dict[int, Block]:
        """The blocks pinned for one shard, by number."""
        with self._lock:
            return dict(self._blocks.get(shard, ()))

    def pin(self, shard: Hashable, block: Block, budget: int) -> bool:
        """Keep a block unless the process would then hold more than ``budget`` bytes, or the shard
        was released while the block was on its way."""
        size = block_nbytes(block)
        with self._lock:
            if shard not in self._blocks or sum(self._bytes.values()) + size > budget:
                return False
            if block.index in self._blocks[shard]:
                return True
            self._blocks[shard][block.index] = block
            self._bytes[shard] += size
            return True

    def drop(self, shard: Hashable, index: int) -> bool:
        """Forget one block; returns whether it was pinned."""
        with self._lock:
            block = self._blocks.get(shard, {}).pop(index, None)
            if block is not None:
                self._bytes[shard] -= block_nbytes(block)
            return block is not None

    def release(self, shard: Hashable) -> None:
        """Forget everything pinned for a shard."""
        with self._lock:
            self._blocks.pop(shard, None)
            self._bytes.pop(shard, None)
            self._data.pop(shard, None)


def owned(block: Block) -> Block:
    """The block with arrays of its own: a view would keep the whole chunk it looks into."""
    beside = {name: _owned(array) for name, array in block.beside().items()}
    return replace(block, X=_owned(block.X), **beside)


def _owned(array: Any) -> Any:
    root = array
    while isinstance(getattr(root, "base", None), np.ndarray):
        root = root.base
    return array if root is array or root.nbytes <= array.nbytes else array.copy()


def block_nbytes(block: Block) -> int:
    """Bytes of a block with what lies beside its X."""
    return matrix_nbytes(block.X) + sum(array.nbytes for array in block.beside().values())


LEDGER = Ledger()
