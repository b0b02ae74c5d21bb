"""After ``daskreg warm-up`` a new process compiles nothing."""

from __future__ import annotations

import subprocess
import sys

from daskreg.compiled import kept

FIT = """
import sys
import numpy as np
from daskreg import Lasso, LogisticRegression
from daskreg.compiled import in_use
from daskreg.datafit.kernels.fused import compiled_whatever_the_size
from daskreg.solvers.sweeps import compiled_at_once

random = np.random.default_rng(1)
X = random.standard_normal((66_000, 260))
y = X[:, 0] + random.standard_normal(len(X))
with compiled_whatever_the_size(), compiled_at_once():
    Lasso(alpha=0.05).fit(X, y)
    Lasso(alpha=0.05, solver="fista").fit(X, y)
    LogisticRegression(C=20 / len(X), l1_ratio=1.0).fit(X, y > 0)
assert in_use()
assert "llvmlite" not in sys.modules
"""


def test_fits_of_a_new_process_compile_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("DASKREG_CACHE_DIR", str(tmp_path))
    given = [sys.executable, "-m", "daskreg", "warm-up", "--dtype", "float64"]
    told = subprocess.run(given, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    done = subprocess.run([sys.executable, "-c", FIT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "daskreg"
    assert str(folder) in told.stdout.replace("\n", "")
    assert any(folder.glob("dense.dense_rows-*.code"))


def test_nowhere_to_keep_loops_is_an_error_before_any_fit(run, monkeypatch):
    monkeypatch.setattr(kept, "_places", list)
    told = run("warm-up")
    assert told.exit_code == 1
    assert "DASKREG_CACHE_DIR" in told.output
    assert "compiled  " not in told.output
