"""What a first fit compiles: nothing for small data, and few functions for large ones."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections import Counter

import pytest

SMALL = """
import sys
import numpy as np
from daskreg import ElasticNet, Lasso, LassoCV, LogisticRegression

random = np.random.default_rng(0)
X = random.standard_normal((442, 10))
y = X[:, 0] - X[:, 1] + random.standard_normal(442)
Lasso(alpha=0.05).fit(X, y)
ElasticNet(alpha=0.05, solver="fista").fit(X, y)
LogisticRegression(C=0.1, l1_ratio=1.0).fit(X, y > 0)
LogisticRegression(C=0.1, l1_ratio=1.0).fit(X, np.digitize(y, [-1.0, 1.0]))
LassoCV(alphas=10, cv=3).fit(X, y)
assert "llvmlite" not in sys.modules
"""

LARGE = """
import json
import sys
import numpy as np
import scipy.sparse as sp
from daskreg import Lasso, LogisticRegression
from daskreg.compiled import kept
from daskreg.datafit.kernels import fused
from daskreg.solvers import sweeps

fused.COMPILED_SIZE = fused.COMPILED_ENTRIES = fused.COMPILED_ONCE = 0
sweeps.PLAIN_VISITS = 0
random = np.random.default_rng(0)
X = random.standard_normal((500, 12))
y = X[:, 0] - X[:, 1] + random.standard_normal(500)
names = []
write = kept.write
kept.write = lambda name, *rest: (names.append(name), write(name, *rest))
Lasso(alpha=0.05).fit(X, y)
LogisticRegression(C=0.1, l1_ratio=1.0).fit(X, y > 0)
Lasso(alpha=0.05, solver="fista").fit(X, y)
LogisticRegression(C=0.1, l1_ratio=1.0).fit(sp.csr_array(X * (X > 0.5)), y > 0)
print(json.dumps([names, "llvmlite" in sys.modules]))
"""


def child(code, tmp_path, monkeypatch):
    monkeypatch.setenv("DASKREG_CACHE_DIR", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_small_fits_load_no_compiler(tmp_path, monkeypatch):
    child(SMALL, tmp_path, monkeypatch)


def test_each_kind_of_fit_compiles_one_function_a_pass(tmp_path, monkeypatch):
    names, with_compiler = json.loads(child(LARGE, tmp_path, monkeypatch).splitlines()[-1])
    # Moments with a Gram matrix and alone; a loss of numbers and one of labels.
    expected = {"moments.add_moments": 2, "sweeps.sweeps": 1, "dense.dense_rows": 2}
    expected["csr.sparse_rows"] = 1
    own = ("csr.add_moments", "csr.add_by_label", "csr.add_gram", "csr.add_hessian")
    found = Counter(names)
    assert not found - Counter(expected) - Counter(own)
    assert expected.keys() <= found.keys()
    assert with_compiler


def test_what_was_compiled_before_needs_no_compiler(tmp_path, monkeypatch):
    child(LARGE, tmp_path, monkeypatch)
    assert json.loads(child(LARGE, tmp_path, monkeypatch).splitlines()[-1]) == [[], False]


def test_what_other_systems_keep_is_loaded_by_the_compiler(tmp_path, monkeypatch):
    other = "from daskreg.compiled.loops import compiler\ncompiler.known_system = lambda: False\n"
    names, _ = json.loads(child(other + LARGE, tmp_path, monkeypatch).splitlines()[-1])
    assert "dense.dense_rows" in names
    assert json.loads(child(other + LARGE, tmp_path, monkeypatch).splitlines()[-1]) == [[], True]


ONE = """
import numpy as np
from daskreg.compiled import entries_before
before = np.full(4, -1)
given = np.array([0, 2, 1, 2]), np.array([0, 2, 2, 4]), np.array([-1, 0, 1], dtype=np.int32)
entries_before(*given, before)
print(before.tolist())
"""


@pytest.mark.parametrize(
    "named",
    [
        {"DASKREG_CPU_NAME": "generic"},
        {"DASKREG_CPU_NAME": "core2" if platform.machine() == "x86_64" else "generic"},
        {"DASKREG_CPU_NAME": "generic", "DASKREG_CPU_FEATURES": "-avx,-neon"},
    ],
)
def test_code_for_a_processor_that_is_named_is_kept_apart(named, tmp_path, monkeypatch):
    assert child(ONE, tmp_path, monkeypatch).strip() == "[0, 1, 1, 3]"
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    for _ in range(2):
        assert child(ONE, tmp_path, monkeypatch).strip() == "[0, 1, 1, 3]"
    assert len(list((tmp_path / "daskreg").iterdir())) == 2


def test_features_without_a_sign_are_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("DASKREG_CPU_FEATURES", "+avx2,fma")
    with pytest.raises(AssertionError, match=r"begin with . or -, .* got fma"):
        child(ONE, tmp_path, monkeypatch)


def test_code_is_for_one_processor_where_the_system_does_not_describe_it(tmp_path, monkeypatch):
    """As on macOS: LLVM says what it is."""
    hidden = "from pathlib import Path; from daskreg.compiled import processor\n"
    hidden += "processor._FACTS = Path('nowhere')\n"
    other = "import llvmlite.binding as llvm; llvm.get_host_cpu_name = lambda: 'generic'\n"
    for code in (hidden, hidden, hidden + other):
        assert child(code + ONE, tmp_path, monkeypatch).strip() == "[0, 1, 1, 3]"
    assert len(list((tmp_path / "daskreg").iterdir())) == 2
