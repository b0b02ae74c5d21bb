"""A card whose memory is full at any one moment, or from some moment on: all sums stay right."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container
from typing import Any

import numpy as np
import pytest

from daskreg.design.device.shelf import SHELF
from daskreg.events import collecting
from tests.design.helpers import make_design
from tests.device.conftest import BLOCK
from tests.device.kernels_by_hand import Products
from tests.device.movement.test_movement import check, whole_numbers
from tests.device.stand_in import StandInCard, StandInOutOfMemory

N_ROWS = 1500
NEVER = range(0)


class Full(StandInCard):
    """Refuses memory some of the times that it is asked for it."""

    asked = 0
    refused: Container[int] = NEVER

    def allocates(self) -> None:
        self.asked += 1
        if self.asked in self.refused:
            raise StandInOutOfMemory(f"full when asked for the {self.asked}th time")


class Apart(Products):
    """The same with a sum whose numbers do not lie side by side on the card."""

    def on_device(self, block: Any, state: Any) -> Any:
        sums = super().on_device(block, state)
        pairs = np.stack([sums["products"], sums["products"]], axis=1)
        return type(sums)({**sums, "products": pairs[:, 0]})


@pytest.fixture
def fit(card_with: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Full]:
    """``fit(refused)`` makes three passes, of which a part stays on the card."""
    monkeypatch.setattr("daskreg.design.passes.threads._n_threads", lambda: 1)
    X, y = whole_numbers(n=N_ROWS)

    def make(refused: Container[int], room: float = 0.5, kernel: Any = None) -> Full:
        card = card_with(int(room * X.nbytes), Full)
        with make_design(X, y, block_size=BLOCK // 2) as design:
            design.prepare()
            card.asked, card.refused = 0, refused
            for times in (1.0, 2.0, 3.0):
                check(design.sum_over_rows(kernel or Apart(), {"times": times}), X, y, times)
        assert SHELF.nbytes == 0
        return card

    return make


@pytest.mark.parametrize("room", [0.0, 0.5, 2.0])
def test_a_card_that_is_full_once_whenever_that_is(fit, room):
    n_moments = fit(NEVER, room).asked
    assert n_moments > 100
    moments = range(1, n_moments + 1, 1 if room == 0.5 else 3)
    told = 0
    for moment in moments:
        with collecting() as log:
            fit({moment}, room)
        told += any(event.kind == "device" for event in log.events)
    assert told > len(moments) // 4


@pytest.mark.parametrize("room", [0.0, 0.5, 2.0])
def test_a_card_that_is_full_from_some_moment_on(fit, room):
    n_moments = fit(NEVER, room).asked
    for moment in range(1, n_moments + 1, 5):
        with collecting() as log:
            fit(range(moment, 10**9), room)
        troubles = [event for event in log.events if event.kind == "device"]
        if moment < n_moments // 3:  # in the first of three passes
            assert len(troubles) > 1
            assert all(event.details["n_on_host"] for event in troubles[1:])
            assert "by the processor" in troubles[-1].message


def test_a_card_that_is_full_every_other_time(fit):
    class Odd:
        def __contains__(self, number: int) -> bool:
            return number % 2 == 1

    fit(Odd())
    for period, at in itertools.product((3, 5, 7), (1, 2)):
        fit(type("Some", (), {"__contains__": lambda _, n, p=period, a=at: n % p == a})())
