"""Cross-validation: nothing depends on the batch, what is chosen and kept, what is refused."""

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
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit

import daskreg
from daskreg.exceptions import DataError
from daskreg.linear_model import ElasticNet, ElasticNetCV, LassoCV
from tests.linear_model.correlated import EXACT, N, P, rows

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
