"""What a first fit compiles: nothing for small data, and few functions for large ones."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
from numba.core import caching

from daskreg import _compiler

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
assert "numba" not in sys.modules
"""

LARGE = """
import json
import numpy as np
import scipy.sparse as sp
from numba.core import event
from daskreg import Lasso, LogisticRegression
from daskreg.datafit.kernels import fused
from daskreg.solvers import sweeps

fused.COMPILED_SIZE = sweeps.PLAIN_VISITS = 0
random = np.random.default_rng(0)
X = random.standard_normal((500, 12))
y = X[:, 0] - X[:, 1] + random.standard_normal(500)
names = []


class Compiled(event.Listener):
    def on_start(self, begun):
        names.append(begun.data["dispatcher"].py_func.__name__)

    def on_end(self, ended):
        pass


with event.install_listener("numba:compile", Compiled()):
    Lasso(alpha=0.05).fit(X, y)
    LogisticRegression(C=0.1, l1_ratio=1.0).fit(X, y > 0)
    Lasso(alpha=0.05, solver="fista").fit(X, y)
    LogisticRegression(C=0.1, l1_ratio=1.0).fit(sp.csr_array(X), y > 0)
print(json.dumps(names))
"""


def child(code, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_small_fits_load_no_compiler(tmp_path, monkeypatch):
    child(SMALL, tmp_path, monkeypatch)


def test_each_kind_of_fit_compiles_one_function_a_pass(tmp_path, monkeypatch):
    names = json.loads(child(LARGE, tmp_path, monkeypatch).splitlines()[-1])
    expected = {"add_moments": 2, "_number": 1, "sweeps": 1, "lone_rows": 2, "sparse_rows": 1}
    allowed = expected | {"add_by_label": 1, "add_hessian": 1}
    counts = {name: names.count(name) for name in names}
    assert expected.keys() <= counts.keys()
    assert counts.keys() <= allowed.keys()
    assert all(count <= allowed[name] for name, count in counts.items()), counts


def test_without_a_folder_to_keep_code_in_there_is_one_warning(monkeypatch):
    monkeypatch.setattr(caching.CompileResultCacheImpl, "_locator_classes", [])
    monkeypatch.setattr(_compiler, "_warned", False)
    with pytest.warns(RuntimeWarning, match="NUMBA_CACHE_DIR .* warm-up"):
        double = _compiler.compiled()(lambda x: 2 * x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        triple = _compiler.compiled()(lambda x: 3 * x)
    np.testing.assert_array_equal(double(np.ones(2)), 2 * np.ones(2))
    assert triple(2.0) == 6.0
