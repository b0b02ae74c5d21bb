"""The rows that are kept: which ones, whoever reads them, and what they stand for."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from daskreg.datafit.drawing import affordable_rows, class_shares, draw
from daskreg.datafit.kernels.sample import SampleKernel, uniforms
from daskreg.datafit.kernels.tiles import Labels
from daskreg.exceptions import DataError
from daskreg.losses import Logistic, Squared
from tests.fake_design import FakeDesign

N = 3000


def data(rare=0.02):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, 4)) * (rng.random((N, 4)) < 0.6)
    y = (rng.random(N) < rare).astype(float)
    weight = rng.integers(0, 3, N).astype(float)
    return X, y, weight


def test_numbers_of_the_counter_are_uniform_and_differ_by_seed():
    u = uniforms(0, np.arange(100_000))
    assert (u >= 0).all()
    assert (u < 1).all()
    share = np.histogram(u, bins=20, range=(0, 1))[0] / 100_000
    assert np.abs(share - 0.05).max() < 0.003
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 0.01
    other = uniforms(1, np.arange(100_000))
    assert abs(np.corrcoef(u, other)[0, 1]) < 0.01
    np.testing.assert_array_equal(uniforms(0, np.array([77_777])), u[77_777])


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, lambda X: X.astype(np.float32)])
def test_no_chunking_or_order_changes_the_rows(kind):
    X, y, weight = data()
    X = kind(X)
    whole = SampleKernel(3, (0.2,))(next(iter(FakeDesign(X, y, weight).blocks())), {})
    blocks = list(FakeDesign(X, y, weight, borders=(1, 2, 700, 1999)).blocks())
    parts = [SampleKernel(3, (0.2,))(block, {}) for block in blocks]
    for order in ([0, 1, 2, 3, 4], [4, 2, 0, 1, 3]):
        joined = parts[order[0]]
        for place in order[1:]:
            joined = joined + parts[place]
        joined = joined.in_order
        np.testing.assert_array_equal(joined.rows, whole.rows)
        np.testing.assert_array_equal(joined.weight, whole.weight)
        np.testing.assert_array_equal(joined.y, whole.y)
        dense = joined.X.toarray() if sp.issparse(joined.X) else joined.X
        np.testing.assert_array_equal(dense, data()[0].astype(X.dtype)[joined.rows])
        assert joined.X.dtype == X.dtype
    assert 340 < len(whole.rows) < 460  # a fifth of the 2000 rows that weigh anything
    assert (weight[whole.rows] > 0).all()
    assert pickle.loads(pickle.dumps(SampleKernel(3, (0.2,)))) == SampleKernel(3, (0.2,))
    assert whole.nbytes > 8 * len(whole.rows)


def test_weights_make_up_for_the_rows_left_out():
    """Sums over samples of many seeds have the sums over all rows as their mean."""
    X, y, weight = data()
    labels = Labels((0.0, 1.0), np.array([[1.0], [5.0]]))
    count = [(weight[y == c] > 0).sum() for c in (0, 1)]
    totals = []
    for seed in range(200):
        sample = draw(
            FakeDesign(X, y, weight), Logistic(), 200, seed=seed, n_total=sum(count),
            labels=labels, class_count=count,
        )  # fmt: skip
        totals.append((sample.rows.weight * sample.rows.factors[:, 0]) @ sample.rows.X)
    expected = (weight * np.where(y == 1, 5.0, 1.0)) @ X
    error = np.std(totals, axis=0) / np.sqrt(200)
    assert (np.abs(np.mean(totals, axis=0) - expected) < 4 * error).all()


def test_a_rare_class_is_taken_whole():
    np.testing.assert_allclose(class_shares(np.array([1000, 10]), 100), [0.09, 1.0])
    np.testing.assert_allclose(class_shares(np.array([1000, 400, 10]), 310), [0.15, 0.375, 1.0])
    np.testing.assert_allclose(class_shares(np.array([5, 6]), 100), [1.0, 1.0])
    X, y, weight = data()
    count = [(weight[y == c] > 0).sum() for c in (0, 1)]
    sample = draw(
        FakeDesign(X, y, weight), Logistic(), 300, n_total=sum(count),
        labels=Labels((0.0, 1.0), np.ones((2, 1))), class_count=count,
    )  # fmt: skip
    assert sample.rows.y.sum() == count[1]
    assert 200 < sample.n_rows < 400
    assert not sample.whole


def test_all_rows_where_more_are_asked_for():
    X, y, _ = data()
    sample = draw(FakeDesign(X, y), Squared(), 10**9, n_total=N)
    np.testing.assert_array_equal(sample.rows.rows, np.arange(N))
    np.testing.assert_array_equal(sample.rows.weight, np.ones(N))
    assert sample.whole
    assert not draw(FakeDesign(X, y), Squared(), N - 1, n_total=N).whole
    assert affordable_rows(FakeDesign(X, y)) < 10**12


def multiplicities(block):
    rows = block.start + np.arange(block.n_rows)
    return np.stack([rows % 2, 1 - rows % 2], axis=1).astype(float)


def test_weightings_come_with_the_rows():
    X, y, _ = data()
    sample = draw(FakeDesign(X, y, borders=(501,)), Squared(), 500, n_total=N,
                  factors=multiplicities)  # fmt: skip
    center, scale = np.zeros(4), np.ones(4)
    for weighting in (0, 1):
        weight = sample.view(center, scale, weighting=weighting).weight
        odd = sample.rows.rows % 2 == 1
        assert (weight[odd] > 0).all() == (weighting == 0)
        assert (weight > 0).sum() == (odd if weighting == 0 else ~odd).sum()
        assert weight.sum() == pytest.approx(1.0)


def test_an_empty_sample_is_refused():
    X, y, _ = data()
    with pytest.raises(DataError, match=r"a sample of 0 of 3000 rows is empty.*'gram'"):
        draw(FakeDesign(X, y), Squared(), 0, n_total=N)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_products_of_a_view_are_those_of_its_columns(kind):
    X, y, _ = data()
    rng = np.random.default_rng(1)
    center, scale = rng.standard_normal(4), np.array([1.0, 2.0, 0.0, 0.5])
    sample = draw(FakeDesign(kind(X), y), Squared(), 500, n_total=N)
    view = sample.view(center, scale)
    Z = view.columns(np.arange(4))
    np.testing.assert_allclose(Z, (X[sample.rows.rows] - center) * scale)
    np.testing.assert_array_equal(view.columns(np.array([3, 1])), Z[:, [3, 1]])
    B, R = rng.standard_normal((4, 3)), rng.standard_normal((sample.n_rows, 2))
    np.testing.assert_allclose(view.product(B), Z @ B, atol=1e-12)
    np.testing.assert_allclose(view.pullback(R), Z.T @ R, atol=1e-10)
    np.testing.assert_allclose(view.squares(np.abs(R)), (Z * Z).T @ np.abs(R), atol=1e-9)


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, lambda X: X.astype(np.float32)])
def test_the_gram_matrix_of_a_view_is_that_of_its_columns(kind, compiled, coarse, monkeypatch):
    """Also of columns far from zero, and in float32 about as well as float32 adds."""
    monkeypatch.setattr("daskreg.datafit.sample.COARSE", 0.0 if coarse else np.inf)
    monkeypatch.setattr("daskreg.datafit.sample.TILE_BYTES", 8192)
    X, y, weight = data()
    X = kind((X + 100.0 * (np.arange(4) == 1)).astype(np.float32).astype(np.float64))
    sample = draw(FakeDesign(X, y, weight), Squared(), 500, n_total=N)
    sample = replace(sample, compiled=compiled)
    view = sample.view(np.array([0.1, 100.0, 0.0, -0.2]), np.array([1.0, 2.0, 0.0, 0.5]))
    bend = np.random.default_rng(1).random(sample.n_rows)
    for chosen in (np.array([0, 1, 3]), np.arange(4), np.array([], dtype=int)):
        Z = view.columns(chosen)
        expected = Z.T @ (bend[:, None] * Z)
        size = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
        found = view.gram(chosen, bend)
        assert (np.abs(found - expected) <= (2e-6 if coarse else 1e-9) * size).all()
