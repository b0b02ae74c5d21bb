"""The command as a process: exit statuses, Ctrl-C, and the demonstration from end to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import daskreg

HARD = ["--correlation", "0.99", "--alpha", "0.001"]
COMMAND = [sys.executable, "-m", "daskreg"]
#: The package under test, wherever the tests run from.
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(daskreg.__file__).parents[1])}


def command(*arguments, cwd):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_statuses_of_the_process(data, tmp_path):
    fit = "fit", "labels.parquet", "--target", "label", "--loss", "logistic"
    out = "--out", tmp_path / "model"
    assert command(*fit, *out, cwd=data).returncode == 0
    few = "--solver", "quasi_newton", "--max-iter", 1
    assert command(*fit, *out, *few, cwd=data).returncode == 3
    done = command("fit", "labels.parquet", "--target", "lable", "--loss", "logistic", cwd=data)
    assert done.returncode == 2
    assert "did you mean 'label'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demonstration(tmp_path):
    done = command(
        *("demo", "--size", "64MiB", "--memory", "400MiB", "--columns", 64, "--scratch", tmp_path),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "daskreg-demo.json").read_text())
    assert report["bytes"] == 64 << 20
    assert report["support_missed"] == report["support_false"] == []
    assert report["relative_gap"] <= 1e-6
    for process, peak in report["memory_measured"].items():
        if process.startswith("worker"):
            assert peak <= report["memory_planned"] <= report["memory_limit"]
    assert "10 of 10 true columns found" in done.stdout
    model = daskreg.load(tmp_path / "daskreg-demo.zarr.zip")
    assert np.flatnonzero(model.coef_).tolist() == report["support_true"]
    assert not list(tmp_path.glob("daskreg-demo-*"))  # the scratch folder
    assert not [line for line in done.stderr.splitlines() if "Traceback" in line]


def test_keep_keeps_the_data(tmp_path):
    done = command(
        *("demo", "--size", "1MiB", "--memory", "400MiB", "--columns", 16, "--workers", 1),
        *("--scratch", tmp_path, "--keep", "--solver", "fista", "--out", "model"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.glob("daskreg-demo-*")
    assert np.load(folder / "X.npy", mmap_mode="r").shape == (16384, 16)


@pytest.mark.parametrize("whole_group", [True, False], ids=["terminal", "kill"])
@pytest.mark.parametrize(
    ("moment", "options"),
    [
        ("writing", ["--size", "2GiB"]),
        (
            "pass 2",
            ["--size", "128MiB", "--solver", "fista", *HARD],
        ),
    ],
    ids=["writing", "fitting"],
)
def test_ctrl_c_stops_everything(tmp_path, moment, options, whole_group):
    process = subprocess.Popen(
        [*COMMAND, "demo", *options, "--memory", "500MiB", "--scratch", str(tmp_path)],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        for line in process.stderr:
            if line.startswith(moment):
                break
        time.sleep(0.2)
        if whole_group:
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130, errors
    assert "Stopped." in errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []
