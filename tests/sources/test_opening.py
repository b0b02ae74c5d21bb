from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp

from daskreg.design.recognise import open_rows
from daskreg.exceptions import DataError

REFUSED = [
    (np.arange(3.0), "X", r"1 dimension.*X\.reshape\(-1, 1\)"),
    (np.float64(3), "X", "cannot be read; expected a numpy array"),
    (np.zeros((2, 2, 2)), "X", r"3 dimensions.*X\.reshape\(X\.shape\[0\], -1\)"),
    (np.zeros((2, 2, 2)), "y", "y has 3 dimensions"),
    (np.zeros((2, 2), complex), "X", "complex.*real and imaginary"),
    (np.zeros((2, 2), object), "X", r"type object.*astype\('float64'\)"),
    (np.zeros((2, 2), "M8[s]"), "X", "dates into numbers"),
    (np.zeros((2, 2), np.longdouble), "X", "use float64"),
    (np.array([["a", "b"]]), "X", "encode strings as numbers"),
    (np.array([1, "a"], dtype=object), "y", "type object"),
    (np.ma.ones((2, 2)), "X", "masked array.*filled"),
    ([[1, 2], [3]], "X", "unequal rows"),
    (sp.dia_array((3, 3)), "X", r"DIA format.*X\.tocsr\(\)"),
    (sp.csr_array((3, 1)), "y", r"sparse; pass it dense, y\.toarray\(\)"),
    (sp.csr_array((3, 3), dtype=complex), "X", "complex"),
    (object(), "X", "builtins.object.*expected a numpy array"),
    ("nowhere/data.npy", "X", "no such file or folder: .*nowhere/data.npy"),
    ("nowhere/data.zarr", "X", "no such file or folder"),
    ("nowhere/data.csv", "X", "no such file or folder"),
    ("nowhere/data.parquet", "X", "no such file or folder"),
    ("nowhere/data.nc", "X", "no such file or folder"),
    ("nowhere/data.xyz", "X", "no such file or folder"),
]


@pytest.mark.parametrize(("obj", "role", "message"), REFUSED)
def test_refusals_say_what_to_do(obj, role, message):
    with pytest.raises(DataError, match=message):
        open_rows(obj, role=role)


def test_unknown_suffix(tmp_path):
    (tmp_path / "data.npz").write_bytes(b"")
    with pytest.raises(DataError, match=r"no suffix that is known.*numpy\.load"):
        open_rows(tmp_path / "data.npz")


def test_missing_chunks_is_checked():
    with pytest.raises(DataError, match="'raise' or 'fill'"):
        open_rows(np.eye(3), missing_chunks="no")


def test_rows_pass_through():
    rows = open_rows(np.eye(3))
    assert open_rows(rows) is rows


def test_opening_an_array_imports_nothing_heavy():
    code = (
        "import sys, numpy; from daskreg.design.recognise import open_rows;"
        "open_rows(numpy.eye(3));"
        "heavy = {'dask', 'xarray', 'zarr', 'pandas', 'narwhals', 'sklearn', 'scipy'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
