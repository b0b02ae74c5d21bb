"""The blocks of one shard in one pass, in their order, from wherever they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from daskreg.design.blocks import Block
from daskreg.design.columns import BlockSpec, Columns
from daskreg.design.device.blocks import DeviceBlock
from daskreg.design.device.lane import Lane

from .ahead import Stream, stream
from .ledger import block_nbytes
from .seals import Seals
from .stream import BlockReader
from .tally import Tally

if TYPE_CHECKING:
    from .shards import Shard

#: Blocks that are kept, and their bytes, that are summed before anybody looks whether the pass is
#: to stop.
TOGETHER, TOGETHER_BYTES = 16, 2**22


class Supply:
    """Gives what is kept as it is, and reads, looks at and keeps the rest.

    Parameters
    ----------
    shard : Shard
    values : sequence
        Results of the futures of its runs' recipes, in order.
    reads_X : bool
    seals : Seals or None
        What is read is compared with them.
    proves : bool
        Whether the kernel's sums tell that all values are finite.
    tally : Tally
    lane : Lane or None
        The way to the card, if there is one.
    """

    def __init__(
        self,
        shard: Shard,
        values: Sequence[Any],
        *,
        reads_X: bool,
        seals: Seals | None,
        proves: bool,
        tally: Tally,
        lane: Lane | None,
    ) -> None:
        self._shard, self._values, self._reads_X = shard, values, reads_X
        self._seals, self._tally, self._lane = seals, tally, lane
        self._proves = proves and lane is None

    def blocks(
        self, stack: ExitStack, skip: frozenset[int]
    ) -> Iterator[tuple[int, list[Any], int]]:
        """Yield a segment, blocks of it and the bytes that were read for them: one block that had
        to be made, or several that are kept, for which there is one account.

        Whoever leaves ``stack`` ends it.

        Parameters
        ----------
        stack : ExitStack
        skip : set of int
            Numbers of blocks that are left out.
        """
        shard, left = self._shard, list(self._values)
        pinned = shard.keeper.blocks()
        lent = shard.lender.blocks() if shard.lender is not None else {}
        for run in shard.runs:
            n_futures = len(run.columns.futures)
            own, left = left[:n_futures], left[n_futures:]
            specs = [spec for spec in run.specs if spec.index not in skip]
            missing = [s for s in specs if s.index not in lent and s.index not in pinned]
            blocks = self._stream(stack, run.columns, missing, own)
            kept, n_bytes, segment = list[Any](), 0, -1
            for spec in specs:
                block = pinned.get(spec.index)
                full = len(kept) == TOGETHER or n_bytes >= TOGETHER_BYTES or self._lane is not None
                if kept and (full or block is None or spec.segment != segment):
                    yield segment, kept, 0
                    kept, n_bytes = [], 0
                segment = spec.segment
                if block is not None:
                    if self._lane is None and isinstance(block, DeviceBlock):
                        block = block.on_host(self._reads_X)
                    kept.append(block)
                    if self._reads_X and not isinstance(block, DeviceBlock):
                        n_bytes += block_nbytes(block)
                elif shard.lender is not None and spec.index in lent:
                    yield segment, [self._taken(shard.lender.selected(lent[spec.index]))], 0
                else:
                    block, read = next(blocks)
                    taken, block = [self._taken(block)], None
                    yield segment, taken, read
                    taken = []
                    blocks.finish()
            if kept:
                yield segment, kept, 0
            # Persisted blocks lie in any order: hundreds of runs, each with open files.
            stack.close()

    def _stream(
        self, stack: ExitStack, columns: Columns, specs: list[BlockSpec], values: Sequence[Any]
    ) -> Stream:
        shard, tally = self._shard, self._tally
        tier, pinned = shard.tier_of(columns), shard.keeper.to_come
        return stream(
            stack,
            lambda: BlockReader(
                columns, values, self._reads_X, tier, pinned, self._seals, shard.retries, tally
            ),
            columns,
            specs,
            # Blocks that are to be pinned need memory of their own; with a card they are copied
            # once more, to the card or to memory that it reads by itself.
            kept=pinned if self._lane is None else (),
            tally=tally,
            empty=None if self._lane is None else self._lane.host_buffer,
        )

    def _taken(self, block: Block) -> Block:
        keeper = self._shard.keeper
        # Sums tell whether all values are finite: no look of its own at what lies in memory.
        by_sums = self._proves and block.index not in keeper.to_come
        self._shard.proofs.take(block, self._reads_X, by_sums)
        if self._reads_X and self._lane is None:  # a card may take it first
            keeper.keep(block)
        return block
