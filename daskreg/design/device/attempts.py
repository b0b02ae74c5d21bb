"""What is asked of a card whose memory may be full, and a record of what became of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .card import Card
from .ring import ring_of
from .use import DeviceUse

Made = TypeVar("Made")


class Attempts:
    """Those of one pass of a shard.

    Parameters
    ----------
    card : Card

    Attributes
    ----------
    use : DeviceUse
        What has been counted so far.
    """

    def __init__(self, card: Card) -> None:
        self.card = card
        self.use = DeviceUse()

    def count(self, **more: Any) -> None:
        """Add to what the card has done."""
        self.use = self.use + DeviceUse(**more)

    def tried(self, launch: Callable[[], Made]) -> Made | None:
        """What ``launch`` returns; None, with memory given back, where the card's is full.

        ``launch`` is no function that closes over a block: frames of an error keep their functions,
        also once they are cleared.
        """
        try:
            return launch()
        except Exception as error:
            if not self.card.is_out_of_memory(error):
                raise
            self.count(reasons=(str(error)[:200],))
        # Only here, without the traceback, is nothing held any more that the launch had made.
        self.card.trim()
        ring_of(self.card).clear()
        self.card.trim()
        return None
