"""The blocks of one shard in one pass, in their order, from wherever they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from daskreg.design.blocks import Block
from daskreg.design.columns import BlockSpec, Columns
from daskreg.design.device.blocks import DeviceBlock
from daskreg.design.device.lane import Lane

from .ahead import Stream, stream
from .portions import Placed, Portion, portions_of
from .seals import Seals
from .stream import BlockReader
from .tally import Tally

if TYPE_CHECKING:
    from .shards import Shard


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

    def portions(self, stack: ExitStack, skip: frozenset[int]) -> Iterator[Portion]:
        """Yield all blocks in their order: one that had to be made, or several that are kept.

        Whoever leaves ``stack`` ends it.

        Parameters
        ----------
        stack : ExitStack
        skip : set of int
            Numbers of blocks that are left out.
        """
        keeper, left = self._shard.keeper, list(self._values)
        pinned = keeper.blocks()
        lender = self._shard.lender
        lent = lender.blocks() if lender is not None else {}
        for number, run in enumerate(self._shard.runs):
            n_futures = len(run.columns.futures)
            own, left = left[:n_futures], left[n_futures:]
            known = keeper.arranged(number) if self._lane is None and not skip else None
            if known is not None:
                yield from known
                continue
            specs = [spec for spec in run.specs if spec.index not in skip]
            missing = [s for s in specs if s.index not in lent and s.index not in pinned]
            blocks = self._stream(stack, run.columns, missing, own)
            kept = list[Placed]()
            for spec in specs:
                held = pinned.get(spec.index)
                if self._lane is None and isinstance(held, Block):
                    kept.append((spec.segment, held))
                    continue
                yield from portions_of(kept)
                kept = []
                yield self._alone(spec, held, lent, blocks)  # nobody here keeps its memory
                blocks.finish()
            portions = list(portions_of(kept))
            if len(kept) == len(run.specs):
                keeper.arrange(number, portions)
            yield from portions
            # Persisted blocks lie in any order: hundreds of runs, each with open files.
            stack.close()

    def _alone(
        self,
        spec: BlockSpec,
        held: Block | DeviceBlock | None,
        lent: Mapping[int, Block | DeviceBlock],
        blocks: Stream,
    ) -> Portion:
        """A block that is on a card, or goes there, or had to be made."""
        lender, read = self._shard.lender, 0
        if isinstance(held, DeviceBlock) and self._lane is None:
            held = held.on_host(self._reads_X)
        elif held is None and lender is not None and spec.index in lent:
            held = self._taken(lender.selected(lent[spec.index]))
        elif held is None:
            made, read = next(blocks)
            held = self._taken(made)
        return Portion.of([(spec.segment, held)], read)

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
