"""Stability selection and bootstrap paths: each resample by definition, bounds, passes."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from daskreg.design.host import process_memory
from daskreg.exceptions import DataError, MemoryPlanError
from daskreg.fitting import resampled
from daskreg.linear_model import BootstrapPaths, Lasso, LogisticRegression, StabilitySelection
from daskreg.linear_model._error_bounds import error_bounds
from daskreg.splits import HalfSamples, PoissonBootstrap, RowKeys

SOLVERS = ["gram", "quasi_newton", "fista"]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(240, 12)) * rng.uniform(0.5, 2.0, size=12) + 1.0
    y = X[:, 2] - X[:, 7] + rng.normal(size=240)
    return X, y, rng.uniform(0.5, 2.0, size=240)


# -------------------------------------------------------------------------------- bootstrap


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_bootstrap_sample_is_a_weighted_fit(data, solver):
    X, y, w = data
    paths = BootstrapPaths(
        n_replicates=3, alphas=[0.5, 0.1], standardize=True, seed=4, solver=solver, tol=1e-10
    ).fit(X, y, w)
    counts = PoissonBootstrap(3, 4).factors(RowKeys(0, len(y)))
    assert paths.coefs_.shape == (3, 2, 12)
    for replicate in range(3):
        for place, alpha in enumerate(paths.alphas_):
            alone = Lasso(alpha, standardize=True, tol=1e-12).fit(X, y, w * counts[:, replicate])
            assert_allclose(paths.coefs_[replicate, place], alone.coef_, atol=1e-5)
            assert_allclose(paths.intercepts_[replicate, place], alone.intercept_, atol=1e-4)


@pytest.mark.parametrize("solver", ["quasi_newton", "fista"])
def test_a_bootstrap_sample_of_classes_is_a_weighted_fit(data, solver):
    X, y, w = data
    labels = np.where(y > 0, "b", "a")
    paths = BootstrapPaths(
        "logistic", n_replicates=2, alphas=[0.05], l1_ratio=0.5, class_weight="balanced",
        solver=solver, tol=1e-9,
    ).fit(X, labels, w)  # fmt: skip
    assert paths.classes_.tolist() == ["a", "b"]
    counts = PoissonBootstrap(2).factors(RowKeys(0, len(y)))
    for replicate in range(2):
        weight = w * counts[:, replicate]
        # "balanced" keeps the sum of the weights.
        alone = LogisticRegression(
            1.0 / (0.05 * weight.sum()), l1_ratio=0.5, class_weight="balanced", tol=1e-9
        ).fit(X, labels, weight)
        assert_allclose(paths.coefs_[replicate, 0], alone.coef_[0], atol=1e-4)


def test_the_spread_is_that_of_the_estimator(data):
    """Without a penalty the mean of the samples is the fit, their spread its standard error."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 3))
    y = X @ [1.0, 0.0, -2.0] + rng.normal(size=2000) * (1.0 + np.abs(X[:, 0]))
    paths = BootstrapPaths(n_replicates=400, alphas=0.0, l1_ratio=0.0).fit(X, y)
    Z = np.column_stack([X, np.ones(len(y))])
    fit = np.linalg.lstsq(Z, y, rcond=None)[0]
    residual = y - Z @ fit
    bread = np.linalg.inv(Z.T @ Z)
    error = np.sqrt(np.diag(bread @ (Z.T * residual**2) @ Z @ bread))[:3]
    coefs = paths.coefs_[:, 0]
    assert_allclose(coefs.std(axis=0), error, rtol=0.15)
    assert (np.abs(coefs.mean(axis=0) - fit[:3]) < 4 * error / np.sqrt(400)).all()
    low, middle, high = paths.percentiles([2.5, 50, 97.5])[:, 0]
    assert (low < middle).all()
    assert_allclose(high - low, 2 * 1.96 * error, rtol=0.25)


def test_bootstrap_paths_do_not_depend_on_chunks_or_on_other_samples(data):
    X, y, w = data
    whole = BootstrapPaths(n_replicates=4, alphas=5, seed=1).fit(X, y, w)
    for rows in (31, 100):
        parts = [da.from_array(a, chunks=(rows, *a.shape[1:])) for a in (X, y, w)]
        cut = BootstrapPaths(n_replicates=4, alphas=5, seed=1).fit(*parts)
        assert_allclose(cut.coefs_, whole.coefs_, atol=1e-6)
    fewer = BootstrapPaths(n_replicates=2, alphas=5, seed=1).fit(X, y, w)
    assert_allclose(fewer.coefs_, whole.coefs_[:2], atol=1e-8)
    other = BootstrapPaths(n_replicates=4, alphas=5, seed=2).fit(X, y, w)
    assert np.abs(other.coefs_ - whole.coefs_).max() > 1e-3


