"""The benchmark of a card runs from its first line to its last, before a card is there."""

import json
import subprocess
import sys
import types

import numpy as np
import psutil
import pytest

from benchmarks import gpu, gpu_cases, gpu_checks, gpu_fits, gpu_passes
from tests.faults.common import wait_until

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
    for where, name, value in [
        (gpu_cases, "N_FEATURES", 12),
        (gpu_cases, "BLOCK_BYTES", 1 << 15),
        (gpu_checks, "CHECK_ROWS", 300),
        (gpu_passes, "COLUMNS", (1, 3)),
        (gpu_passes, "COPY_BYTES", 1 << 10),
        (gpu_passes, "GEMM_ROWS", 16),
    ]:
        monkeypatch.setattr(where, name, value)
    monkeypatch.setattr(gpu_fits, "INNER_ALPHAS", 4)
    monkeypatch.setattr(gpu_fits, "INNER_FOLDS", 2)
    return pool


def rows_in(folder):
    (path,) = folder.iterdir()
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {row["pass"]: row for row in rows}


SIZES = ["--size", f"{2**17 / 2**30}", "--fit-size", str(ROWS * 4 * 12 / 2**30)]


def test_from_the_first_line_to_the_last(without_a_card, monkeypatch, tmp_path, capsys):
    def here(command, timeout):
        assert command[1:3] == ["-m", "benchmarks.gpu"]
        assert timeout == pytest.approx(3 * 60)
        return "" if gpu.main(command[3:]) == 0 else "failed"

    monkeypatch.setattr(gpu, "in_a_process", here)
    assert gpu.main([*SIZES, "--out", str(tmp_path)]) == 0
    rows = rows_in(tmp_path)
    assert {f"ceiling: {name}" for name in ("copy", "link", "gemm float32")} <= set(rows)
    assert rows["squared, float32, K=3"]["bytes"] == 4 * 4 * 12 * (2**15 // 48)
    assert {"Gram, float32", "LassoCV: the card", "Lasso: streamed"} <= set(rows)
    assert rows["streamed, int8, K=3"]["bytes"] == 4 * 12 * (2**15 // 12)
    assert {"12 problems in memory: processors", "12 problems in memory: the card"} <= set(rows)
    assert {"squared, float32, K=3, TF32", "LassoCV: scikit-learn"} <= set(rows)
    streamed = [row for name, row in rows.items() if name.endswith("streamed")]
    assert all(row["kept"] < 0.5 and row["bytes"] > 0 for row in streamed)
    assert without_a_card.limit == 0
    assert len(without_a_card.limits) == 2 * len(streamed)
    said = capsys.readouterr().out
    assert "WRONG" not in said
    assert said.count(" done") == len(gpu.PARTS)


def test_a_part_that_fails_leaves_the_others_alone(without_a_card, monkeypatch, tmp_path, capsys):
    ran = []

    def process(command, timeout):
        ran.append(command)
        does = {"int8": "import time; time.sleep(60)", "float16": "import os; os.abort()"}
        if command[4] not in does:
            return "" if gpu.main(command[3:]) == 0 else "failed"
        own = [sys.executable, "-c", does[command[4]]]
        return in_a_process(own, 0.1 if command[4] == "int8" else timeout)

    in_a_process = gpu.in_a_process
    monkeypatch.setattr(gpu, "in_a_process", process)
    arguments = [*SIZES, "--check-only", "--only", "float32", "float16", "int8", "csr"]
    assert gpu.main([*arguments, "--out", str(tmp_path)]) == 1
    assert [command[4] for command in ran] == ["float32", "float16", "int8", "csr"]
    table = capsys.readouterr().out.splitlines()[-5:-1]
    lines = dict(line.split(maxsplit=1) for line in table)
    assert lines["float16"].endswith("failed with status -6")
    assert lines["int8"].endswith("ended after 0 s")
    assert lines["csr"].endswith("done")
    assert len(rows_in(tmp_path)) == 12


def test_nothing_is_timed_that_is_wrong(without_a_card, monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_checks, "STORED", dict.fromkeys(gpu_checks.STORED, 1e-30))
    monkeypatch.setattr(gpu, "passes", None)
    path = tmp_path / "rows"
    assert gpu.main(["--part", "float32", str(path), *SIZES]) == 0
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert any(row["wrong"] for row in rows)


def test_no_part_begins_when_time_is_up(without_a_card, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(gpu, "in_a_process", None)
    arguments = ["--tests", "--minutes", "0", "--out", str(tmp_path)]
    assert gpu.main(arguments) == 1
    assert capsys.readouterr().out.count("no time was left") == len(gpu.PARTS) + 1


def test_tests_run_in_several_processes(tmp_path):
    options = gpu.parser().parse_args(["--tests", "--check-only"])
    assert gpu.names_of(options) == ["tests", *gpu.CHECKED]
    command = gpu.command_of("tests", options, tmp_path)
    assert command[1:3] == ["-m", "pytest"]
    assert command[-3:] == ["-m", "gpu", "tests/device"]
    every = subprocess.run(
        ["grep", "-rl", "pytest.mark.gpu", "tests"], capture_output=True, text=True, check=True
    )
    assert all(name.startswith("tests/device/") for name in every.stdout.split())


def test_a_part_takes_what_it_has_started_with_it(tmp_path):
    path = tmp_path / "pid"
    program = (
        "import pathlib, subprocess, sys\n"
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"pathlib.Path({str(path)!r}).write_text(str(other.pid))\n"
    )
    assert gpu.in_a_process([sys.executable, "-c", program], 60) == ""
    pid = int(path.read_text())
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")


def test_nothing_to_do_is_an_error(capsys):
    with pytest.raises(SystemExit):
        gpu.main(["--only", "fits", "--check-only"])
    assert "nothing to do" in capsys.readouterr().err


def test_wrong_coefficients_are_told(without_a_card, monkeypatch, capsys):
    def fitted(model, X, y, device):
        model.coef_ = np.ones(3) + (device == "gpu")
        model.fit_report_ = types.SimpleNamespace(n_passes=1)
        return 1.0

    monkeypatch.setattr(gpu_fits, "fit_seconds", fitted)
    gpu_fits.fits(gpu_cases.Bench(gpu.cupy_or_none(), fit_size=ROWS * 4 * 12))
    assert capsys.readouterr().out.count("WRONG") == 3
