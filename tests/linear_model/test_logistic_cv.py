"""LogisticRegressionCV: each fold's problem by definition, scikit-learn, passes, choices."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import sklearn.linear_model as reference
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold, StratifiedKFold

import daskreg
from daskreg.linear_model import LogisticRegression, LogisticRegressionCV, logistic_path

CS = [1e-3, 1e-2, 0.1, 1.0, 10.0]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6))
    y = np.where(X[:, 0] - 0.5 * X[:, 1] + rng.normal(size=300) > 0.3, "yes", "no")
    return X, y, rng.uniform(0.5, 2.0, size=300)


@pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy", "roc_auc"])
def test_agrees_with_scikit_learn(data, scoring):
    X, y, _ = data
    ours = LogisticRegressionCV(Cs=CS, scoring=scoring, tol=1e-10).fit(X, y)
    theirs = reference.LogisticRegressionCV(
        Cs=CS,
        l1_ratios=(0.0,),
        scoring=scoring,
        solver="newton-cholesky",
        tol=1e-9,
        use_legacy_attributes=False,
    ).fit(X, y)
    assert isinstance(ours.C_, float)
    assert (ours.C_, ours.l1_ratio_) == (theirs.C_, theirs.l1_ratio_)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-6)
    assert_allclose(ours.coefs_paths_, theirs.coefs_paths_, atol=1e-6)
    # The AUC is read off bins, in which pairs of rows may tie.
    assert_allclose(ours.scores_, theirs.scores_, atol=2e-3 if scoring == "roc_auc" else 1e-8)
    assert ours.n_iter_.shape == theirs.n_iter_.shape
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y), abs=1e-6)


def test_agrees_with_scikit_learn_on_l1(data):
    X, y, _ = data
    given = {"Cs": [0.1, 1.0, 10.0], "l1_ratios": (0.5, 1.0), "scoring": "neg_log_loss"}
    ours = LogisticRegressionCV(**given, tol=1e-10).fit(X, y)
    theirs = reference.LogisticRegressionCV(
        **given, solver="saga", tol=1e-9, max_iter=100_000, use_legacy_attributes=False
    ).fit(X, y)
    assert (ours.C_, ours.l1_ratio_) == (theirs.C_, theirs.l1_ratio_)
    assert_allclose(ours.coefs_paths_, theirs.coefs_paths_, atol=1e-6)
    assert_allclose(ours.scores_, theirs.scores_, atol=1e-7)


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy", "roc_auc"])
def test_agrees_with_scikit_learn_on_three_classes(scoring, refit):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(240, 5))
    y = np.array(list("cab"))[(X[:, :3] + 0.5 * rng.normal(size=(240, 3))).argmax(axis=1)]
    given = {"Cs": [0.01, 1.0, 10.0], "refit": refit, "cv": 4}
    ours = LogisticRegressionCV(**given, scoring=scoring, tol=1e-10).fit(X, y)
    theirs = reference.LogisticRegressionCV(
        **given, l1_ratios=(0.0,), solver="newton-cg", tol=1e-9, use_legacy_attributes=False,
        scoring="roc_auc_ovr" if scoring == "roc_auc" else scoring,
    ).fit(X, y)  # fmt: skip
    assert ours.coefs_paths_.shape == (4, 1, 3, 3, 6)
    assert_allclose(ours.coefs_paths_, theirs.coefs_paths_, atol=1e-6)
    assert_allclose(ours.scores_, theirs.scores_, atol=2e-3 if scoring == "roc_auc" else 1e-8)
    assert (ours.C_, ours.l1_ratio_) == (theirs.C_, theirs.l1_ratio_)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-6)
    assert ours.solution_.coef.dims == ("class", "alpha", "feature")


def test_means_over_the_folds(data):
    X, y, w = data
    weights = {"no": 1.0, "yes": 3.0}
    ours = LogisticRegressionCV(Cs=CS, refit=False, class_weight=weights, tol=1e-10)
    ours.fit(X, y, w)
    theirs = reference.LogisticRegressionCV(
        Cs=CS, l1_ratios=(0.0,), scoring="neg_log_loss", solver="newton-cholesky", tol=1e-9,
        refit=False, class_weight=weights, use_legacy_attributes=False,
    ).fit(X, y, w)  # fmt: skip
    assert_allclose(ours.coefs_paths_, theirs.coefs_paths_, atol=1e-6)
    best = ours.scores_[:, 0].argmax(axis=1)
    assert pytest.approx(np.mean(np.array(CS)[best])) == ours.C_
    assert_allclose(ours.coef_[0], ours.coefs_paths_[range(5), 0, best, 0, :-1].mean(axis=0))
    assert np.isnan(ours.dual_gap_)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_a_fold_is_a_fit_on_its_training_rows(data, class_weight):
    """Weights, class weights, scales and C of a fold are those of its training rows."""
    X, y, w = data
    ours = LogisticRegressionCV(
        Cs=[0.1, 1.0], l1_ratios=[0.3], cv=3, class_weight=class_weight, standardize=True, tol=1e-10
    ).fit(X, y, w)
    for fold, (train, test) in enumerate(StratifiedKFold(3).split(X, y)):
        for place, C in enumerate(ours.Cs_):
            alone = LogisticRegression(
                C, l1_ratio=0.3, class_weight=class_weight, standardize=True, tol=1e-10
            ).fit(X[train], y[train], w[train])
            row = ours.coefs_paths_[fold, 0, place, 0]
            assert_allclose(row[:-1], alone.coef_[0], atol=1e-6)
            assert_allclose(row[-1], alone.intercept_[0], atol=1e-6)
            loss = log_loss(y[test], alone.predict_proba(X[test]), sample_weight=w[test])
            assert ours.scores_[fold, 0, place] == pytest.approx(-loss, abs=1e-7)
    whole = LogisticRegression(
        ours.C_, l1_ratio=0.3, class_weight=class_weight, standardize=True, tol=1e-10
    ).fit(X, y, w)
    assert_allclose(ours.coef_, whole.coef_, atol=1e-6)


def test_passes_do_not_grow_with_folds_and_grid(data):
    X, y, _ = data
    lone = LogisticRegression(1e4, solver="quasi_newton").fit(X, y).n_passes_
    for settings in ({"Cs": 3, "cv": 2}, {"Cs": 20, "cv": 10, "l1_ratios": [0.0, 0.5, 1.0]}):
        model = LogisticRegressionCV(**settings, solver="quasi_newton").fit(X, y)
        # The slowest column, a few that another fold needs, and one pass of scores.
        assert model.n_passes_ <= lone + 6
        slowest = model.n_iter_.max()
        assert model.n_passes_ <= slowest + 4


def test_one_standard_error(data):
    X, y, _ = data
    model = LogisticRegressionCV(Cs=20, selection="1se").fit(X, y)
    scores = model.scores_[:, 0]
    mean, error = scores.mean(axis=0), scores.std(axis=0, ddof=1) / np.sqrt(5)
    best = mean.argmax()
    near = mean >= mean[best] - error[best]
    assert model.Cs_[near].min() == model.C_ < model.Cs_[best]


def test_any_chunking(data):
    X, y, w = data
    whole = LogisticRegressionCV(Cs=CS, l1_ratios=[1.0], cv=3).fit(X, y, w)
    for rows in (37, 100):
        parts = [da.from_array(a, chunks=(rows, *a.shape[1:])) for a in (X, y, w)]
        cut = LogisticRegressionCV(Cs=CS, l1_ratios=[1.0], cv=3).fit(*parts)
        assert cut.C_ == whole.C_
        assert_allclose(cut.scores_, whole.scores_, atol=1e-6)
        assert_allclose(cut.coef_, whole.coef_, atol=1e-4)


def test_splitters_groups_and_offsets(data):
    X, y, _ = data
    same = [KFold(4), KFold(4).split(X)]
    first, second = (LogisticRegressionCV(Cs=CS, cv=cv).fit(X, y).scores_ for cv in same)
    assert_allclose(first, second, atol=1e-12)
    offset = np.linspace(-1.0, 1.0, len(y))
    model = LogisticRegressionCV(Cs=[0.5], cv=3, tol=1e-10).fit(X, y, offset=offset)
    for fold, (train, test) in enumerate(StratifiedKFold(3).split(X, y)):
        alone = LogisticRegression(0.5, tol=1e-10).fit(X[train], y[train], offset=offset[train])
        chance = alone.predict_proba(X[test], offset[test])
        assert model.scores_[fold, 0, 0] == pytest.approx(-log_loss(y[test], chance), abs=1e-7)


def test_round_trip_and_dataset(tmp_path, data):
    X, y, _ = data
    model = LogisticRegressionCV(Cs=CS, l1_ratios=[0.0, 1.0]).fit(X, y)
    assert model.solution_["scores"].shape == (5, 2, 5)
    loaded = daskreg.load(model.save(tmp_path / "cv.zarr.zip"))
    assert_array_equal(loaded.coefs_paths_, model.coefs_paths_)
    assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.solution_["coef"].shape == (1, 6)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"Cs": 0}, "Cs"),
        ({"Cs": [1.0, -1.0]}, "Cs"),
        ({"l1_ratios": []}, "l1_ratios"),
        ({"l1_ratios": [2.0]}, "l1_ratios"),
        ({"scoring": "r2"}, "scoring"),
        ({"selection": "least"}, "selection"),
        ({"refit": False, "selection": "1se"}, "refit=False"),
        ({"cv": 1}, "cv"),
    ],
)
def test_wrong_parameters_are_told_before_data_are_opened(wrong, words):
    with pytest.raises(ValueError, match=words):
        LogisticRegressionCV(**wrong).fit("no-such-file.npy", "y")


def test_a_path_is_its_fits(data):
    X, y, w = data
    Cs, coefs, intercepts, gaps = logistic_path(X, y, Cs=CS, l1_ratio=1.0, sample_weight=w)
    assert_array_equal(Cs, CS)
    assert coefs.shape == (5, 1, 6)
    assert (gaps >= 0).all()
    for place, C in enumerate(CS):
        alone = LogisticRegression(C, l1_ratio=1.0).fit(X, y, w)
        assert_allclose(coefs[place], alone.coef_, atol=1e-3)
        assert_allclose(intercepts[place], alone.intercept_, atol=1e-3)
