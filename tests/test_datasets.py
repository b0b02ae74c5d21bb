"""Seeded problems: the statistics they promise, in any block order and number of threads."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from daskreg.datasets import SparseProblem, make_sparse_classification, make_sparse_regression


def whole(problem):
    blocks = [problem.block(i) for i in range(problem.n_blocks)]
    return np.concatenate([X for X, _ in blocks]), np.concatenate([y for _, y in blocks])


def test_blocks_can_be_made_alone_and_in_any_order():
    problem = SparseProblem(1000, 7, 3, correlation=0.5, block_rows=64, seed=4)
    X, y = whole(problem)
    again, target = problem.block(5)
    np.testing.assert_array_equal(again, X[320:384])
    np.testing.assert_array_equal(target, y[320:384])
    assert X.shape == (1000, 7)
    with pytest.raises(IndexError):
        problem.block(16)


@pytest.mark.parametrize("correlation", [0.0, 0.9, -0.5])
def test_columns_have_the_promised_covariance(correlation):
    X, _ = whole(SparseProblem(100_000, 6, 2, correlation=correlation))
    j = np.arange(6)
    expected = float(correlation) ** np.abs(j[:, None] - j)
    np.testing.assert_allclose(np.cov(X.T), expected, atol=0.02)
    np.testing.assert_allclose(X.mean(0), 0, atol=0.02)
    assert X.dtype == np.float32


def test_regression_follows_the_truth():
    problem = SparseProblem(50_000, 8, 3, noise=0.7, correlation=0.4, seed=1)
    X, y = whole(problem)
    residual = y - problem.intercept - X.astype(float) @ problem.coef
    np.testing.assert_allclose(residual.std(), 0.7, rtol=0.02)
    np.testing.assert_allclose(X.T @ residual / len(y), 0, atol=0.02)
    assert len(problem.support) == 3
    assert (np.abs(problem.coef[problem.support]) >= 0.5).all()


def test_classification_follows_the_truth():
    problem = SparseProblem(100_000, 5, 2, classification=True)
    X, y = whole(problem)
    mu = 1 / (1 + np.exp(-problem.intercept - X.astype(float) @ problem.coef))
    assert set(np.unique(y)) == {0, 1}
    for low in (0.0, 0.3, 0.7):
        part = (mu >= low) & (mu < low + 0.3)
        np.testing.assert_allclose(y[part].mean(), mu[part].mean(), atol=0.02)


def test_seeds_differ_and_repeat():
    X, _ = whole(SparseProblem(50, 3, 1, seed=1))
    np.testing.assert_array_equal(X, whole(SparseProblem(50, 3, 1, seed=1))[0])
    assert not np.array_equal(X, whole(SparseProblem(50, 3, 1, seed=2))[0])


@pytest.mark.parametrize("format", ["npy", "zarr"])
def test_files_hold_the_blocks_whatever_the_threads(tmp_path, format):
    sizes = []
    files = make_sparse_regression(
        tmp_path / "new" / "folder",
        1001,
        6,
        block_rows=100,
        n_informative=2,
        format=format,
        n_threads=3,
        on_block=sizes.append,
    )
    X, y = whole(files.problem)
    assert sum(sizes) == X.nbytes
    if format == "npy":
        stored = np.load(files.X)
    else:
        import zarr

        array = zarr.open_array(files.X, mode="r")
        assert array.nchunks_initialized == array.nchunks == 11
        stored = array[:]
    np.testing.assert_array_equal(stored, X)
    np.testing.assert_array_equal(np.load(files.y), y)
    assert sorted(path.name for path in files.X.parent.iterdir()) == [f"X.{format}", "y.npy"]


def test_classification_files(tmp_path):
    files = make_sparse_classification(tmp_path, 200, 4, n_informative=1, dtype="float64")
    assert np.load(files.X).dtype == np.float64
    assert np.load(files.y).dtype == np.int8


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        make_sparse_regression(tmp_path, 100, 4, n_informative=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"n_rows": 0}, "rows and columns"),
        ({"n_informative": 9}, "n_informative=9"),
        ({"correlation": 1.0}, "correlation"),
        ({"dtype": "int8"}, "dtype"),
        ({"block_rows": -1}, "block_rows"),
    ],
)
def test_impossible_problems_are_named(change, match):
    with pytest.raises(ValueError, match=match):
        SparseProblem(**({"n_rows": 10, "n_columns": 4, "n_informative": 1} | change))
