"""Lasso and elastic net by cross-validation: one batch, equal to one problem after the other."""

from __future__ import annotations

import pickle

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import linear_model as theirs
from sklearn.model_selection import GroupKFold, KFold, RepeatedKFold, ShuffleSplit, TimeSeriesSplit

import daskreg
from daskreg.datafit import survey
from daskreg.exceptions import DataError
from daskreg.linear_model import ElasticNet, ElasticNetCV, Lasso, LassoCV
from daskreg.splits import GroupedFolds, ShuffledFolds

N, P = 180, 9
EXACT = {"tol": 1e-13, "max_iter": 100_000}


def rows(seed=0, n=N, p=P, targets=1):
    """Correlated columns far from zero, and targets of four of them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) @ (np.eye(p) + 0.4) + 3.0
    Y = X[:, :4] @ rng.normal(size=(4, targets)) + rng.normal(size=(n, targets)) - 7.0
    return X, Y[:, 0] if targets == 1 else Y, rng.uniform(0.2, 3.0, n)


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


def test_hundreds_of_targets_chunked_along_targets_are_one_pass():
    n, q = 400, 120
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, P))
    Y = X[:, :3] @ rng.normal(size=(3, q)) + rng.normal(size=(n, q))
    lazy = da.from_array(Y, chunks=(150, 37))
    one_by_one = [Lasso(0.1).fit(X, Y[:, target]) for target in (0, 41, 119)]
    for rows in (X, da.from_array(X, chunks=(100, P))):
        model = Lasso(0.1).fit(rows, lazy)
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
    kernels = folds.plan_.memory["kernel temporaries"]
    limit = int((folds.plan_.peak - kernels / 2) * folds.plan_.memory_limit / folds.plan_.usable)
    tight = LassoCV(alphas=4, cv=3, memory_limit=limit).fit(X, Y)
    assert "do not fit together" in str(tight.plan_)
    assert tight.n_passes_ == 1
    assert_allclose(tight.mse_path_, folds.mse_path_, rtol=1e-6)


# ------------------------------------------------------------------ nothing depends on the batch


@settings(max_examples=12, deadline=None)
@given(chunks=st.integers(7, N), folds=st.integers(2, 6))
def test_any_chunking_gives_the_same(chunks, folds):
    X, y, weight = rows()
    whole = LassoCV(alphas=6, cv=folds).fit(X, y, weight)
    lazy = da.from_array(X, chunks=(chunks, P))
    cut = LassoCV(alphas=6, cv=folds).fit(lazy, da.from_array(y, chunks=50), weight)
    assert cut.n_passes_ == 1
    assert_allclose(cut.mse_path_, whole.mse_path_, rtol=1e-9)
    assert_allclose(cut.coef_, whole.coef_, atol=1e-9)


def test_kinds_of_X_give_the_same(tmp_path):
    X, y, _ = rows()
    expected = LassoCV(alphas=6).fit(X, y)
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(P)])
    frame["y"] = y
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_parquet(tmp_path / "rows.parquet")
    found = [LassoCV(alphas=6).fit(sp.csr_array(X), y), LassoCV(alphas=6).fit(frame, "y")]
    found += [LassoCV(alphas=6).fit(str(tmp_path / f"rows.{k}"), "y") for k in ("csv", "parquet")]
    for model in found:
        assert_allclose(model.mse_path_, expected.mse_path_, rtol=1e-9)
        assert_allclose(model.coef_, expected.coef_, atol=1e-9)
        assert model.n_passes_ == 1


def test_lists_of_rows_over_a_file_whose_rows_are_to_be_counted(tmp_path):
    X, y, _ = rows()
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(P)]).assign(y=y)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    cv = ShuffleSplit(3, test_size=0.3, random_state=0)
    ours = LassoCV(alphas=[0.5, 0.05], cv=cv, **EXACT).fit(str(tmp_path / "rows.csv"), "y")
    rival = theirs.LassoCV(alphas=[0.5, 0.05], cv=cv, **EXACT).fit(X, y)
    assert_allclose(ours.mse_path_, rival.mse_path_, rtol=1e-6)


def test_more_problems_change_nothing():
    X, y, weight = rows(targets=2)
    few = ElasticNetCV(l1_ratio=0.7, alphas=[0.4, 0.04], cv=3, **EXACT).fit(X, y[:, 1], weight)
    many = ElasticNetCV(l1_ratio=[0.2, 0.7], alphas=[0.4, 0.1, 0.04], cv=3, **EXACT)
    many.fit(X, y, weight)
    assert_allclose(many.mse_path_[1, 1][[0, 2]], few.mse_path_, rtol=1e-9)


def test_each_target_chooses_for_itself():
    X, y, _ = rows(targets=3)
    together = ElasticNetCV(l1_ratio=[0.4, 0.9], alphas=10, **EXACT).fit(X, y)
    assert together.alphas_.shape == (3, 2, 10)
    assert together.mse_path_.shape == (3, 2, 10, 5)
    for target in range(3):
        alone = ElasticNetCV(l1_ratio=[0.4, 0.9], alphas=10, **EXACT).fit(X, y[:, target])
        assert together.alpha_[target] == pytest.approx(alone.alpha_, rel=1e-12)
        assert together.l1_ratio_[target] == alone.l1_ratio_
        assert_allclose(together.alphas_[target], alone.alphas_, rtol=1e-12)
        assert_allclose(together.coef_[target], alone.coef_, atol=1e-9)
        assert_allclose(together.mse_path_[target], alone.mse_path_, rtol=1e-9)


def test_weights_are_repetitions_in_their_fold():
    X, y, _ = rows(n=60)
    counts = np.random.default_rng(1).integers(1, 4, 60)
    again = np.repeat(np.arange(60), counts)
    place = np.repeat(np.arange(3), 20)
    pairs = [(np.flatnonzero(place != f), np.flatnonzero(place == f)) for f in range(3)]
    more = [
        (np.flatnonzero(place[again] != f), np.flatnonzero(place[again] == f)) for f in range(3)
    ]
    weighted = LassoCV(alphas=[0.5, 0.1], cv=pairs, **EXACT).fit(X, y, counts)
    repeated = LassoCV(alphas=[0.5, 0.1], cv=more, **EXACT).fit(X[again], y[again])
    assert_allclose(weighted.mse_path_, repeated.mse_path_, rtol=1e-9)
    assert_allclose(weighted.coef_, repeated.coef_, atol=1e-9)


# ------------------------------------------------------------------ the choice, and what is kept


def test_one_standard_error_is_sparser():
    X, y, _ = rows(seed=2)
    best = LassoCV(alphas=40).fit(X, y)
    sparse = LassoCV(alphas=40, selection="1se").fit(X, y)
    mean = best.mse_path_.mean(axis=1)
    error = best.mse_path_.std(axis=1, ddof=1) / np.sqrt(5)
    least = int(mean.argmin())
    line = mean[least] + error[least]
    assert best.alpha_ == best.alphas_[least]
    assert sparse.alpha_ == best.alphas_[mean <= line].max() > best.alpha_


def test_wide_data_end_their_grid_earlier():
    X, y, _ = rows(n=40, p=60)
    model = LassoCV(alphas=5, cv=2, max_iter=20_000).fit(X, y)
    assert model.alphas_[-1] / model.alphas_[0] == pytest.approx(1e-2)
    tall = LassoCV(alphas=5, cv=2).fit(*rows()[:2])
    assert tall.alphas_[-1] / tall.alphas_[0] == pytest.approx(1e-3)
    asked = LassoCV(alphas=5, cv=2, eps=0.1).fit(*rows()[:2])
    assert asked.alphas_[-1] / asked.alphas_[0] == pytest.approx(0.1)


def test_solution_holds_the_whole_path():
    X, y, _ = rows(targets=2)
    frame = pd.DataFrame(X, columns=list("abcdefghi"))
    model = ElasticNetCV(l1_ratio=[0.5, 1.0], alphas=[0.3, 0.03], cv=3, **EXACT).fit(frame, y)
    path = model.solution_
    assert dict(path.sizes) == {"target": 2, "l1_ratio": 2, "alpha": 2, "feature": 9, "fold": 3}
    one = ElasticNet(0.03, l1_ratio=0.5, **EXACT).fit(X, y[:, 1])
    place = {"target": 1, "l1_ratio": 0.5, "alpha": 0.03}
    assert_allclose(path.coef.sel(place), one.coef_, atol=1e-8)
    assert_allclose(path.intercept.sel(place), one.intercept_, atol=1e-7)
    assert path.n_nonzero.sel(place) == np.count_nonzero(one.coef_)
    assert list(path.feature.values) == list("abcdefghi")
    assert_allclose(path.scores.mean("fold").min(), model.mse_path_.mean(axis=-1).min())


def test_places_of_a_labelled_array_come_back_in_the_path():
    X, y, _ = rows()
    field = xr.DataArray(
        X.reshape(N, 3, 3), dims=("time", "lat", "lon"), coords={"lat": [10, 20, 30]}
    )
    target = xr.DataArray(y, dims=("time",))
    path = LassoCV(alphas=4, cv=3).fit(field, target, sample_dim="time").solution_
    assert path.coef.dims == ("alpha", "lat", "lon")
    assert_array_equal(path.lat, [10, 20, 30])


def test_saved_and_loaded(tmp_path):
    X, y, _ = rows()
    model = ElasticNetCV(l1_ratio=[0.5, 1.0], alphas=5, cv=3).fit(X, y)
    model.save(tmp_path / "model.zarr.zip")
    for other in (daskreg.load(tmp_path / "model.zarr.zip"), pickle.loads(pickle.dumps(model))):
        assert type(other) is ElasticNetCV
        assert other.alpha_ == model.alpha_
        assert other.l1_ratio_ == model.l1_ratio_
        assert_array_equal(other.alphas_, model.alphas_)
        assert_array_equal(other.mse_path_, model.mse_path_)
        assert_array_equal(other.predict(X), model.predict(X))
        assert other.solution_.coef.sizes["feature"] == P


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alphas": 0}, "alphas must be an integer of at least 1"),
        ({"alphas": [0.1, -1.0]}, "alphas must be a number at least 0"),
        ({"eps": 0.0}, "eps must be a number above 0"),
        ({"cv": 1}, "cv must be a number of at least 2 folds"),
        ({"cv": "five"}, "cv must be a number of at least 2 folds"),
        ({"selection": "cyclic"}, "selection must be 'best' or '1se'"),
        ({"l1_ratio": [0.5, 2.0]}, "l1_ratio must be a number"),
        ({"l1_ratio": [0.5, 0.0]}, "l1_ratio=0 has no smallest alpha"),
    ],
)
def test_parameters_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        ElasticNetCV(**settings).fit(*rows()[:2])


def test_ridge_alphas_may_be_given():
    X, y, _ = rows()
    ours = ElasticNetCV(l1_ratio=[0.0, 0.5], alphas=[1.0, 0.01], cv=3, **EXACT).fit(X, y)
    for fold, (train, test) in enumerate(KFold(3).split(X)):
        ridge = theirs.Ridge(0.01 * len(train)).fit(X[train], y[train])
        expected = np.square(y[test] - ridge.predict(X[test])).mean()
        assert_allclose(ours.mse_path_[0, 1, fold], expected, rtol=1e-7)


def test_folds_without_weight_are_refused():
    X, y, weight = rows()
    weight[:60] = 0.0
    with pytest.raises(DataError, match="the test set of fold 0 of 3 has no row of positive"):
        LassoCV(alphas=3, cv=3).fit(X, y, weight)
    with pytest.raises(DataError, match=r"no weight|weights are zero|no row"):
        LassoCV(alphas=3, cv=[(np.arange(60), np.arange(60, N))]).fit(X, y, weight)
    with pytest.raises(ValueError, match="200 folds of 180 rows"):
        LassoCV(alphas=3, cv=200).fit(X, y)
    with pytest.raises(ValueError, match="groups"):
        LassoCV(alphas=3, cv=GroupKFold(3)).fit(X, y)
