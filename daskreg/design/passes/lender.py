"""Blocks of other data in this process of which some columns are wanted."""

from __future__ import annotations

from dataclasses import dataclass, replace

from daskreg._typing import AnyArray
from daskreg.design.blocks import Block
from daskreg.design.device.blocks import DeviceBlock
from daskreg.design.device.shelf import SHELF
from daskreg.design.sources.selected import take_columns

from .ledger import LEDGER


@dataclass(frozen=True)
class Lender:
    """Data of which some columns are wanted; its pinned blocks in this process spare a reading.

    Attributes
    ----------
    data : str
        As its shards call it; its blocks have the borders of those that are wanted.
    columns : ndarray of int
    """

    data: str
    columns: AnyArray

    def blocks(self) -> dict[int, Block | DeviceBlock]:
        """What this process holds of it now, in its memory or on its card, by number."""
        return {**SHELF.of_data(self.data), **LEDGER.of_data(self.data)}

    def selected(self, block: Block | DeviceBlock) -> Block:
        """The block with the wanted columns only, in host memory."""
        if isinstance(block, DeviceBlock):
            block = block.on_host()
        return replace(block, X=take_columns(block.X, self.columns))
