"""A stand-in for a card in this process, for as long as a test runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from daskreg.design.device.at_hand import install
from daskreg.design.device.need import LIBRARIES, SLOTS
from daskreg.design.device.shelf import SHELF

from .stand_in import StandInCard

#: Bytes of a block in these tests, and of what lies beside X.
BLOCK = 1 << 15


@pytest.fixture
def card_with(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """``card_with(room)`` installs a card on which blocks of ``room`` bytes can stay."""
    monkeypatch.delenv("DASKREG_DEVICE", raising=False)
    # Threads differ from machine to machine, and tiles of rows with them.
    monkeypatch.setattr("daskreg.design.device.need.TILES", 0)
    monkeypatch.setattr("daskreg.design.device.need.SORTING", 0)

    def make(room: int, kind: type[StandInCard] = StandInCard, **settings: Any) -> StandInCard:
        card = kind(limit=LIBRARIES + SLOTS * 2 * BLOCK + room, **settings)
        install(card)
        cards.append(card)
        return card

    cards: list[StandInCard] = []
    yield make
    install(None)
    assert not [fault for card in cards for fault in card.faults]
    assert SHELF.nbytes == 0, "a design was left on the card"
