"""Lasso and elastic net by cross-validation: one batch, equal to one problem after the other."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import linear_model as theirs
from sklearn.model_selection import GroupKFold, KFold, RepeatedKFold, ShuffleSplit, TimeSeriesSplit

from daskreg.datafit import survey
from daskreg.linear_model import ElasticNetCV, Lasso, LassoCV
from daskreg.splits import GroupedFolds, ShuffledFolds
from tests.linear_model.correlated import EXACT, N, P, rows

# ------------------------------------------------------------------ the same as scikit-learn


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_lasso_is_that_of_scikit_learn(weighted, positive, fit_intercept):
    X, y, weight = rows()
    weight = weight if weighted else None
    settings = {"positive": positive, "fit_intercept": fit_intercept}
    ours = LassoCV(alphas=30, **settings, **EXACT).fit(X, y, weight)
    rival = theirs.LassoCV(alphas=30, cv=5, **settings, **EXACT).fit(X, y, weight)
    assert ours.n_passes_ == 1
    assert_allclose(ours.alphas_, rival.alphas_, rtol=1e-12)
    assert_allclose(ours.mse_path_, rival.mse_path_, rtol=1e-6)
    assert_allclose(ours.alpha_, rival.alpha_, rtol=1e-12)
    assert_allclose(ours.coef_, rival.coef_, atol=1e-5)
    assert_allclose(ours.intercept_, rival.intercept_, atol=1e-5)


def test_given_alphas_keep_their_order_and_give_the_same_choice():
    X, y, _ = rows()
    alphas = [0.3, 2.0, 0.01, 0.08]
    ours = LassoCV(alphas=alphas, **EXACT).fit(X, y)
    rival = theirs.LassoCV(alphas=alphas, **EXACT).fit(X, y)
    assert_array_equal(ours.alphas_, rival.alphas_)
    assert ours.alpha_ == rival.alpha_
    assert_allclose(ours.mse_path_, rival.mse_path_, rtol=1e-6)


@pytest.mark.parametrize("ratios", [0.5, [0.5], [0.2, 0.9, 1.0]])
def test_elastic_net_is_that_of_scikit_learn(ratios):
    X, y, weight = rows()
    ours = ElasticNetCV(l1_ratio=ratios, alphas=12, cv=4, **EXACT).fit(X, y, weight)
    rival = theirs.ElasticNetCV(l1_ratio=ratios, alphas=12, cv=4, **EXACT).fit(X, y, weight)
    assert ours.alphas_.shape == rival.alphas_.shape
    assert ours.mse_path_.shape == rival.mse_path_.shape
    assert_allclose(ours.mse_path_, rival.mse_path_, rtol=1e-6)
    assert_allclose([ours.alpha_, ours.l1_ratio_], [rival.alpha_, rival.l1_ratio_], rtol=1e-12)
    assert_allclose(ours.coef_, rival.coef_, atol=1e-5)


# ------------------------------------------------------------------ what it is by definition


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_errors_are_those_of_models_fitted_without_the_fold(standardize, fit_intercept):
    X, y, weight = rows()
    offset = np.sin(np.arange(N))
    common = {"standardize": standardize, "fit_intercept": fit_intercept, **EXACT}
    factors = np.linspace(0.0, 2.0, P)  # the first column is free
    model = LassoCV(alphas=[1.0, 0.1], cv=3, penalty_weight=factors, **common)
    model.fit(X, y, weight, offset)
    for fold, (train, test) in enumerate(KFold(3).split(X)):
        for place, alpha in enumerate([1.0, 0.1]):
            one = Lasso(alpha, penalty_weight=factors, **common)
            one.fit(X[train], y[train], weight[train], offset[train])
            left = y[test] - one.predict(X[test], offset[test])
            expected = np.average(np.square(left), weights=weight[test])
            assert_allclose(model.mse_path_[place, fold], expected, rtol=1e-7)
    whole = Lasso(model.alpha_, penalty_weight=factors, **common).fit(X, y, weight, offset)
    assert_allclose(model.coef_, whole.coef_, atol=1e-8)
    assert_allclose(model.intercept_, whole.intercept_, atol=1e-7)


def test_nothing_of_the_held_out_rows_reaches_a_fold():
    X, y, _ = rows()
    spoiled, yields = X.copy(), y.copy()
    spoiled[:60], yields[:60] = 1e3 * spoiled[:60], -5.0
    settings = {"alphas": [0.5, 0.05], "standardize": True, **EXACT}
    pairs = [(np.arange(60, N), np.arange(20)), (np.arange(N - 1), [N - 1])]
    clean, dirty = (
        LassoCV(cv=[pairs[0]], **settings).fit(*data) for data in ((X, y), (spoiled, yields))
    )
    # The coefficients of the fold, seen through errors on rows that both share.
    shared = [(np.arange(60, 150), np.arange(150, N))]
    first, second = (
        LassoCV(cv=shared, **settings).fit(*data) for data in ((X, y), (spoiled, yields))
    )
    assert_allclose(first.mse_path_, second.mse_path_, rtol=1e-9)
    assert not np.allclose(clean.mse_path_, dirty.mse_path_)


@pytest.mark.parametrize(
    "cv",
    [
        KFold(4),
        KFold(4, shuffle=True, random_state=0),
        TimeSeriesSplit(3),
        ShuffleSplit(3, test_size=0.3, random_state=0),
        RepeatedKFold(n_splits=3, n_repeats=2, random_state=0),
        [(np.arange(100), np.arange(120, 150)), (np.arange(50, N), np.arange(20))],
    ],
    ids=lambda cv: type(cv).__name__,
)
def test_folds_of_any_kind(cv):
    X, y, weight = rows()
    ours = LassoCV(alphas=[0.5, 0.05], cv=cv, **EXACT).fit(X, y, weight)
    rival = theirs.LassoCV(alphas=[0.5, 0.05], cv=cv, **EXACT).fit(X, y, weight)
    assert ours.n_passes_ == 1
    assert_allclose(ours.mse_path_, rival.mse_path_, rtol=1e-6)
    assert ours.alpha_ == rival.alpha_
    assert_allclose(ours.coef_, rival.coef_, atol=1e-5)


def test_groups_stay_together():
    X, y, _ = rows()
    groups = np.random.default_rng(0).integers(0, 12, N)
    ours = LassoCV(alphas=[0.5, 0.05], cv=GroupKFold(3), **EXACT).fit(X, y, groups=groups)
    pairs = list(GroupKFold(3).split(X, y, groups))
    rival = theirs.LassoCV(alphas=[0.5, 0.05], cv=pairs, **EXACT).fit(X, y)
    assert_allclose(ours.mse_path_, rival.mse_path_, rtol=1e-6)
    rule = GroupedFolds(3, seed=4)
    by_rule = LassoCV(alphas=[0.5, 0.05], cv=rule, **EXACT).fit(X, y, groups=groups)
    named = pd.DataFrame(X, columns=list("abcdefghi")).assign(y=y, group=groups)
    by_name = LassoCV(alphas=[0.5, 0.05], cv=rule, **EXACT).fit(named, "y", groups="group")
    assert list(by_name.feature_names_in_) == list("abcdefghi")
    assert_allclose(by_rule.mse_path_, by_name.mse_path_, rtol=1e-12)
    assert_allclose(by_name.predict(named), by_rule.predict(X), rtol=1e-12)


# ------------------------------------------------------------------ passes


@pytest.mark.parametrize("cv", [2, 7, ShuffledFolds(5, seed=1)], ids=str)
def test_one_pass_whatever_there_is_to_solve(cv):
    X, y, _ = rows(targets=3)
    model = ElasticNetCV(l1_ratio=[0.3, 1.0], alphas=15, cv=cv).fit(X, y)
    assert model.n_passes_ == 1
    assert model.plan_.passes == 1
    assert model.solver_ == "gram"


@pytest.fixture
def float32_gram(monkeypatch):
    """Small Gram matrices in float32, as large ones are."""
    monkeypatch.setattr(survey, "NARROW", 0)
    monkeypatch.setattr(survey, "SMALL", 0)


def test_float32_takes_one_pass_more_for_what_is_kept(float32_gram):
    X, y, weight = rows()
    X = X.astype(np.float32)
    loose = {"alphas": 20, "tol": 1e-6}
    model = LassoCV(**loose).fit(X, y, weight)
    exact = LassoCV(alphas=model.alphas_, **EXACT).fit(X.astype(np.float64), y, weight)
    assert model.n_passes_ == 2
    assert model.status_ == "converged"
    assert model.relative_gap_ <= 1e-6
    assert_allclose(model.mse_path_, exact.mse_path_, rtol=1e-4)
    path = model.solution_
    assert set(path.status.values.tolist()) == {"converged"}


def test_folds_of_float32_are_left_as_they_are_without_a_warning(float32_gram):
    X, y, _ = rows()
    model = LassoCV(alphas=20, tol=5.1e-7).fit(X.astype(np.float32), y)  # warnings are errors
    assert model.n_passes_ == 2


def test_a_perfect_fit_asks_the_rows():
    # Nothing is left of y: what the sums lack in digits takes a pass.
    X, _, _ = rows()
    y = X @ np.arange(P)
    model = LassoCV(alphas=[1e-9], cv=3).fit(X, y)
    one = Lasso(1e-9).fit(X[60:], y[60:])
    expected = np.square(y[:60] - one.predict(X[:60])).mean()
    assert model.n_passes_ == 2
    assert expected < 1e-9 * y.var()
    assert_allclose(model.mse_path_[0], expected, rtol=1e-4)


@pytest.mark.parametrize("solver", ["fista", "quasi_newton"])
def test_other_solvers_find_the_same_with_more_passes(solver):
    X, y, weight = rows()
    gram = LassoCV(alphas=8, cv=3, **EXACT).fit(X, y, weight)
    other = LassoCV(alphas=8, cv=3, solver=solver, tol=1e-12, max_iter=20_000).fit(X, y, weight)
    assert other.n_passes_ > 2
    assert_allclose(other.mse_path_, gram.mse_path_, rtol=1e-5)
    assert other.alpha_ == pytest.approx(gram.alpha_, rel=1e-12)
    assert_allclose(other.coef_, gram.coef_, atol=1e-4)


def test_hundreds_of_targets_chunked_along_targets_are_one_pass(monkeypatch):
    n, q = 400, 120
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, P))
    Y = X[:, :3] @ rng.normal(size=(3, q)) + rng.normal(size=(n, q))
    lazy = da.from_array(Y, chunks=(150, 37))
    one_by_one = [Lasso(0.1).fit(X, Y[:, target]) for target in (0, 41, 119)]
    for stored in (X, da.from_array(X, chunks=(100, P))):
        model = Lasso(0.1).fit(stored, lazy)
        assert model.n_passes_ == 1
        assert model.coef_.shape == (q, P)
        for target, one in zip((0, 41, 119), one_by_one, strict=True):
            assert_allclose(model.coef_[target], one.coef_, atol=1e-9)
    folds = LassoCV(alphas=4, cv=3).fit(da.from_array(X, chunks=(100, P)), lazy)
    assert folds.n_passes_ == 1
    assert folds.mse_path_.shape == (q, 4, 3)
    lone = LassoCV(alphas=4, cv=3).fit(X, Y[:, 41])
    assert_allclose(folds.mse_path_[41], lone.mse_path_, rtol=1e-6)
    # In less memory its 1920 problems are solved in slices, of the sums of the same pass.
    monkeypatch.setattr("daskreg.datafit.kernels.tiles.PREDICTORS", 2**30)
    folds = LassoCV(alphas=4, cv=3).fit(da.from_array(X, chunks=(100, P)), lazy)
    kernels = folds.plan_.memory["kernel temporaries"]
    limit = int((folds.plan_.peak - kernels / 2) * folds.plan_.memory_limit / folds.plan_.usable)
    tight = LassoCV(alphas=4, cv=3, memory_limit=limit).fit(X, Y)
    assert "do not fit together" in str(tight.plan_)
    assert tight.n_passes_ == 1
    assert_allclose(tight.mse_path_, folds.mse_path_, rtol=1e-6)
