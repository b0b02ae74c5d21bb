"""The local disk: when it is taken, what it gives back, what is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp

from daskreg.design.passes.tier import Spooling, Tier
from daskreg.design.spool import disk
from daskreg.design.spool.blocks import BlockFile
from daskreg.design.spool.disk import Rates
from daskreg.design.spool.leftovers import sweep
from daskreg.design.spool.scratch import Scratch


@pytest.mark.parametrize(
    ("source", "rates", "passes", "abreast", "chosen"),
    [
        (1.0, Rates(0.5, 0.1), 10, 1, True),
        (1.0, Rates(5.0, 0.1), 1, 1, False),
        (1.0, Rates(5.0, 0.1), 100, 1, True),
        (1.0, Rates(0.5, 0.1), 10, 16, False),
        (1.0, Rates(0.0, 0.9), 10, 1, False),
    ],
)
def test_the_disk_is_taken_where_it_is_cheaper_over_all_passes(
    tmp_path, monkeypatch, source, rates, passes, abreast, chosen
):
    monkeypatch.setattr(disk, "rates", lambda folder: rates)
    monkeypatch.setattr(disk, "in_memory", lambda folder: False)
    tier = Tier(Spooling(False, passes, abreast, str(tmp_path)))
    tier.observe(1e6, 100)  # opened files and imported libraries
    for index in range(2):
        tier.observe(100 * source, 100)
        tier.offer(index, {"X": np.zeros((1, 1))})
    assert tier.report.chosen is chosen
    assert tier.report.source == source
    tier.close()


def test_files_in_memory_are_no_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "in_memory", lambda folder: True)
    tier = Tier(Spooling(always=False, folder=str(tmp_path)))
    assert tier.report.chosen is False
    assert "lies in memory" in str(tier.report)


def test_the_trial_of_a_disk_is_made_once(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "_known", {})
    first = disk.rates(str(tmp_path))
    assert first.write > 0
    assert first.read > 0
    assert disk.rates(str(tmp_path)) is first
    assert not list(tmp_path.iterdir())


def test_block_files_give_back_what_they_were_given(tmp_path):
    random = np.random.default_rng(0)
    matrix = sp.random_array((50, 7), density=0.3, format="csr", rng=random)
    blocks = {
        3: {"X": random.standard_normal((4, 5)).astype("f4"), "y": np.array([["a"], ["bcd"]])},
        1: {"X": matrix, "groups": np.array(["x", "yz"])},
        2: {"X": np.empty((0, 5), "i1"), "y": np.arange(6)[::2]},
        5: {"X": np.arange(6.0).reshape(3, 2).astype("bfloat16")},
    }
    file = BlockFile(str(tmp_path))
    sizes = [file.write(index, parts) for index, parts in blocks.items()]
    assert sum(sizes) == file.nbytes
    assert not list(tmp_path.iterdir())
    for index, parts in blocks.items():
        for name, values in parts.items():
            found = file.read(index, name)
            assert found.dtype == values.dtype
            dense = [m.toarray() if hasattr(m, "toarray") else m for m in (found, values)]
            np.testing.assert_array_equal(*dense)
        assert file.read(index, "offset") is None
    out = np.empty((4, 5), "f4")
    assert file.read(3, "X", out) is out
    file.close()


LEAVE = """
import sys
from daskreg.design.spool.scratch import Scratch
scratch = Scratch(sys.argv[1])
open(scratch.new("rows"), "wb").write(bytes(1000))
print(scratch.folder(), flush=True)
sys.stdin.read()
"""


def test_what_a_killed_process_left_is_removed_at_the_next_start(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", LEAVE, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    left = process.stdout.readline().strip()
    with Scratch(tmp_path) as scratch:
        scratch.folder()
        assert os.path.exists(left), "its owner is alive"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()
    assert os.path.exists(left)
    (tmp_path / "daskreg-of-another-kind").mkdir()
    with Scratch(tmp_path) as scratch:
        own = scratch.folder()
        assert not os.path.exists(left)
        assert sweep(tmp_path) == []
        assert own.exists()
    assert [folder.name for folder in tmp_path.iterdir()] == ["daskreg-of-another-kind"]
