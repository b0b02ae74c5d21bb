"""The benchmark of a card runs from its first line to its last, before a card is there."""

import json
import sys
import types

import numpy as np
import pytest

from benchmarks import gpu, gpu_fits

from .stand_in import StandInCard

ROWS = 2000


class Array(np.ndarray):
    """An array that says what CuPy's can do."""

    def set(self, host):
        np.copyto(self, host)

    def get(self):
        return np.array(self.view(np.ndarray))


class Event:
    """A clock that goes on by a second each time it is read."""

    time = 0.0

    def record(self):
        Event.time += 1.0
        self.at = Event.time

    def synchronize(self):
        pass


class Pool:
    """CuPy's pool; its limit is that of the stand-in's memory."""

    def __init__(self):
        self.card = None
        self.limit = 0
        self.limits = []

    def get_limit(self):
        return self.limit

    def set_limit(self, size):
        self.limits.append(size)
        self.limit = size
        self.card.limit = size or 1 << 32

    def used_bytes(self):
        return self.card.used

    def free_all_blocks(self):
        pass


def module(pool):
    """Return what looks like CuPy to the benchmark."""
    made = types.ModuleType("looks_like_cupy")
    made.__dict__.update({name: getattr(np, name) for name in np.__all__ if hasattr(np, name)})
    made.ones = lambda shape, dtype: np.ones(shape, dtype).view(Array)
    made.__version__ = "14.0.0"
    made.get_default_memory_pool = lambda: pool
    runtime = types.SimpleNamespace(
        getDeviceProperties=lambda _: {"name": b"Fake 100", "multiProcessorCount": 1},
        memGetInfo=lambda: (1, 2),
        driverGetVersion=lambda: 13000,
    )
    elapsed = staticmethod(lambda start, stop: 1e3 * (stop.at - start.at))
    made.cuda = types.SimpleNamespace(runtime=runtime, Event=Event, get_elapsed_time=elapsed)
    return made


@pytest.fixture
def without_a_card(card_with, monkeypatch):
    pool = Pool()
    xp = module(pool)
    pinned = types.ModuleType("cupyx")
    pinned.empty_pinned = np.empty
    monkeypatch.setitem(sys.modules, "cupyx", pinned)
    monkeypatch.setattr(gpu, "cupy_or_none", lambda: xp)
    monkeypatch.setattr(gpu, "gpu_available", lambda: True)
    monkeypatch.setattr("daskreg.design.plan.SMALL", 0)
    pool.card = card_with(1 << 30, StandInCard, mixes=True)
    for name, value in {
        "N_FEATURES": 12,
        "COLUMNS": (1, 3),
        "CHECK_ROWS": 300,
        "BLOCK_BYTES": 1 << 15,
        "COPY_BYTES": 1 << 10,
        "GEMM_ROWS": 16,
    }.items():
        monkeypatch.setattr(gpu, name, value)
    monkeypatch.setattr(gpu_fits, "INNER_ALPHAS", 4)
    monkeypatch.setattr(gpu_fits, "INNER_FOLDS", 2)
    return pool


def test_from_the_first_line_to_the_last(without_a_card, tmp_path, capsys):
    size = ROWS * 4 * 12 / 2**30
    arguments = ["--size", f"{2**17 / 2**30}", "--fit-size", str(size), "--out", str(tmp_path)]
    assert gpu.main(arguments) == 0
    (path,) = tmp_path.iterdir()
    told = json.loads(path.read_text())
    assert set(told["ceilings"]) == {"copy", "link", "gemm float32", "gemm float64"}
    rows = {row["pass"]: row for row in told["rows"]}
    assert rows["squared, float32, K=3"]["bytes"] == 4 * 4 * 12 * (2**15 // 48)
    assert {"Gram, float32", "LassoCV: daskreg, card", "Lasso: streamed"} <= set(rows)
    assert rows["streamed, int8, K=3"]["bytes"] == 4 * 12 * (2**15 // 12)
    assert {"12 problems in memory: processors", "12 problems in memory: the card"} <= set(rows)
    assert "squared, float32, K=3, TF32" in rows
    streamed = [row for name, row in rows.items() if name.endswith("streamed")]
    assert all(row["kept"] < 0.5 and row["bytes"] > 0 for row in streamed)
    assert without_a_card.limit == 0
    assert len(without_a_card.limits) == 2 * len(streamed)
    assert "WRONG" not in capsys.readouterr().out


@pytest.mark.parametrize("status", [0, 1])
def test_tests_come_first_where_they_are_asked_for(without_a_card, monkeypatch, status):
    commands = []

    def run(command, cwd, check):
        commands.append(command)
        return types.SimpleNamespace(returncode=status)

    monkeypatch.setattr(gpu.subprocess, "run", run)
    assert gpu.main(["--tests", "--check-only"]) == status
    (command,) = commands
    assert command[1:7] == ["-m", "pytest", "-n", "0", "-m", "gpu"]


def test_wrong_coefficients_are_told(without_a_card, monkeypatch, tmp_path, capsys):
    def fitted(model, X, y, device):
        model.coef_ = np.ones(3) + (device == "gpu")
        model.fit_report_ = types.SimpleNamespace(n_passes=1)
        return 1.0

    monkeypatch.setattr(gpu_fits, "fit_seconds", fitted)
    monkeypatch.setattr(gpu_fits, "streamed_fits", lambda *_: [])
    monkeypatch.setattr(gpu_fits, "inner_solvers", lambda *_: [])
    rows = gpu_fits.fits(gpu.cupy_or_none(), gpu.data("float32", ROWS), {})
    assert [row["pass"] for row in rows if row.get("wrong")] == [
        f"{name}: daskreg, card"
        for name in ("LassoCV", "LogisticRegressionCV", "LogisticRegression")
    ]
    assert capsys.readouterr().out.count("WRONG") == 3
