"""Large arrays that are nearly all zero: the numbers of numpy, memory by the page."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from daskreg import _pages

SHAPE = (200_000, 1, 8)
ROWS = np.array([3, 70_000, 199_999])

#: A wide lasso and a path, far above what loads compiled loops elsewhere.
WIDE = """
import sys
import numpy as np
from daskreg import Lasso, lasso_path
X = np.random.default_rng(0).normal(size=(1000, 20000))
y = X[:, :5].sum(axis=1)
model = Lasso(0.1).fit(X, y)
alphas, coefs, gaps = lasso_path(X, y, alphas=np.geomspace(1.0, 0.1, 8))
assert model.status_ == "converged" and (coefs != 0).any()
loaded = sorted({"llvmlite"} & set(sys.modules))
assert not loaded, loaded
"""


def sample() -> np.ndarray:
    array = _pages.zeros(SHAPE)
    array[ROWS] = np.random.default_rng(0).normal(size=(3, 1, 8))
    return array


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def test_zeros_are_zeros_that_can_be_written():
    for shape in ((3, 2), SHAPE):
        array = _pages.zeros(shape)
        assert array.shape == shape
        assert array.dtype == np.float64
        assert array.flags.c_contiguous
        assert not array.any()
        array[-1] = 1.0
        assert array.sum() == array[-1].size


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the books of Linux")
def test_rows_of_zero_take_no_memory():
    before = resident_bytes()
    array = sample()
    part, twice = _pages.taken(array, [1, 5]), _pages.scaled(array, np.full((len(array), 1, 1), 2))
    _pages.put(array, [0], 3.0 * part[..., :1])
    assert resident_bytes() - before < array.nbytes // 4
    assert twice.shape == array.shape


@pytest.mark.parametrize("columns", [[2], [0, 5, 7], np.arange(8), slice(1, 3)])
def test_some_columns_are_those_of_numpy(columns):
    for array in (sample(), sample() + 1.0, sample()[:4]):
        np.testing.assert_array_equal(_pages.taken(array, columns), array[..., columns])
        factor = np.arange(float(len(array)))[:, None, None]
        np.testing.assert_array_equal(_pages.scaled(array, factor), array * factor)
        values = array[..., columns][::-1].copy()
        expected = array.copy()
        expected[..., columns] = values
        _pages.put(array, columns, values)
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("shape", [(0, 3), (0, 1, 2), (4, 0)])
def test_arrays_of_nothing_have_no_rows_in_use(shape):
    assert len(_pages.rows_in_use(np.zeros(shape))) == 0


@pytest.mark.parametrize("n_rows", [200_000, 200_003])
def test_rows_in_use_are_those_that_are_not_zero(n_rows):
    array = _pages.zeros((n_rows, 1, 8))
    rows = np.array([0, 5, 8, 70_001, n_rows - 1])
    array[rows, 0, rows % 8] = [1.0, -2.0, np.nan, np.inf, 1e-300]
    array[9] = -0.0
    np.testing.assert_array_equal(_pages.rows_in_use(array), rows)
    other = np.zeros((n_rows, 2))
    other[[3, 8]] = 1.0
    np.testing.assert_array_equal(_pages.rows_in_use(array, other), np.union1d(rows, [3, 8]))
    np.testing.assert_array_equal(_pages.rows_in_use(array[::2]), rows[rows % 2 == 0] // 2)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the books of Linux")
def test_what_threads_use_for_a_moment_goes_back_to_the_system():
    def used() -> None:
        for _ in range(8):
            _pages.momentary((2**19 + 7, 1)).fill(1.0)

    before = resident_bytes()
    for _ in range(4):
        threads = [threading.Thread(target=used) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert resident_bytes() - before < 4 * 2**20


@pytest.mark.parametrize("shape", [(3, 2), (0, 5), (2**16, 5), (7,)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int8])
def test_momentary_arrays_are_arrays(shape, dtype):
    array = _pages.momentary(shape, dtype)
    assert array.shape == shape
    assert array.dtype == dtype
    assert array.flags.c_contiguous
    array[...] = 3
    assert (array == 3).all()


def test_a_copy_is_not_a_view():
    array = sample()
    part = _pages.taken(array, np.arange(8))
    part[3] = 7.0
    assert not (array[3] == 7.0).any()


def test_to_give_memory_back_harms_nothing():
    kept = np.ones(2**18)
    _pages.release()
    assert kept.sum() == kept.size


def test_wide_least_squares_in_memory_load_no_compiler():
    subprocess.run([sys.executable, "-W", "error", "-c", WIDE], check=True, timeout=120)
