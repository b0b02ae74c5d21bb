"""What a first fit compiles: nothing for small data, and few functions for large ones."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections import Counter

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

fused.COMPILED_SIZE = fused.COMPILED_ENTRIES = fused.COMPILED_ONCE = 0
sweeps.PLAIN_VISITS = 0
random = np.random.default_rng(0)
X = random.standard_normal((500, 12))
y = X[:, 0] - X[:, 1] + random.standard_normal(500)
names = []


class Compiled(event.Listener):
    def on_start(self, begun):
        function = begun.data["dispatcher"].py_func
        names.append(function.__module__.rsplit(".", 1)[1] + "." + function.__name__)

    def on_end(self, ended):
        pass


with event.install_listener("numba:compile", Compiled()):
    Lasso(alpha=0.05).fit(X, y)
    LogisticRegression(C=0.1, l1_ratio=1.0).fit(X, y > 0)
    Lasso(alpha=0.05, solver="fista").fit(X, y)
    LogisticRegression(C=0.1, l1_ratio=1.0).fit(sp.csr_array(X * (X > 0.5)), y > 0)
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
    found = Counter(json.loads(child(LARGE, tmp_path, monkeypatch).splitlines()[-1]))
    # Moments with a Gram matrix and alone; a loss of numbers and one of labels.
    expected = Counter(
        {
            "moments.add_moments": 2,
            "moments._number": 1,
            "pairs.add_pairs": 1,
            "compiled_sweeps.sweeps": 1,
            "dense.lone_rows": 2,
            "csr.sparse_rows": 1,
        }
    )
    own = ("csr.add_moments", "csr.add_by_label", "csr.add_gram", "csr.add_hessian")
    assert not found - expected - Counter(own)
    assert expected.keys() <= found.keys()


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
