"""What a card asks of CuPy, in which order: on a record of it, since there may be no GPU."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from daskreg import _device
from daskreg.design.device import at_hand as room
from daskreg.design.device import cupy_card
from daskreg.design.device.at_hand import card_of_process
from daskreg.design.device.card import locked_copy
from daskreg.design.device.facts import card_facts
from daskreg.design.device.lane import Lane
from daskreg.design.device.need import DeviceShare
from daskreg.design.device.ring import ring_of
from daskreg.exceptions import MissingDependencyError
from tests.device import fake_cupy
from tests.device.fake_cupy import OutOfMemoryError


@pytest.fixture
def card(monkeypatch):
    cupy, log = fake_cupy.make(free=10_000)
    monkeypatch.setenv("DASKREG_DEVICE", "auto")
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(_device, "_usable", lambda: True)
    monkeypatch.setattr(cupy_card, "cupy_or_none", lambda: cupy)
    monkeypatch.setattr("daskreg.design.device.at_hand._found", None)
    monkeypatch.setattr("daskreg.design.device.at_hand._refused", "")
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
    # A handle of a library or a kernel that is loaded late finds no memory.
    assert card.is_out_of_memory(library("CUBLAS_STATUS_NOT_INITIALIZED"))
    assert card.is_out_of_memory(library("CUDA_ERROR_OUT_OF_MEMORY: out of memory"))
    assert card.is_out_of_memory(MemoryError("std::bad_alloc: out_of_memory: CUDA error at: rmm"))
    card.log.clear()
    card.trim()
    assert card.log == [
        ("synchronize", "copy"),
        ("synchronize", "compute"),
        ("pool", "emptied"),
        ("locked memory", "emptied"),
    ]


def test_locked_memory_that_stays_takes_its_own_bytes_and_none_of_the_pool(card):
    X = np.arange(15.0).reshape(3, 5)
    card.log.clear()
    kept = locked_copy(card, X)
    assert card.log == [("locked", X.nbytes)]
    np.testing.assert_array_equal(kept, X)
    card.log.clear()
    passing = card.page_locked((3, 5), X.dtype)
    assert card.log == [("locked, from the pool", X.nbytes)]
    assert (passing.shape, passing.dtype, passing.flags.c_contiguous) == ((3, 5), X.dtype, True)
    assert card.page_locked((0, 5), X.dtype).shape == (0, 5)


def test_a_card_that_does_not_open_is_told_of_once_and_left_alone(card, monkeypatch):
    def busy(*_, **settings):
        raise RuntimeError("cudaErrorDevicesUnavailable: busy")

    monkeypatch.setattr(room, "_found", None)
    monkeypatch.setattr(card.xp.cuda, "Stream", busy)
    with pytest.warns(UserWarning, match=r"passes run on processors.*Unavailable"):
        assert card_of_process() is None
    assert card_of_process() is None
    assert card_facts() is None
    monkeypatch.setenv("DASKREG_DEVICE", "gpu")
    with pytest.raises(MissingDependencyError, match=r"cannot be used: .*Unavailable"):
        card_of_process()


def test_a_card_that_answers_nothing_any_more_is_left_alone(card, monkeypatch):
    """An address that is not there, say, stays the answer to everything that is asked later."""

    def fails(*_):
        raise RuntimeError("cudaErrorIllegalAddress: an illegal memory access was encountered")

    def run_pass():
        with Lane(card, "shard", None, {}, DeviceShare(), lambda index: None):
            monkeypatch.setattr(type(card.copy), "synchronize", fails)
            raise RuntimeError("what the kernel said")

    with pytest.warns(UserWarning, match=r"leaves the GPU alone from now on: .*IllegalAddress"):  # noqa: SIM117
        with pytest.raises(RuntimeError, match="what the kernel said"):
            run_pass()
    assert card_of_process() is None  # without another warning
    assert room.card_at_hand() is None
    assert card_facts() is None
    monkeypatch.setenv("DASKREG_DEVICE", "gpu")
    with pytest.raises(MissingDependencyError, match=r"cannot be used: it has failed with Runtime"):
        card_of_process()


def test_an_error_that_says_nothing_of_the_card_leaves_it_in_use(card):
    lane = Lane(card, "shard", None, {}, DeviceShare(), lambda index: None)
    with pytest.raises(ZeroDivisionError), lane:
        raise ZeroDivisionError
    assert card_of_process() is card


def test_a_slot_without_an_event_loses_its_buffer(card, monkeypatch):
    """Else it would be filled after what was asked before the one before it."""
    ring, events = ring_of(card), []

    class Refused(card.xp.cuda.Event):
        def record(self, stream):
            events.append(stream)
            if len(events) == 2:
                raise OutOfMemoryError("cudaErrorMemoryAllocation: out of memory")
            super().record(stream)

    for _ in range(3):
        with ring.slot(100):
            pass
    before = ring.nbytes
    monkeypatch.setattr(card.xp.cuda, "Event", Refused)
    for _ in range(2):
        with ring.slot(100):
            pass
    assert ring.nbytes == before * 2 // 3
    with ring.slot(100), ring.slot(100), ring.slot(100):
        assert ring.nbytes == before


def test_a_card_that_nobody_has_asked_for_is_used_with_a_warning(card, monkeypatch):
    monkeypatch.setattr(room, "_found", None)
    monkeypatch.delenv("DASKREG_DEVICE")
    with pytest.warns(UserWarning, match="tested on stand-ins only: set DASKREG_DEVICE=cpu"):
        assert card_of_process() is not None
    monkeypatch.setattr(room, "_found", None)
    monkeypatch.setenv("DASKREG_DEVICE", "auto")
    assert card_of_process() is not None  # a warning is an error in tests


def test_a_cupy_that_is_too_old_is_told_of(card, monkeypatch):
    monkeypatch.setattr(room, "_found", None)
    monkeypatch.delattr(card.xp, "matrix_transpose")
    monkeypatch.setattr(card.xp, "__version__", "14.0.1")
    with pytest.warns(UserWarning, match=r"CuPy 14.1 or newer is needed, found 14.0.1"):
        assert card_of_process() is None


def test_a_process_that_was_forked_after_the_driver_was_asked_uses_no_card(card, monkeypatch):
    assert room.card_at_hand() is card
    monkeypatch.setattr(_device, "_asker", os.getpid() + 1)
    assert card_of_process() is None
    assert room.card_at_hand() is None
    monkeypatch.setenv("DASKREG_DEVICE", "gpu")
    with pytest.raises(MissingDependencyError, match="forked"):
        card_of_process()


def test_no_card_is_opened_for_little_data(card, monkeypatch):
    assert card_facts(little=True) is not None  # it is open already
    monkeypatch.setattr(room, "_found", None)
    assert card_facts(little=True) is None
    assert room._found is None
    monkeypatch.setenv("DASKREG_DEVICE", "gpu")
    assert card_facts(little=True).name == "Fake 100"


def test_what_is_sent_is_an_array_of_the_card(card):
    sent = card.send(np.arange(3))
    assert card.is_array(sent)
    assert not card.is_array(np.arange(3))
    np.testing.assert_array_equal(card.fetch(sent), np.arange(3))
    empty = card.put(np.empty((0, 4)), card.empty(1))
    assert empty.shape == (0, 4)
