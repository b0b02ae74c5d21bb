"""Coefficients against scikit-learn's, both sides solved far below what is compared."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.linear_model as reference
from numpy.testing import assert_allclose
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from daskreg.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge

TIGHT = {"tol": 1e-13, "max_iter": 100_000}
EXACT = {"tol": 1e-14, "max_iter": 1_000_000}


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return X * 20.0, y


@pytest.fixture(scope="module")
def weight(diabetes):
    return np.random.default_rng(0).integers(0, 4, len(diabetes[1])).astype(float)


def squared_objective(X, y, coef, intercept, alpha, l1_ratio, weight=None):
    weight = np.ones(len(y)) if weight is None else weight
    loss = np.average((y - X @ coef - intercept) ** 2, weights=weight) / 2
    return loss + alpha * (l1_ratio * np.abs(coef).sum() + (1 - l1_ratio) / 2 * coef @ coef)


@pytest.mark.parametrize("alpha", [0.1, 2.0, 20.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_lasso(diabetes, weight, alpha, fit_intercept, weighted):
    X, y = diabetes
    sample_weight = weight if weighted else None
    ours = Lasso(alpha, fit_intercept=fit_intercept, **TIGHT).fit(X, y, sample_weight)
    theirs = reference.Lasso(alpha, fit_intercept=fit_intercept, **EXACT)
    theirs.fit(X, y, sample_weight)
    assert ours.relative_gap_ <= 1e-12
    assert ours.n_passes_ == 1
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-6)
    assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-6)


@pytest.mark.parametrize("l1_ratio", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("solver", ["gram", "fista"])
def test_elastic_net(diabetes, weight, l1_ratio, solver):
    X, y = diabetes
    ours = ElasticNet(1.0, l1_ratio=l1_ratio, solver=solver, **TIGHT).fit(X, y, weight)
    theirs = reference.ElasticNet(1.0, l1_ratio=l1_ratio, **EXACT).fit(X, y, weight)
    # A relative gap of 1e-13 leaves a first-order method this far from the minimum.
    atol = 1e-6 if solver == "gram" else 1e-4
    assert ours.relative_gap_ <= 1e-12
    assert_allclose(ours.coef_, theirs.coef_, atol=atol)
    assert_allclose(ours.intercept_, theirs.intercept_, atol=atol)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_lasso_positive(diabetes, fit_intercept):
    X, y = diabetes
    settings = {"fit_intercept": fit_intercept, "positive": True}
    ours = Lasso(1.0, **settings, **TIGHT).fit(X, y)
    theirs = reference.Lasso(1.0, **settings, **EXACT).fit(X, y)
    assert (ours.coef_ >= 0).all()
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_ridge(diabetes, weight, alpha, fit_intercept, weighted):
    X, y = diabetes
    sample_weight = weight if weighted else None
    ours = Ridge(alpha, fit_intercept=fit_intercept, **TIGHT).fit(X, y, sample_weight)
    theirs = reference.Ridge(alpha, fit_intercept=fit_intercept, solver="cholesky")
    theirs.fit(X, y, sample_weight)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-6)


def test_targets_are_problems_of_their_own(diabetes):
    X, y = diabetes
    Y = np.stack([y, y**2 / 100, X[:, 0]], axis=1)
    lasso = Lasso(1.0, **TIGHT).fit(X, Y)
    alphas = [0.5, 5.0, 50.0]
    ridge = Ridge(alphas, **TIGHT).fit(X, Y)
    assert lasso.coef_.shape == ridge.coef_.shape == (3, 10)
    assert lasso.n_passes_ == ridge.n_passes_ == 1
    for name in ("intercept_", "dual_gap_", "relative_gap_", "n_iter_", "status_"):
        assert getattr(lasso, name).shape == (3,)
    theirs = reference.Ridge(alphas, solver="cholesky").fit(X, Y)
    assert_allclose(ridge.coef_, theirs.coef_, atol=1e-6)
    for target in range(3):
        alone = reference.Lasso(1.0, **EXACT).fit(X, Y[:, target])
        assert_allclose(lasso.coef_[target], alone.coef_, atol=1e-6)
    assert_allclose(lasso.predict(X), X @ lasso.coef_.T + lasso.intercept_)
    assert lasso.sparse_coef_.shape == (3, 10)
    assert_allclose(lasso.sparse_coef_.toarray(), lasso.coef_)


def test_collinear_columns_agree_in_objective_and_predictions(diabetes):
    X, y = diabetes
    X = np.hstack([X, X[:, :3], X[:, [0]] + X[:, [1]]])
    ours = Lasso(1.0, **TIGHT).fit(X, y)
    theirs = reference.Lasso(1.0, **EXACT).fit(X, y)
    values = [squared_objective(X, y, m.coef_, m.intercept_, 1.0, 1.0) for m in (ours, theirs)]
    assert_allclose(values[0], values[1], rtol=1e-10)
    assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-4)


def test_offset_is_part_of_the_predictor(diabetes):
    X, y = diabetes
    offset = np.random.default_rng(1).normal(size=len(y)) * 30
    y = y + offset
    ours = Lasso(1.0, **TIGHT).fit(X, y, offset=offset)
    theirs = reference.Lasso(1.0, **EXACT).fit(X, y - offset)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    assert_allclose(ours.predict(X, offset), theirs.predict(X) + offset, atol=1e-6)
    assert ours.score(X, y, offset=offset) > ours.score(X, y)


def test_standardize_is_scaling_by_hand(diabetes, weight):
    X, y = diabetes
    X = X * np.geomspace(1e-2, 1e2, X.shape[1]) + 5.0
    mean = np.average(X, axis=0, weights=weight)
    scale = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))
    ours = Lasso(1.0, standardize=True, **TIGHT).fit(X, y, weight)
    theirs = reference.Lasso(1.0, **EXACT).fit((X - mean) / scale, y, weight)
    assert_allclose(ours.coef_ * scale, theirs.coef_, atol=1e-6)


def test_penalty_weight_scales_columns(diabetes):
    X, y = diabetes
    factor = np.linspace(0.5, 3.0, X.shape[1])
    ours = Lasso(1.0, penalty_weight=factor, **TIGHT).fit(X, y)
    theirs = reference.Lasso(1.0, **EXACT).fit(X / factor, y)
    assert_allclose(ours.coef_, theirs.coef_ / factor, atol=1e-6)


def test_unpenalised_column_has_no_gradient_left(diabetes):
    X, y = diabetes
    factor = np.ones(X.shape[1])
    factor[2] = 0.0
    model = Lasso(50.0, penalty_weight=factor, **TIGHT).fit(X, y)
    residual = y - model.predict(X)
    assert model.coef_[2] != 0
    assert abs(X[:, 2] @ residual / len(y)) < 1e-6 * abs(X[:, 2] @ y / len(y))


def test_path_equals_single_fits(diabetes):
    X, y = diabetes
    X, y = X - X.mean(0), y - y.mean()
    alphas, coefs, gaps = Lasso.path(X, y, n_alphas=10, eps=1e-2, **TIGHT)
    assert coefs.shape == (10, 10)
    assert gaps.shape == alphas.shape == (10,)
    assert_allclose(alphas[0], np.abs(X.T @ y).max() / len(y))
    assert_allclose(coefs[:, 0], 0.0, atol=1e-9)
    theirs = reference.lasso_path(X, y, alphas=alphas, **EXACT)
    assert_allclose(coefs, theirs[1], atol=1e-6)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("solver", ["gram", "fista"])
def test_a_path_with_unpenalised_columns_starts_from_their_fit(diabetes, positive, solver):
    """At the first alpha only the free columns are in the model, just below one more is."""
    X, y = diabetes
    free = np.array([1, 8])
    settings = {"penalty_weight": ~np.isin(np.arange(10), free) * 1.0, "positive": positive}
    settings |= {"fit_intercept": True, "solver": solver, **TIGHT}
    alphas, coefs, _ = Lasso.path(X, y, n_alphas=5, eps=0.5, **settings)
    alone = reference.LinearRegression(positive=positive).fit(X[:, free], y)
    assert_allclose(coefs[free, 0], alone.coef_, rtol=1e-5, atol=1e-9)
    others = np.delete(coefs, free, axis=0)
    assert_allclose(others[:, 0], 0.0, atol=0.0 if solver == "gram" else 1e-4)
    below = Lasso(alphas[0] * (1 - 1e-6), **settings).fit(X, y)
    assert np.delete(below.coef_, free).any()
    single = Lasso(alphas[3], **settings).fit(X, y)
    assert_allclose(coefs[:, 3], single.coef_, atol=1e-4)


@pytest.mark.parametrize("solver", ["gram", "fista"])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.3, 0.7])
def test_the_first_alpha_is_the_smallest_without_coefficients(diabetes, solver, l1_ratio):
    X, y = diabetes
    settings = {"l1_ratio": l1_ratio, "fit_intercept": True, "solver": solver, **TIGHT}
    _, coefs, _ = ElasticNet.path(X, y, n_alphas=3, eps=1 - 1e-4, **settings)
    assert not coefs[:, 0].any()
    assert coefs[:, 2].any()


def test_elastic_net_path_of_given_alphas(diabetes):
    X, y = diabetes
    Y = np.stack([y, -y], axis=1)
    alphas, coefs, gaps = ElasticNet.path(X, Y, l1_ratio=0.3, alphas=[0.1, 1.0], **TIGHT)
    assert alphas.tolist() == [1.0, 0.1]
    assert coefs.shape == (2, 10, 2)
    assert gaps.shape == (2, 2)
    assert_allclose(coefs[0], -coefs[1], atol=1e-7)
    theirs = reference.enet_path(X, y, l1_ratio=0.3, alphas=alphas, **EXACT)
    assert_allclose(coefs[0], theirs[1], atol=1e-6)


# ---------------------------------------------------------------------- logistic


def scaled(X):
    return (X - X.mean(0)) / np.where(X.std(0) > 0, X.std(0), 1.0)


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return scaled(X), y


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(n_class=2, return_X_y=True)
    return X / 16.0, y


def logistic_objective(model, X, y, C, l1_ratio, weight=None):
    weight = np.ones(len(y)) if weight is None else weight
    eta = X @ model.coef_[0] + np.ravel(model.intercept_)[0]
    loss = weight @ np.logaddexp(0.0, np.where(y == model.classes_[1], -eta, eta))
    coef = model.coef_[0]
    penalty = l1_ratio * np.abs(coef).sum() + (1 - l1_ratio) / 2 * coef @ coef
    return C * loss + penalty


GLM = {"tol": 1e-12, "max_iter": 20_000}


@pytest.mark.parametrize("data", ["cancer", "digits"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 1.0, 1: 3.0}])
def test_ridge_logistic(data, fit_intercept, class_weight, request):
    X, y = request.getfixturevalue(data)
    settings = {"C": 0.05, "fit_intercept": fit_intercept, "class_weight": class_weight}
    ours = LogisticRegression(**settings, **GLM).fit(X, y)
    theirs = reference.LogisticRegression(solver="newton-cholesky", tol=1e-12, **settings)
    theirs.fit(X, y)
    assert ours.relative_gap_ <= 1e-12
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-6)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)
    assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-5)


@pytest.mark.parametrize("data", ["cancer", "digits"])
def test_lasso_logistic_without_intercept(data, request):
    X, y = request.getfixturevalue(data)
    settings = {"C": 0.1, "l1_ratio": 1.0, "fit_intercept": False}
    ours = LogisticRegression(**settings, **GLM).fit(X, y)
    theirs = reference.LogisticRegression(
        solver="liblinear", tol=1e-10, max_iter=100_000, **settings
    )
    theirs.fit(X, y)
    values = [logistic_objective(model, X, y, 0.1, 1.0) for model in (ours, theirs)]
    assert values[0] <= values[1] * (1 + 1e-10)
    assert_allclose(values[0], values[1], rtol=1e-7)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_lasso_logistic_with_intercept_meets_the_optimality_conditions(cancer, l1_ratio):
    X, y = cancer
    weight = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    model = LogisticRegression(C=0.1, l1_ratio=l1_ratio, **GLM).fit(X, y, weight)
    residual = weight * (y - model.predict_proba(X)[:, 1])
    coef = model.coef_[0]
    slope = 0.1 * X.T @ residual - (1 - l1_ratio) * coef
    scale = 0.1 * np.abs(X.T @ (weight * (y - np.average(y, weights=weight)))).max()
    assert abs(residual.sum()) * 0.1 < 1e-6 * scale
    assert np.abs(slope[coef == 0]).max() <= l1_ratio + 1e-6 * scale
    assert np.abs(slope - l1_ratio * np.sign(coef))[coef != 0].max() < 1e-6 * scale
    theirs = reference.LogisticRegression(
        C=0.1, l1_ratio=l1_ratio, solver="saga", tol=1e-8, max_iter=20_000
    ).fit(X, y, weight)
    values = [logistic_objective(m, X, y, 0.1, l1_ratio, weight) for m in (model, theirs)]
    assert_allclose(values[0], values[1], rtol=1e-5)
    assert values[0] <= values[1] * (1 + 1e-9)


def test_weights_are_repetitions(cancer):
    X, y = cancer
    weight = np.random.default_rng(0).integers(0, 3, len(y))
    weighted = LogisticRegression(C=0.1, **GLM).fit(X, y, weight)
    repeated = LogisticRegression(C=0.1, **GLM).fit(np.repeat(X, weight, 0), np.repeat(y, weight))
    assert_allclose(weighted.coef_, repeated.coef_, atol=1e-6)


def test_logistic_offset(cancer):
    X, y = cancer
    offset = X[:, 0] * 1.5
    model = LogisticRegression(C=1e-3, **GLM).fit(X, y, offset=offset)
    proba = model.predict_proba(X, offset)[:, 1]
    assert_allclose(proba.mean(), y.mean(), atol=1e-6)
    slope = X.T @ (y - proba) * 1e-3 - model.coef_[0]
    assert np.abs(slope).max() < 1e-5


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_quasi_newton_is_fista_and_faster(cancer, l1_ratio, fit_intercept, class_weight):
    X, y = cancer
    weight = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    factor = np.linspace(0.5, 2.0, X.shape[1])
    settings = {
        "C": 0.1,
        "l1_ratio": l1_ratio,
        "fit_intercept": fit_intercept,
        "class_weight": class_weight,
        "penalty_weight": factor,
        "standardize": True,
    }
    second, first = (
        LogisticRegression(**settings, **GLM, solver=solver).fit(X, y, weight)
        for solver in ("quasi_newton", "fista")
    )
    assert second.relative_gap_ <= 1e-10
    # Two objectives within 1e-10 of the minimum, whose curvature may be as small as alpha / 2.
    assert_allclose(second.coef_, first.coef_, atol=2e-4)
    assert_allclose(second.intercept_, first.intercept_, atol=2e-4)
    assert second.n_passes_ == 1 + second.n_iter_[0] < first.n_passes_


@pytest.mark.parametrize("model", [Lasso(1.0), ElasticNet(1.0), Ridge(1.0)])
def test_quasi_newton_also_solves_squared_losses(diabetes, weight, model):
    X, y = diabetes
    exact = model.fit(X, y, weight).coef_
    ours = model.__class__(1.0, solver="quasi_newton", tol=1e-10).fit(X, y, weight)
    assert_allclose(ours.coef_, exact, atol=5e-3)
    assert ours.n_passes_ <= 4
