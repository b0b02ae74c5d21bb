"""``import daskreg`` costs milliseconds, starts nothing and loads nothing that it does not need."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import daskreg

HEAVY = [
    "click", "cupy", "dask", "distributed", "llvmlite", "matplotlib", "narwhals", "numpy", "pandas",
    "polars", "pyarrow", "rich", "scipy", "sklearn", "threadpoolctl", "xarray", "zarr",
]  # fmt: skip


def python(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def test_it_loads_nothing_heavy_and_starts_no_thread():
    loaded, threads, children = json.loads(
        python(
            "import daskreg, json, os, sys, threading\n"
            "tasks = len(os.listdir('/proc/self/task')) if os.path.isdir('/proc/self') else 1\n"
            "print(json.dumps([list(sys.modules), threading.active_count(), tasks]))"
        )
    )
    assert {name.split(".")[0] for name in loaded}.isdisjoint(HEAVY)
    assert threads == children == 1


def test_it_loads_one_module_of_its_own():
    code = (
        "import sys; before = set(sys.modules); import daskreg, json; "
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    loaded = json.loads(python(code))
    assert [name for name in loaded if name.split(".")[0] == "daskreg"] == ["daskreg"]
    assert len(loaded) < 60  # of the standard library: milliseconds


def test_the_command_line_is_light_too():
    loaded = json.loads(
        python("import daskreg.cli, json, sys; print(json.dumps(list(sys.modules)))")
    )
    heavy = {"dask", "distributed", "llvmlite", "pandas", "scipy", "sklearn", "xarray", "zarr"}
    assert {name.split(".")[0] for name in loaded}.isdisjoint(heavy)


@pytest.mark.parametrize("name", daskreg.__all__)
def test_public_names_load(name):
    assert getattr(daskreg, name).__name__ == name
    assert name in dir(daskreg)


def test_modules_are_reached_by_attribute():
    assert daskreg.datasets.__name__ == "daskreg.datasets"
    assert daskreg.cluster.__name__ == "daskreg.cluster"
    assert "datasets" in dir(daskreg)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Laso"):
        daskreg.Laso  # noqa: B018


def test_a_kernel_is_unpickled_without_the_libraries_of_the_client():
    code = (
        "import sys, daskreg.design, daskreg.datafit.kernels, json; "
        "print(json.dumps(list(sys.modules)))"
    )
    loaded = {name.split(".")[0] for name in json.loads(python(code))}
    assert loaded.isdisjoint({"sklearn", "xarray", "rich", "llvmlite", "pandas"})


def test_estimators_bring_neither_pandas_nor_statistics():
    code = (
        "import daskreg, json, numpy, sys\n"
        "X = numpy.arange(40.0).reshape(20, 2) % 7\n"
        "daskreg.Lasso(0.1).fit(X, X[:, 0]); daskreg.LogisticRegression().fit(X, X[:, 0] > 2)\n"
        "daskreg.LassoCV(alphas=3, cv=2).fit(X, X[:, 0])\n"
        "daskreg.LogisticRegressionCV(Cs=2, cv=2).fit(X, X[:, 0] > 2)\n"
        "print(json.dumps(list(sys.modules)))"
    )
    loaded = set(json.loads(python(code)))
    assert loaded.isdisjoint({"pandas", "scipy.stats", "sklearn.metrics", "dask", "distributed"})
    assert loaded.isdisjoint(
        {"scipy.special", "asyncio", "numpy.f2py", "numpy.testing", "llvmlite"}
    )


def test_parts_of_packages_that_are_deferred_load_when_somebody_asks():
    code = (
        "import daskreg.linear_model._scikit_learn, sys, numpy\n"
        "assert 'f2py' not in vars(numpy) and 'numpy.f2py' not in sys.modules\n"
        "from scipy._lib.array_api_compat import numpy as names\n"
        "assert names.testing.assert_allclose is numpy.testing.assert_allclose\n"
        "assert type(numpy.f2py).__name__ == 'module' and numpy.f2py.__version__\n"
        "import scipy.special\n"
        "from sklearn.utils import _array_api\n"
        "print(_array_api.special.expit(0.0) == scipy.special.expit(0.0) == 0.5)"
    )
    assert python(code) == "True\n"


def test_what_scikit_learn_was_not_given_at_once_it_gets_when_it_asks():
    code = (
        "import daskreg.linear_model._scikit_learn, sys\n"
        "from sklearn.utils import fixes\n"
        "deferred = type(fixes.pd).__name__, 'pandas' in sys.modules\n"
        "assert fixes.pd.__version__ and fixes._mode([1, 1, 2]).mode == 1\n"
        "import pandas, scipy.stats, sklearn.metrics\n"
        "assert fixes.pd.DataFrame is pandas.DataFrame and type(pandas).__name__ == 'module'\n"
        "print(*deferred)"
    )
    assert python(code).split() == ["Deferred", "False"]


def test_modules_that_are_deferred_load_when_asked_and_are_left_alone_otherwise():
    code = (
        "import json, sys, types\n"
        "import unittest\n"
        "from daskreg.linear_model._deferred import deferred\n"
        "with deferred('wave', 'xml.dom', 'json', 'nowhere_at_all', 'tokenize'):\n"
        "    import wave, xml, json as again\n"
        "    from xml.dom import minidom\n"
        "    assert 'nowhere_at_all' not in sys.modules and again is json\n"
        "    assert type(wave) is not types.ModuleType and type(json) is types.ModuleType\n"
        "    assert type(sys.modules['xml.dom']) is types.ModuleType and minidom.parseString\n"
        "assert 'wave' not in sys.modules\n"
        "read = wave.Wave_read\n"
        "import wave as loaded\n"
        "assert loaded.Wave_read is read and type(loaded) is types.ModuleType\n"
        "print('seen')"
    )
    assert python(code) == "seen\n"
