"""Fits that begin at a model that is known: the same solution, in fewer passes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from daskreg import enet_path, lasso_path, logistic_path
from daskreg.exceptions import DataError, ModelFileError
from daskreg.fitting.known import Known
from daskreg.linear_model import (
    BootstrapPaths,
    ElasticNet,
    ElasticNetCV,
    Lasso,
    LassoCV,
    LassoIC,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeCV,
    StabilitySelection,
)
from daskreg.problems import Problems

TIGHT = {"solver": "fista", "tol": 1e-8, "max_iter": 20_000}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(200, 8)) @ (np.eye(8) + 0.4) + 2.0
    y = X[:, 0] - X[:, 3] + rng.normal(size=200)
    return X, y


def labels_of(y, q):
    return np.array(["a", "b", "c"])[np.digitize(y, np.quantile(y, np.arange(1, q) / q))]


@pytest.mark.parametrize(
    "model",
    [
        Lasso(0.05, **TIGHT),
        ElasticNet(0.05, **TIGHT),
        Ridge(3.0, **TIGHT),
        Lasso(0.05, standardize=True, **TIGHT),
        Lasso(0.05, fit_intercept=False, **TIGHT),
    ],
    ids=str,
)
@pytest.mark.parametrize("targets", [1, 2])
def test_a_solution_is_found_where_it_is_known(data, model, targets, tmp_path):
    X, y = data
    y = y if targets == 1 else np.column_stack([y, X[:, 1] ** 2])
    known = type(model)(**model.get_params()).fit(X, y)
    n_iter, coef = np.max(known.n_iter_), known.coef_.copy()
    known.save(tmp_path / "model.zarr.zip")
    for start in (known, tmp_path / "model.zarr.zip", str(tmp_path / "model.zarr.zip")):
        again = type(model)(**model.get_params()).fit(X, y, start=start)
        assert again.n_passes_ < known.n_passes_
        assert np.max(again.n_iter_) < n_iter / 3
        assert_allclose(again.coef_, coef, atol=1e-5)


@pytest.mark.parametrize("q", [2, 3])
def test_classes_too(data, q, tmp_path):
    X, y = data
    labels = labels_of(y, q)
    known = LogisticRegression(10.0, **TIGHT).fit(X, labels)
    again = LogisticRegression(10.0, **TIGHT).fit(X, labels, start=known)
    assert again.n_passes_ < known.n_passes_ / 3
    assert_allclose(again.coef_, known.coef_, atol=1e-3)


def test_each_problem_begins_at_the_nearest_model_of_a_path():
    coef = np.arange(2 * 6).reshape(2, 6, 1, 1).astype(float)
    alpha = np.tile([[1.0, 0.1, 0.01, 1.0, 0.1, 0.01]], (2, 1))
    ratio = np.tile([[0.5] * 3 + [1.0] * 3], (2, 1))
    known = Known(coef, coef[..., 0], alpha, ratio)
    problems = Problems(
        alpha=np.array([50.0, 0.2, 0.04, 0.03, 0.0]),
        l1_ratio=np.array([1.0, 0.9, 0.7, 0.0, 1.0]),
        output=np.array([0, 1, 1, 0, 1]),
    )
    found, intercept = known.columns(problems, problems.alpha, None)
    # Place of the l1_ratio times 3 plus place of the alpha, and 6 for the second target.
    assert_array_equal(found[0, 0], [3, 10, 7, 2, 11])
    assert_array_equal(intercept[0], found[0, 0])


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (LassoCV, {"alphas": [0.5, 0.1, 0.02]}),
        (ElasticNetCV, {"alphas": [0.5, 0.1, 0.02], "l1_ratio": [0.5, 1.0]}),
        (RidgeCV, {"alphas": [0.5, 10.0, 100.0], "cv": 3}),
        (LogisticRegressionCV, {"Cs": [0.1, 1.0], "cv": 3}),
    ],
)
def test_cross_validation_begins_at_its_own_path(data, kind, settings):
    X, y = data
    y = y > 0 if kind is LogisticRegressionCV else y
    whole = kind(**settings, **TIGHT).fit(X, y)
    again = kind(**settings, **TIGHT).fit(X, y, start=whole)
    path = again.solution_
    # Problems of all rows are solved already; those of the folds begin near.
    assert path.n_iter.sum() < whole.solution_.n_iter.sum() / 2
    assert_allclose(path.scores, whole.solution_.scores, rtol=1e-3)
    lone = kind(**settings, **TIGHT).fit(X, y, start=_loaded(whole))
    assert_allclose(lone.solution_.scores, path.scores, rtol=1e-3)


def _loaded(model):
    """The kept model alone, as a file has it."""
    import copy

    alone = copy.copy(model)
    del alone._paths
    return alone


def test_paths_begin_where_they_are_told(data):
    X, y = data
    settings = {"alphas": [0.5, 0.1, 0.02], "return_n_iter": True, **TIGHT}
    known = LassoCV(alphas=settings["alphas"], **TIGHT).fit(X, y)
    plain = lasso_path(X, y, fit_intercept=True, **settings)
    quick = lasso_path(X, y, fit_intercept=True, **settings, start=known)
    assert quick[3].sum() < plain[3].sum() / 3
    assert_allclose(quick[1], plain[1], atol=1e-4)
    classifier = LogisticRegressionCV(Cs=[0.1, 1.0], **TIGHT).fit(X, y > 0)
    with pytest.warns(ConvergenceWarning, match="max_passes"):
        gaps = logistic_path(X, y > 0, Cs=[0.1, 1.0], max_passes=2, **TIGHT)[3]
    nearer = logistic_path(X, y > 0, Cs=[0.1, 1.0], max_passes=2, start=classifier, **TIGHT)[3]
    assert (nearer <= 1e-8).all()
    assert (nearer < gaps).all()


@pytest.mark.parametrize("kind", [BootstrapPaths, StabilitySelection])
def test_resamples_begin_at_a_model_of_all_rows(data, kind):
    X, y = data
    settings = {"alphas": [0.05], "solver": "fista", "tol": 1e-6, "standardize": False}
    known = Lasso(0.05, **TIGHT).fit(X, y)
    plain, near = kind(**settings).fit(X, y), kind(**settings).fit(X, y, start=known)
    assert near.n_passes_ < plain.n_passes_
    name = "inclusion_" if kind is BootstrapPaths else "selection_probabilities_"
    assert_allclose(getattr(near, name), getattr(plain, name), atol=0.02)


def test_a_start_has_its_word_over_warm_start(data):
    X, y = data
    model = Lasso(0.05, warm_start=True, **TIGHT).fit(X, y)
    model.coef_ = model.coef_ + 100.0  # a bad place to begin
    good = Lasso(0.05, **TIGHT).fit(X, y)
    assert model.fit(X, y, start=good).n_iter_ <= 10 < good.n_iter_


def test_a_start_is_of_use_before_early_stopping_and_a_criterion(data):
    X, y = data
    known = LogisticRegression(1.0, **TIGHT).fit(X, y > 0)
    model = LogisticRegression(1.0, **TIGHT).fit(X, y > 0, start=known, validation=0.2)
    plain = LogisticRegression(1.0, **TIGHT).fit(X, y > 0, validation=0.2)
    assert model.validation_scores_[0] < np.nanmax(plain.validation_scores_) - 0.05
    ours = LassoIC(criterion="bic").fit(X, y, start=Lasso(0.1).fit(X, y))
    assert_allclose(ours.coef_, LassoIC(criterion="bic").fit(X, y).coef_, atol=1e-4)


def test_models_that_do_not_go_with_the_data(data, tmp_path):
    X, y = data
    named = pd.DataFrame(X, columns=list("abcdefgh"))
    known = Lasso().fit(named, y)
    classes = LogisticRegression().fit(X, labels_of(y, 2))
    for start, rows, target, message in (
        (known, X[:, :5], y, "coefficients of 8 features, X has 5"),
        (known, named[list("abcdefhg")], y, "column 6 is 'g', that of X is 'h'"),
        (known, X, np.column_stack([y, y]), "a model of 1 targets, y has 2"),
        (classes, X, y, "LogisticRegression of classes, but numbers are to be fitted"),
    ):
        with pytest.raises(DataError, match=message):
            Lasso().fit(rows, target, start=start)
    assert Lasso().fit(X, y, start=known).n_features_in_ == 8  # no names to compare
    with pytest.raises(DataError, match="Lasso of numbers, but classes are to be fitted"):
        LogisticRegression().fit(X, y > 0, start=known)
    for q, other in ((3, r"\['a', 'b', 'c'\]"), (2, r"\[False, True\]")):
        target = labels_of(y, q) if q == 3 else y > 0
        with pytest.raises(DataError, match=rf"\['a', 'b'\] apart, y holds {other}"):
            LogisticRegression().fit(X, target, start=classes)
    with pytest.raises(ValueError, match="Lasso without coef_"):
        Lasso().fit(X, y, start=Lasso())
    with pytest.raises(ValueError, match="got a dict"):
        enet_path(X, y, start={})
    with pytest.raises(ModelFileError, match="no model file"):
        Lasso().fit(X, y, start=tmp_path / "none.zarr.zip")
