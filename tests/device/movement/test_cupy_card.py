"""What a card asks of CuPy, in which order: on a record of it, since there may be no GPU."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from daskreg import _device
from daskreg.design.device import cupy_card
from daskreg.design.device.card import card_of_process
from daskreg.design.device.ring import ring_of
from tests.device import fake_cupy


@pytest.fixture
def card(monkeypatch):
    cupy, cupyx, log = fake_cupy.make(free=10_000)
    monkeypatch.delenv("DASKREG_DEVICE", raising=False)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setitem(sys.modules, "cupyx", cupyx)
    monkeypatch.setattr(_device, "_usable", lambda: True)
    monkeypatch.setattr(cupy_card, "cupy_or_none", lambda: cupy)
    monkeypatch.setattr("daskreg.design.device.card._found", None)
    card = card_of_process()
    assert card_of_process() is card
    card.log = log
    return card


def test_a_block_goes_through_a_slot_of_the_ring(card):
    ring = ring_of(card)
    host = card.page_locked((4, 5), np.dtype("float32"))
    host[...] = np.arange(20).reshape(4, 5)
    for _ in range(4):
        card.log.clear()
        with ring.slot(host.nbytes) as buffer:
            array = card.put(host, buffer)
            copied = card.event(card.copy)
            card.wait(card.compute, copied)
            card.wait_here(copied)
        assert card.log == [
            ("copy", "waits for", "compute"),
            ("set", "copy"),
            ("compute", "waits for", "copy"),
            ("here", "waits for", "copy"),
        ]
        np.testing.assert_array_equal(card.fetch(array), host)
        assert array.dtype == host.dtype
    assert 3 * host.nbytes <= ring.nbytes <= card.free_bytes() * 2


def test_memory_is_what_the_device_and_the_pool_have(card):
    assert card.name == "Fake 100"
    assert card.free_bytes() == 10_030
    card.xp.get_default_memory_pool().get_limit = lambda: 1050
    assert card.free_bytes() == 1000


def test_errors_of_a_full_memory_are_told_from_others(card):
    with pytest.raises(MemoryError) as error:
        card.empty(20_000)
    assert card.is_out_of_memory(error.value)
    assert not card.is_out_of_memory(MemoryError("of the host"))
    library = type("CUBLASError", (RuntimeError,), {"__module__": "cupy_backends.cuda.libs.cublas"})
    assert card.is_out_of_memory(library("CUBLAS_STATUS_ALLOC_FAILED"))
    assert not card.is_out_of_memory(library("CUBLAS_STATUS_EXECUTION_FAILED"))
    card.log.clear()
    card.trim()
    assert card.log == [("synchronize", "copy"), ("synchronize", "compute"), ("pool", "emptied")]


def test_what_is_sent_is_an_array_of_the_card(card):
    sent = card.send(np.arange(3))
    assert card.is_array(sent)
    assert not card.is_array(np.arange(3))
    np.testing.assert_array_equal(card.fetch(sent), np.arange(3))
    empty = card.put(np.empty((0, 4)), card.empty(1))
    assert empty.shape == (0, 4)