def test_bootstrap_dataset(data):
    X, y, _ = data
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(12)]).assign(y=y)
    paths = BootstrapPaths(n_replicates=5, alphas=4).fit(frame, "y")
    found = paths.paths_
    assert dict(found.sizes) == {"replicate": 5, "alpha": 4, "feature": 12}
    assert_array_equal(found["inclusion"], (paths.coefs_ != 0).mean(axis=0))
    assert_array_equal(found.sel(feature="c7")["coef"], paths.coefs_[:, :, 7])
    assert (found["inclusion"].sel(feature="c2") == paths.inclusion_[:, 2]).all()
    assert (found["coef"][:, 0] == 0).mean() > 0.8  # at alpha_max of all rows


# -------------------------------------------------------------------- stability selection


@pytest.mark.parametrize("solver", SOLVERS)
def test_probabilities_are_shares_of_the_halves(data, solver):
    X, y, w = data
    alphas = [0.8, 0.4, 0.2]
    selection = StabilitySelection(
        n_pairs=4, alphas=alphas, seed=3, solver=solver, tol=1e-10
    ).fit(X, y, w)  # fmt: skip
    halves = HalfSamples(4, 3).factors(RowKeys(0, len(y)))
    chosen = np.zeros((12, 3, 8), dtype=bool)
    for half in range(8):
        for place, alpha in enumerate(alphas):
            fit = Lasso(alpha, standardize=True, tol=1e-10).fit(X, y, w * halves[:, half])
            chosen[:, place, half] = fit.coef_ != 0
    assert_allclose(selection.selection_probabilities_, chosen.mean(axis=2))
    both = chosen[..., 0::2] & chosen[..., 1::2]
    assert_allclose(selection.simultaneous_probabilities_, both.mean(axis=2))
    assert selection.q_ == pytest.approx(chosen.any(axis=1).sum(axis=0).mean())
    largest = chosen.mean(axis=2).max(axis=1)
    assert_array_equal(selection.get_support(), largest >= 0.6)
    assert (
        selection.simultaneous_probabilities_ >= 2 * selection.selection_probabilities_ - 1 - 1e-12
    ).all()


def test_logistic_selection_finds_the_columns(data):
    X, y, _ = data
    selection = StabilitySelection("logistic", n_pairs=10, q=3).fit(X, y > 0)
    assert_array_equal(selection.get_support(indices=True), [2, 7])
    assert selection.solver_ == "quasi_newton"
    assert selection.status_ == "converged"


def test_the_path_ends_at_q(data):
    X, y, _ = data
    long = StabilitySelection(n_pairs=5, alphas=60, q=12).fit(X, y)
    short = StabilitySelection(n_pairs=5, alphas=60, q=2.5).fit(X, y)
    n = len(short.alphas_)
    assert n < len(long.alphas_) <= 60
    assert short.q_ <= 2.5 < long.q_
    assert_allclose(short.alphas_, long.alphas_[:n])
    assert_allclose(short.selection_probabilities_, long.selection_probabilities_[:, :n])
    by_default = StabilitySelection(n_pairs=5, threshold=0.75).fit(X, y)
    assert by_default.error_bound_ <= 1.0
    assert by_default.q_ <= np.sqrt(0.5 * 12)


def test_error_bounds_by_definition():
    plain, unimodal, _ = error_bounds(q=10.0, n_features=200, threshold=0.7, n_pairs=50)
    assert plain == pytest.approx(100 / 200 / 0.4)
    assert unimodal == pytest.approx(100 / 200 / (2 * (0.4 - 0.01)))
    plain, unimodal, _ = error_bounds(q=10.0, n_features=200, threshold=0.9, n_pairs=50)
    assert plain == pytest.approx(100 / 200 / 0.8)
    assert unimodal == pytest.approx(100 / 200 * 4 * (0.1 + 0.01) / 1.02)
    # The two forms of the unimodal bound meet at 3/4, but for terms of 1 / n_pairs.
    near = [error_bounds(10.0, 200, t, 10**6)[1] for t in (0.75, 0.75 + 1e-9)]
    assert near[0] == pytest.approx(near[1], rel=1e-5)
    assert np.isnan(error_bounds(q=150.0, n_features=200, threshold=0.9, n_pairs=50)[1])
    assert np.isnan(error_bounds(q=10.0, n_features=200, threshold=0.501, n_pairs=50)[1])


def test_noise_is_selected_no_more_often_than_the_bound():
    rng = np.random.default_rng(0)
    wrong, bounds = [], []
    for seed in range(15):
        X = rng.normal(size=(100, 40))
        selection = StabilitySelection(n_pairs=10, seed=seed).fit(X, rng.normal(size=100))
        wrong.append(selection.support_.sum())
        bounds.append(selection.error_bound_)
    assert np.mean(wrong) <= np.mean(bounds) <= 1.0


