"""Measured peak stays under the plan, and the plan under the limit, on data four times as large."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LIMITS_MIB = {"npy": 320, "zarr": 320, "columns.zarr": 512, "parquet": 448}
FACTOR = 4
SCRIPT = Path(__file__).with_name("measure.py")


def run(*arguments):
    root = str(SCRIPT.parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    # As many threads of BLAS as anybody has, who all need room.
    usual = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        env=usual | {"PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize(("kind", "limit"), LIMITS_MIB.items())
def test_peak_memory_stays_under_the_plan(tmp_path, kind, limit):
    if shutil.disk_usage(tmp_path).free < 3 * FACTOR * limit << 20:
        pytest.skip("not enough free disk for a matrix four times the limit")
    run(tmp_path, kind, limit, FACTOR, "write")
    for scheduler in ("threads", "cluster"):
        report = json.loads(run(tmp_path, kind, limit, FACTOR, scheduler))
        assert report["total"] > FACTOR * report["limit"]
        assert report["peak"] <= report["planned"] <= report["limit"]
        assert 0 < report["pinned"] < report["total"]
        # The first pass reads everything, the others what is not pinned.
        expected = report["total"] + (report["n_passes"] - 1) * report["streamed"]
        # Chunks of columns are decoded once before, and written to scratch.
        expected += report["total"] if kind == "columns.zarr" else 0
        assert report["bytes_read"] == pytest.approx(expected, rel=0.05)
