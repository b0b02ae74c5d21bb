"""How many threads there are: what the machine gives, what a control group leaves of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from daskreg.design import host


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("max 100000", 8), ("150000 100000", 2), ("50000 100000", 1), ("9900000 100000", 8)],
)
def test_a_control_group_leaves_whole_processors(monkeypatch, limit, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(Path, "read_text", lambda self: limit)
    assert host.processors.__wrapped__() == expected


def test_without_a_control_group_all_count(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(3)), raising=False)

    def missing(self):
        raise FileNotFoundError(self)

    monkeypatch.setattr(Path, "read_text", missing)
    assert host.processors.__wrapped__() == 3


FIT = """
import sys, numpy as np, daskreg
X = np.random.default_rng(0).standard_normal((40_000, 40))
daskreg.Lasso(0.1).fit(X, X[:, 0])
print(any(name == "dask" for name in sys.modules))
"""


@pytest.mark.parametrize("chosen", [None, "synchronous"])
def test_arrays_in_memory_are_fitted_without_dask_unless_a_scheduler_is_chosen(chosen):
    environment = {key: value for key, value in os.environ.items() if key != "DASK_SCHEDULER"}
    if chosen is not None:
        environment["DASK_SCHEDULER"] = chosen
    done = subprocess.run(
        [sys.executable, "-c", FIT], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(chosen is not None)
