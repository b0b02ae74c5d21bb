"""What a worker process runs first to have a stand-in for a card."""

from __future__ import annotations

from typing import Any

from daskreg.design.device import at_hand as room
from daskreg.design.device.at_hand import install
from daskreg.design.device.shelf import SHELF

from .stand_in import StandInCard


def begin(limit: int = 1 << 30, name: str = "stand-in") -> None:
    """Give this process a card."""
    install(StandInCard(limit, mixes=True, name=name))


def rename(name: str) -> None:
    """Let this process have another kind of card."""
    room._installed.name = name


def told() -> Any:
    """Bytes that went to this process's card, and that stay there."""
    return room._installed.moved, SHELF.nbytes
