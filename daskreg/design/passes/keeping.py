"""What one shard keeps between passes: blocks in this process's memory, and on its card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from daskreg._tokens import fresh_token
from daskreg._typing import Matrix
from daskreg.design.blocks import Block
from daskreg.design.device.at_hand import card_of_process
from daskreg.design.device.blocks import DeviceBlock
from daskreg.design.device.card import locked_copy
from daskreg.design.device.need import DeviceShare
from daskreg.design.device.shelf import SHELF

from .ledger import LEDGER, block_nbytes, owned
from .portions import Portion


class Keeper:
    """Which blocks of a shard stay where, in the process that it runs in.

    Blocks that are to stay on the card are kept in host memory as long as no kernel needs them
    there, or where the card has no room for them.

    Parameters
    ----------
    data : str
        Names what they are blocks of.
    pins : set of int
        Numbers of the blocks to keep.
    budget : int
        Host bytes that all shards of a process may keep together.
    device : DeviceShare or None
        None: there are no cards.
    at_hand : set of str
        Parts of blocks that lie in memory as long as the fit.

    Attributes
    ----------
    token : str
        Names the shard in the ledger, and on the shelf.
    wanted : set of int
        Numbers of the blocks to keep, wherever that is.
    settled : bool
        Whether all that there is room for is kept.
    """

    def __init__(
        self,
        data: str,
        pins: frozenset[int],
        budget: int,
        device: DeviceShare | None,
        at_hand: frozenset[str],
    ) -> None:
        self.token = fresh_token()
        self.settled = False
        self._device, self._budget, self._at_hand = device, budget, at_hand
        self.wanted = pins if device is None else pins | device.blocks
        self._moved, self._on_card = False, set[int]()
        self._data, self._on_shelf = data, False
        LEDGER.open(self.token, data)

    @property
    def to_come(self) -> frozenset[int]:
        """Blocks that are still to be kept."""
        return frozenset() if self.settled else self.wanted

    def blocks(self) -> dict[int, Block | DeviceBlock]:
        """Blocks in host memory and on the card, by number."""
        held: dict[int, Block | DeviceBlock] = {**LEDGER.blocks(self.token)}
        if self._device is not None:
            held.update(SHELF.blocks(self.token))
        return held

    def arranged(self, run: int) -> Sequence[Portion] | None:
        """All blocks of a run as they come in every pass; None where that is not known."""
        known: Sequence[Portion] | None = LEDGER.noted(self.token, run)
        return known

    def arrange(self, run: int, portions: Sequence[Portion]) -> None:
        """Note that all blocks of a run are kept in host memory, for as long as they are."""
        LEDGER.note(self.token, run, portions)

    def promise(self) -> None:
        """Say what is going to stay on the card, before another fit counts on the same bytes.

        Where no pass is made, as in a cluster's client, nothing is said: the card is for others.
        """
        if self._device is not None:
            if not self._on_shelf:
                SHELF.open(self.token, self._data)
                self._on_shelf = True
            SHELF.promise(self.token, self._device.nbytes, self._device.passing)

    def keep(self, block: Block | DeviceBlock, lent: bool = False) -> None:
        """Keep a block in host memory, if it is to be kept, is not yet, and there is room.

        One that is ``lent`` lies in memory that other blocks are read into next.
        """
        if self.settled or block.index not in self.wanted or block.index in self._on_card:
            return
        assert isinstance(block, Block)
        if LEDGER.has(self.token, block.index):
            return
        own = owned(block, self._at_hand)
        nbytes = block_nbytes(own)
        if self._device is not None:
            if LEDGER.nbytes + nbytes > self._budget:
                return  # whatever makes room from now on: X may be lent memory
            own = replace(own, X=_readable_by_card(own.X, lent))
        LEDGER.pin(self.token, own, nbytes, self._budget)

    def moved(self, index: int) -> None:
        """Note that a block is on the card now: the host's copy makes room for another one."""
        self._on_card.add(index)
        self._moved |= LEDGER.drop(self.token, index)

    def end_pass(self, complete: bool) -> None:
        """Settle after a pass over all blocks, unless it has made room in host memory."""
        if complete:
            self.settled = not self._moved
            self._moved = False

    def release(self) -> None:
        """Keep nothing, whoever still refers to the shard."""
        self.wanted, self._device = frozenset(), None
        release(self.token)


def _readable_by_card(X: Matrix, lent: bool) -> Matrix:
    """X in memory that the card reads by itself, at its link's speed, if that can be had."""
    card = card_of_process()
    if card is not None:
        try:
            return locked_copy(card, X)
        except Exception as error:
            if not card.is_out_of_memory(error):
                raise
    return X.copy() if lent else X


def release(token: Any) -> None:
    """Forget what is kept under a name."""
    LEDGER.release(token)
    SHELF.release(token)
