"""Ridge by leaving rows out: equal to fitting anew without each of them."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import linear_model as theirs
from sklearn.model_selection import KFold

import daskreg
from daskreg.exceptions import DataError
from daskreg.linear_model import Ridge, RidgeCV

N, P = 60, 5
ALPHAS = [0.1, 10.0, 300.0]


def rows(seed=0, n=N, p=P, targets=1):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) @ (np.eye(p) + 0.4) + 3.0
    Y = X[:, :3] @ rng.normal(size=(3, targets)) + 2.0 * rng.normal(size=(n, targets)) - 7.0
    return X, Y[:, 0] if targets == 1 else Y, rng.uniform(0.2, 3.0, n)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "settings",
    [{}, {"fit_intercept": False}, {"penalty_weight": [0.0, 1.0, 2.0, 0.5, 1.0]}],
    ids=str,
)
def test_errors_are_those_of_models_fitted_without_the_row(weighted, settings):
    X, y, weight = rows()
    weight = weight if weighted else np.ones(N)
    offset = np.cos(np.arange(N))
    model = RidgeCV(ALPHAS, store_cv_results=True, **settings).fit(X, y, weight, offset)
    assert model.n_passes_ == 2
    for row in (0, 17, 59):
        rest = np.arange(N) != row
        for place, alpha in enumerate(ALPHAS):
            one = Ridge(alpha, **settings).fit(X[rest], y[rest], weight[rest], offset[rest])
            left = y[row] - one.predict(X[[row]], offset[[row]])[0]
            assert_allclose(model.cv_results_[row, place], weight[row] * left**2, rtol=1e-8)
    best = int(model.cv_results_.mean(axis=0).argmin())
    assert model.alpha_ == ALPHAS[best]
    assert_allclose(model.best_score_, -model.cv_results_.mean(axis=0)[best], rtol=1e-12)


@pytest.mark.parametrize("n", [N, 4])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("targets", [1, 3])
@pytest.mark.parametrize(
    "settings", [{}, {"fit_intercept": False}, {"alpha_per_target": True}], ids=str
)
def test_the_same_as_scikit_learn(n, weighted, targets, settings):
    X, y, weight = rows(n=n, targets=targets)
    weight = weight if weighted else None
    ours = RidgeCV(ALPHAS, store_cv_results=True, **settings).fit(X, y, weight)
    rival = theirs.RidgeCV(ALPHAS, store_cv_results=True, **settings).fit(X, y, weight)
    assert_allclose(ours.cv_results_, rival.cv_results_, rtol=1e-7)
    assert_array_equal(ours.alpha_, rival.alpha_)
    assert_allclose(ours.best_score_, rival.best_score_, rtol=1e-8)
    assert_allclose(ours.coef_, rival.coef_, rtol=1e-7, atol=1e-9)
    assert_allclose(ours.intercept_, rival.intercept_, rtol=1e-7)


def test_kinds_of_X_and_chunkings_give_the_same():
    X, y, weight = rows()
    expected = RidgeCV(ALPHAS, store_cv_results=True).fit(X, y, weight)
    for other in (sp.csr_array(X), da.from_array(X, chunks=(7, P)), X + 1e6):
        found = RidgeCV(ALPHAS, store_cv_results=True).fit(other, y, weight)
        assert_allclose(found.cv_results_, expected.cv_results_, rtol=1e-6)


def test_columns_that_are_constant_or_repeated():
    X, y, weight = rows()
    wide = np.column_stack([X, np.full(N, 4.0), X[:, 0]])
    ours = RidgeCV(ALPHAS, store_cv_results=True).fit(wide, y, weight)
    rival = theirs.RidgeCV(ALPHAS, store_cv_results=True).fit(wide, y, weight)
    assert_allclose(ours.cv_results_, rival.cv_results_, rtol=1e-7)


@pytest.mark.parametrize("weighted", [False, True])
def test_folds_penalise_by_the_weight_of_their_training_rows(weighted):
    X, y, weight = rows()
    weight = weight if weighted else np.ones(N)
    model = RidgeCV(ALPHAS, cv=4, scoring="neg_mean_squared_error").fit(X, y, weight)
    errors = np.empty((4, len(ALPHAS)))
    for fold, (train, test) in enumerate(KFold(4).split(X)):
        for place, alpha in enumerate(ALPHAS):
            one = theirs.Ridge(alpha).fit(X[train], y[train], weight[train])
            left = np.square(y[test] - one.predict(X[test]))
            errors[fold, place] = np.average(left, weights=weight[test])
    best = int(errors.mean(axis=0).argmin())
    assert model.n_passes_ == 1
    assert model.alpha_ == ALPHAS[best]
    assert_allclose(-model.best_score_, errors.mean(axis=0)[best], rtol=1e-9)
    assert_allclose(model.solution_.scores, -errors, rtol=1e-9)
    assert_allclose(model.solution_.alpha, ALPHAS)


@pytest.mark.parametrize("scoring", [None, "r2", "neg_mean_squared_error"])
@pytest.mark.parametrize("targets", [1, 3])
@pytest.mark.parametrize("cv", [4, KFold(3, shuffle=True, random_state=0)], ids=["4", "shuffled"])
def test_scores_of_folds_are_those_of_scikit_learn(scoring, targets, cv):
    X, y, _ = rows(targets=targets)
    ours = RidgeCV(ALPHAS, cv=cv, scoring=scoring).fit(X, y)
    rival = theirs.RidgeCV(ALPHAS, cv=cv, scoring=scoring).fit(X, y)
    assert ours.n_passes_ == 1
    assert_allclose(ours.best_score_, rival.best_score_, rtol=1e-9)
    assert ours.alpha_ == rival.alpha_
    assert_allclose(ours.coef_, rival.coef_, rtol=1e-7)


@pytest.mark.parametrize("scoring", ["r2", "neg_mean_squared_error"])
@pytest.mark.parametrize("per_target", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_scores_of_single_rows_are_those_of_scikit_learn(scoring, per_target, weighted):
    X, y, weight = rows(targets=3)
    weight = weight if weighted else None
    settings = {"scoring": scoring, "alpha_per_target": per_target}
    ours = RidgeCV(ALPHAS, **settings).fit(X, y, weight)
    rival = theirs.RidgeCV(ALPHAS, **settings).fit(X, y, weight)
    assert ours.n_passes_ == 2
    assert_allclose(ours.best_score_, rival.best_score_, rtol=1e-8)
    assert_array_equal(ours.alpha_, rival.alpha_)


@pytest.mark.parametrize("n_folds", [3, 20])
def test_r_squared_is_weighted_within_the_fold(n_folds):
    X, y, weight = rows()
    offset = np.cos(np.arange(N))
    y[:3] = -7.0  # of 20 folds the first has nothing to explain
    model = RidgeCV(ALPHAS, cv=n_folds).fit(da.from_array(X, chunks=(7, P)), y, weight, offset)
    for fold, (train, test) in enumerate(KFold(n_folds).split(X)):
        for place, alpha in enumerate(ALPHAS):
            one = Ridge(alpha).fit(X[train], y[train], weight[train], offset[train])
            expected = one.score(X[test], y[test], weight[test], offset[test])
            assert_allclose(model.solution_.scores[fold, place], expected, rtol=1e-7, atol=1e-12)


def test_r_squared_of_single_rows_does_not_exist():
    X, y, _ = rows()
    with pytest.raises(DataError, match="use scoring='neg_mean_squared_error'"):
        RidgeCV(ALPHAS, cv=N).fit(X, y)
    alone = RidgeCV(ALPHAS, cv=N, scoring="neg_mean_squared_error").fit(X, y)
    assert_allclose(alone.best_score_, RidgeCV(ALPHAS).fit(X, y).best_score_, rtol=1e-3)


def test_targets_share_an_alpha_unless_they_are_asked_alone():
    X, y, _ = rows(targets=3)
    y[:, 1] = np.random.default_rng(5).normal(size=N)  # nothing to learn: the strongest penalty
    for cv in (None, 3):
        each = RidgeCV(ALPHAS, cv=cv, alpha_per_target=True).fit(X, y)
        alone = [RidgeCV(ALPHAS, cv=cv).fit(X, y[:, t]) for t in range(3)]
        assert_array_equal(each.alpha_, [model.alpha_ for model in alone])
        assert_allclose(each.best_score_, [model.best_score_ for model in alone], rtol=1e-9)
        assert_allclose(each.coef_, [model.coef_ for model in alone], atol=1e-10)
        assert len(set(each.alpha_)) > 1
        together = RidgeCV(ALPHAS, cv=cv).fit(X, y)
        assert isinstance(together.alpha_, float)


def test_positive_coefficients_by_folds():
    X, y, _ = rows()
    model = RidgeCV(ALPHAS, cv=3, positive=True, tol=1e-10).fit(X, y)
    one = Ridge(model.alpha_, positive=True, tol=1e-10).fit(X, y)
    assert (model.coef_ >= 0).all()
    assert_allclose(model.coef_, one.coef_, atol=1e-5)


def test_saved_and_loaded(tmp_path):
    X, y, _ = rows()
    model = RidgeCV(ALPHAS, store_cv_results=True).fit(X, y)
    model.save(tmp_path / "model.zarr.zip")
    other = daskreg.load(tmp_path / "model.zarr.zip")
    assert other.alpha_ == model.alpha_
    assert_array_equal(other.cv_results_, model.cv_results_)
    assert not hasattr(model.set_params(store_cv_results=False).fit(X, y), "cv_results_")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alphas": [0.0, 1.0]}, "alphas must be a number above 0"),
        ({"alphas": []}, "alphas is empty"),
        ({"positive": True}, "pass cv=5"),
        ({"selection": "1se"}, "pass cv=5"),
        ({"solver": "fista"}, "makes no Gram matrix"),
        ({"cv": 3, "store_cv_results": True}, "it needs cv=None"),
        ({"scoring": "r2", "store_cv_results": True}, "scoring=None"),
        ({"scoring": "accuracy"}, "scoring must be None or one of 'r2'"),
    ],
)
def test_parameters_that_do_not_go_together(settings, message):
    with pytest.raises(ValueError, match=message):
        RidgeCV(**settings).fit(*rows()[:2])


def test_free_columns_that_are_collinear_have_no_leave_one_out_errors():
    X, y, _ = rows()
    twice = np.column_stack([X, X[:, 0]])
    with pytest.raises(DataError, match="collinear or constant"):
        RidgeCV(ALPHAS, penalty_weight=[0.0, 1, 1, 1, 1, 0.0]).fit(twice, y)


def test_errors_of_every_row_are_in_the_plan():
    X, y, _ = rows()
    plans = [RidgeCV(ALPHAS, store_cv_results=kept).fit(X, y).plan_ for kept in (False, True)]
    least = 8 * N * len(ALPHAS)
    assert plans[1].memory["solver"] - plans[0].memory["solver"] >= least
    assert plans[0].passes == plans[1].passes == 2
