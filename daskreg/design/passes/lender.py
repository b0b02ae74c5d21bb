"""Blocks of other data in this process of which some columns are wanted."""

from __future__ import annotations

from dataclasses import dataclass, replace

from daskreg._typing import AnyArray
from daskreg.design.blocks import Block
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

    def blocks(self) -> dict[int, Block]:
        """What this process holds of it now, by number."""
        return LEDGER.of_data(self.data)

    def selected(self, block: Block) -> Block:
        """The block with the wanted columns only."""
        return replace(block, X=take_columns(block.X, self.columns))