def test_stability_selection_does_not_depend_on_chunks(data):
    X, y, _ = data
    whole = StabilitySelection(n_pairs=6).fit(X, y)
    parts = [da.from_array(a, chunks=(53, *a.shape[1:])) for a in (X, y)]
    cut = StabilitySelection(n_pairs=6).fit(*parts)
    assert_array_equal(cut.selection_probabilities_, whole.selection_probabilities_)
    lazy = cut.transform(parts[0])
    assert isinstance(lazy, da.Array)
    assert_array_equal(lazy, X[:, whole.support_])


def test_transform_keeps_the_selected_columns(data):
    X, y, _ = data
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(12)]).assign(y=y)
    selection = StabilitySelection(n_pairs=6, q=3).fit(frame, "y")
    assert selection.get_feature_names_out().tolist() == ["c2", "c7"]
    assert_array_equal(selection.transform(frame), X[:, [2, 7]])
    bare = StabilitySelection(n_pairs=6, q=3).fit(X, y)
    assert_array_equal(bare.transform(sparse.csr_array(X)), X[:, [2, 7]])
    assert_array_equal(bare.fit_transform(X, y), X[:, [2, 7]])


def test_an_unpenalised_column_is_selected_and_not_counted(data):
    X, y, _ = data
    weight = np.ones(12)
    weight[0] = 0.0
    selection = StabilitySelection(n_pairs=4, penalty_weight=weight, solver="gram").fit(X, y)
    assert selection.max_selection_probabilities_[0] == 1.0
    assert selection.support_[0]
    assert_allclose(selection.error_bound_, selection.q_**2 / (0.2 * 11))


# -------------------------------------------------------------------------------- passes


def test_one_pass_with_grams_and_few_with_one_metric(data, monkeypatch):
    X, y, _ = data
    for n_pairs in (3, 30):
        assert StabilitySelection(n_pairs=n_pairs, q=12).fit(X, y).n_passes_ == 1
    lone = {}
    for n_pairs in (2, 12):
        model = StabilitySelection(n_pairs=n_pairs, solver="quasi_newton", alphas=[0.5, 0.3])
        lone[n_pairs] = model.fit(X, y).n_passes_
    assert max(lone.values()) <= min(lone.values()) + 3
    # Many Gram matrices give way to one.
    monkeypatch.setattr(resampled, "MOST_GRAM_BYTES", 0)
    shared = StabilitySelection(n_pairs=12, alphas=[0.5, 0.3]).fit(X, y)
    assert shared.solver_ == "quasi_newton"
    assert "one Gram matrix" in shared.solver_reason_
    assert shared.n_passes_ == lone[12]


def test_slices_give_the_same(data, monkeypatch):
    X, y, _ = data
    whole = BootstrapPaths(n_replicates=5, alphas=6, solver="quasi_newton").fit(X, y)
    for most in (3, 11):
        monkeypatch.setattr(resampled, "MOST_COLUMNS", most)
        slices = BootstrapPaths(n_replicates=5, alphas=6, solver="quasi_newton").fit(X, y)
        assert_allclose(slices.coefs_, whole.coefs_, atol=1e-3)
        assert slices.n_passes_ > whole.n_passes_


def test_wide_gram_matrices_are_not_asked_for_each_resample():
    """The plan of a hundred halves has room for one Gram matrix, not for a hundred."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 300))
    limit = process_memory() + (500 << 20)
    selection = StabilitySelection(n_pairs=50, q=3, memory_limit=limit, max_iter=60)
    selection.fit(X, 2.0 * X[:, 5] + rng.normal(size=400))
    assert selection.solver_ == "quasi_newton"
    assert selection.support_[5]
    with pytest.raises(MemoryPlanError):
        selection.set_params(solver="gram").fit(X, X[:, 5])


# -------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("kind", "wrong", "words"),
    [
        (StabilitySelection, {"loss": "hinge"}, "loss"),
        (StabilitySelection, {"threshold": 0.5}, "threshold"),
        (StabilitySelection, {"n_pairs": 0}, "n_pairs"),
        (StabilitySelection, {"q": 0}, "q must"),
        (StabilitySelection, {"l1_ratio": 0.0}, "l1_ratio"),
        (StabilitySelection, {"class_weight": "balanced"}, "class_weight"),
        (BootstrapPaths, {"n_replicates": 0}, "n_replicates"),
        (BootstrapPaths, {"l1_ratio": 0.0}, "l1_ratio=0"),
        (BootstrapPaths, {"solver": "saga"}, "solver"),
    ],
)
def test_wrong_parameters_are_told_before_data_are_opened(kind, wrong, words):
    with pytest.raises(ValueError, match=words):
        kind(**wrong).fit("no-such-file.npy", "y")


def test_data_that_resamples_cannot_use(data):
    X, y, _ = data
    with pytest.raises(ValueError, match="2 columns"):
        StabilitySelection().fit(X, np.column_stack([y, y]))
    rare = np.zeros(len(y), dtype=bool)
    rare[3] = True
    with pytest.raises(DataError, match="resample"):
        StabilitySelection("logistic").fit(X, rare)
