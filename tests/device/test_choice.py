"""Which device a process takes, and what it says where there is none."""

from __future__ import annotations

import subprocess
import sys

import pytest

from daskreg import _device
from daskreg.design.device.at_hand import card_of_process, install
from daskreg.exceptions import MissingDependencyError

from .stand_in import StandInCard


@pytest.fixture(autouse=True)
def nothing_is_remembered(monkeypatch):
    monkeypatch.delenv("DASKREG_DEVICE", raising=False)
    remembered = _device._usable, _device.cupy_or_none
    for found in remembered:
        found.cache_clear()
    yield
    install(None)
    for found in remembered:
        found.cache_clear()


def test_the_extras_are_named_where_a_gpu_is_demanded(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setenv("DASKREG_DEVICE", "gpu")
    assert not _device.gpu_available()
    with pytest.raises(MissingDependencyError, match=r"daskreg\[cuda12\].*daskreg\[cuda13\]"):
        card_of_process()


def test_a_driver_is_named_where_only_that_is_missing(monkeypatch):
    monkeypatch.setattr(_device, "cupy_or_none", lambda: object())
    monkeypatch.setattr(_device, "_usable", lambda: False)
    monkeypatch.setenv("DASKREG_DEVICE", "gpu")
    with pytest.raises(MissingDependencyError, match=r"no NVIDIA driver.*CUDA_VISIBLE_DEVICES"):
        card_of_process()


def test_an_unknown_choice_is_refused(monkeypatch):
    monkeypatch.setenv("DASKREG_DEVICE", "tpu")
    with pytest.raises(ValueError, match=r"DASKREG_DEVICE must be one of auto, cpu, gpu.*'tpu'"):
        card_of_process()


def test_a_card_is_left_alone_where_the_process_is_told_so(monkeypatch):
    card = StandInCard()
    install(card)
    assert card_of_process() is card
    monkeypatch.setenv("DASKREG_DEVICE", "cpu")
    assert card_of_process() is None
    assert not _device.gpu_available()
    with pytest.raises(MissingDependencyError, match="DASKREG_DEVICE=cpu forbids"):
        _device.require_gpu()


def test_a_fit_without_a_driver_imports_no_library_for_cards():
    program = (
        "import sys, numpy as np, daskreg\n"
        "X = np.random.default_rng(0).normal(size=(50, 3))\n"
        "daskreg.Lasso(alpha=0.1).fit(X, X[:, 0])\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'cupy', 'cupyx', 'dask_cuda', 'rmm'}))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    assert told.stdout.strip() == "[]" or _device.gpu_available()
