"""Products of pairs of columns are those of numpy, for every width of the processor's vectors."""

import os
import subprocess
import sys

import numpy as np
import pytest

from daskreg.compiled import layout
from daskreg.compiled.loops import pairs, registers
from daskreg.datafit.kernels import tile_sums
from daskreg.datafit.kernels.tile_sums import TileSums

from .running import running

WIDTHS = (1, 3, 4, 5, 8, 15, 16, 17, 24, 31, 48, 100)


def check(add_pairs, n_columns, dtype):
    rng = np.random.default_rng(n_columns)
    n = layout.padded(n_columns, np.dtype(dtype))
    assert n_columns <= n < n_columns + 16
    A, C = rng.standard_normal((9, n)).astype(dtype), rng.standard_normal((n, n)).astype(dtype)
    expected = C + A[:7].T @ A[:7]
    add_pairs(A, 7, C)
    upper = np.triu_indices(n)
    np.testing.assert_allclose(C[upper], expected[upper], atol=30 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_columns", WIDTHS)
def test_the_upper_triangle_has_the_products_of_the_rows_asked_for(n_columns, dtype):
    check(running(pairs.add_pairs), n_columns, dtype)


@pytest.mark.parametrize(("vector", "left"), [(16, 4), (16, 8), (32, 4), (64, 8)])
def test_processors_with_other_vectors_find_the_same(vector, left, monkeypatch):
    for module in (layout, registers, pairs):
        monkeypatch.setattr(module, "VECTOR", vector)
    for module in (layout, pairs):
        monkeypatch.setattr(module, "LEFT", left)
    anew = running(pairs.add_pairs)
    for dtype in ("float32", "float64"):
        for n_columns in WIDTHS:
            check(anew, n_columns, dtype)


@pytest.mark.parametrize("n_columns", [tile_sums.PAIRED_COLUMNS, tile_sums.PAIRED_COLUMNS + 1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_few_columns_and_more_have_their_gram_matrix(n_columns, dtype):
    X = np.random.default_rng(0).standard_normal((700, n_columns))
    shift, gram = X.mean(axis=0), np.zeros((n_columns, n_columns))
    sums = TileSums(n_columns, np.dtype(dtype), gram, None)
    ones = np.ones((350, 1))
    for half in (X[:350], X[350:]):
        sums.add(half, shift, None, ones)
    sums.finish()
    atol = 700 * 10 * np.finfo(dtype).eps
    np.testing.assert_allclose(gram, (X - shift).T @ (X - shift), rtol=0, atol=atol)
    np.testing.assert_array_equal(gram, gram.T)


@pytest.mark.parametrize("n_columns", [8, 100])
def test_float32_products_are_no_chains_of_thousands(n_columns):
    """Zeros and ones: a sum that is carried on would lose what each row adds to it."""
    X = (np.random.default_rng(0).random((4096, n_columns)) < 0.07).astype(np.float64)
    shift, gram = X.mean(axis=0), np.zeros((n_columns, n_columns))
    sums = TileSums(n_columns, np.dtype(np.float32), gram, None)
    sums.add(X, shift, None, np.ones((4096, 1)))
    sums.finish()
    rounded = (X - shift).astype(np.float32).astype(np.float64)
    exact = rounded.T @ rounded
    scale = np.sqrt(np.outer(exact.diagonal(), exact.diagonal()))
    assert np.max(np.abs(gram - exact) / scale) < 1e-5


def test_rows_are_laid_out_for_the_processor_that_is_compiled_for():
    """Not for this processor: machines that share compiled code name one that all of them are."""
    shared = {"DASKREG_CPU_NAME": "generic"}
    code = "from daskreg.compiled.layout import VECTOR; print(VECTOR)"
    told = subprocess.check_output([sys.executable, "-c", code], env=os.environ | shared)
    assert told.split() == [b"16"]
