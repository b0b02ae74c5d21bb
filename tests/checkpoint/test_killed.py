"""A process that is killed at any moment, again and again, ends with the model of a calm one."""

from __future__ import annotations

import os
import pickle
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from .cases import CASES, data, results

#: Kills of each fit; DASKREG_KILLS=30 for a long look.
KILLS = int(os.environ.get("DASKREG_KILLS", "2"))
ROOT = Path(__file__).parents[2]


def started(name: str, folder: Path, *number: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.checkpoint.driver", name, str(folder), *number]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def assert_found(name: str, folder: Path) -> None:
    X, targets = data(folder, CASES[name].kind)
    plain = CASES[name].make().fit(X, targets[CASES[name].target], **CASES[name].rows)
    expected = results(plain)
    found = pickle.loads((folder / "found").read_bytes())
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value, err_msg=key)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gram", "quasi_newton", "LassoCV", "path", "fista"])
def test_killed_at_random_moments(tmp_path: Path, name: str) -> None:
    chance, killed, longest = random.Random(name), 0, 0.3
    for _ in range(20 * KILLS):
        with started(name, tmp_path) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            began = time.monotonic()
            if killed < KILLS:
                try:
                    process.wait(chance.uniform(0, longest))
                except subprocess.TimeoutExpired:
                    process.kill()
                    killed += 1
            ended = process.stdout.readline() == "done\n"
            longest = time.monotonic() - began if ended else longest
        if process.returncode == 0 and killed < KILLS:
            for left in tmp_path.glob("fit*"):
                left.unlink()
        elif process.returncode == 0:
            break
    assert process.returncode == 0
    assert killed == KILLS
    assert_found(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["quasi_newton"])
def test_killed_inside_every_step_of_writing(tmp_path: Path, name: str) -> None:
    # The calls of a generation: force it to the disk, move the former one aside, the folder,
    # put it in place, the folder again.
    numbers = [2, 3, 5, 6, 9]
    for number in numbers[: max(3, KILLS)]:
        with started(name, tmp_path, str(number)) as process:
            process.communicate()
        assert process.returncode == -9
    with started(name, tmp_path) as process:
        process.communicate()
    assert process.returncode == 0
    assert_found(name, tmp_path)
