"""Blocks that are summed together, with one account for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeAlias

from daskreg.design.blocks import Block
from daskreg.design.device.blocks import device_nbytes

from .ledger import block_nbytes

#: Blocks in memory, and their bytes, that are summed before anybody looks whether the pass is to
#: stop.
TOGETHER, TOGETHER_BYTES = 64, 2**22

#: A block, on the host or on a card, and the number of its segment.
Placed: TypeAlias = tuple[int, Any]


@dataclass(frozen=True, slots=True)
class Portion:
    """Blocks in their order, by segment.

    Attributes
    ----------
    segments : tuple of (int, tuple)
        Number of a segment, and blocks of it that come now.
    n_blocks, n_rows : int
    read : int
        Bytes that were read for them.
    memory, device : int
        Bytes of those that lay in memory, and on a card.
    """

    segments: tuple[tuple[int, tuple[Any, ...]], ...]
    n_blocks: int
    n_rows: int
    read: int
    memory: int
    device: int

    @classmethod
    def of(cls, placed: list[Placed], read: int = 0) -> Portion:
        """The portion of some blocks; those that were read lay in no memory."""
        segments = tuple(
            (segment, tuple(block for _, block in group))
            for segment, group in groupby(placed, key=_segment)
        )
        memory, device = 0, 0
        for _, block in [] if read else placed:
            if not block.X.shape[1]:
                continue
            if isinstance(block, Block):
                memory += block_nbytes(block)
            else:
                device += device_nbytes(block.X)
        n_rows = sum(block.X.shape[0] for _, block in placed)
        return cls(segments, len(placed), n_rows, read, memory, device)


def portions_of(placed: Iterable[Placed]) -> Iterator[Portion]:
    """Blocks that lie in memory, in portions."""
    own, nbytes = list[Placed](), 0
    for one in placed:
        own.append(one)
        nbytes += block_nbytes(one[1])
        if len(own) == TOGETHER or nbytes >= TOGETHER_BYTES:
            yield Portion.of(own)
            own, nbytes = [], 0
    if own:
        yield Portion.of(own)


def _segment(placed: Placed) -> int:
    return placed[0]
