"""LassoIC: the criterion by definition, scikit-learn's, and what it costs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn.linear_model as reference
from numpy.testing import assert_allclose

import daskreg
from daskreg.exceptions import DataError
from daskreg.linear_model import ElasticNet, LassoIC


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(150, 8)) + rng.normal(size=(150, 1))
    return X, X[:, 0] - 2.0 * X[:, 4] + 3.0 + rng.normal(size=150)


@pytest.mark.parametrize("criterion", ["aic", "bic"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_agrees_with_scikit_learn(data, criterion, fit_intercept):
    X, y = data
    theirs = reference.LassoLarsIC(criterion, fit_intercept=fit_intercept).fit(X, y)
    # At a knot itself the next coefficient is on the border of zero: step back a little.
    alphas = theirs.alphas_ * (1.0 + 1e-9)
    ours = LassoIC(criterion, alphas=alphas, fit_intercept=fit_intercept, tol=1e-14).fit(X, y)
    assert_allclose(ours.noise_variance_, theirs.noise_variance_)
    assert_allclose(ours.criterion_, theirs.criterion_, rtol=1e-8)
    assert ours.alpha_ == pytest.approx(theirs.alpha_, rel=1e-8)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)


@pytest.mark.parametrize("criterion", ["aic", "bic", "ebic"])
def test_criterion_by_definition(data, criterion):
    X, y = data
    n, p = X.shape
    model = LassoIC(criterion, alphas=[0.5, 0.1, 0.02], l1_ratio=0.7, noise_variance=1.3).fit(X, y)
    for place, alpha in enumerate(model.alphas_):
        fit = ElasticNet(alpha, l1_ratio=0.7, tol=1e-12).fit(X, y)
        active = fit.coef_ != 0
        Z = X[:, active] - X[:, active].mean(axis=0)
        ridge = Z.T @ Z + n * alpha * 0.3 * np.eye(active.sum())
        df = np.trace(np.linalg.solve(ridge, Z.T @ Z))
        assert model.df_[place] == pytest.approx(df)
        rss = np.sum((y - fit.predict(X)) ** 2)
        factor = {"aic": 2.0, "bic": np.log(n), "ebic": np.log(n)}[criterion]
        value = n * np.log(2 * np.pi * 1.3) + rss / 1.3 + factor * df
        if criterion == "ebic":
            from scipy.special import gammaln

            value += gammaln(p + 1) - gammaln(df + 1) - gammaln(p - df + 1)
        assert model.criterion_[place] == pytest.approx(value, rel=1e-5)
    assert model.alpha_ == model.alphas_[model.criterion_.argmin()]
    fit = ElasticNet(model.alpha_, l1_ratio=0.7).fit(X, y)
    assert_allclose(model.coef_, fit.coef_, atol=1e-4)


def test_the_noise_is_that_of_least_squares(data):
    X, y = data
    residual = y - reference.LinearRegression().fit(X, y).predict(X)
    model = LassoIC().fit(X, y)
    assert model.noise_variance_ == pytest.approx(residual @ residual / (150 - 8 - 1))
    # A column that is a sum of others adds nothing that least squares could use.
    model = LassoIC().fit(np.column_stack([X, X[:, 0] + X[:, 1]]), y)
    assert model.noise_variance_ == pytest.approx(residual @ residual / (150 - 8 - 1))


def test_rows_of_weight_zero_and_the_unit_of_weights(data):
    X, y = data
    rng = np.random.default_rng(0)
    weight = rng.uniform(0.5, 2.0, size=len(y)) * (rng.uniform(size=len(y)) < 0.8)
    kept = weight > 0
    given = LassoIC("bic").fit(X, y, weight)
    for other in (LassoIC("bic").fit(X[kept], y[kept], weight[kept]),
                  LassoIC("bic").fit(X, y, 10.0 * weight)):  # fmt: skip
        assert_allclose(other.criterion_, given.criterion_)
        assert_allclose(other.coef_, given.coef_, atol=1e-8)


def test_unpenalised_and_weighted_columns(data):
    X, y = data
    weight = np.array([0.0, 1.0, 2.0, 1.0, 0.5, 1.0, 1.0, 1.0])
    settings = {"l1_ratio": 0.5, "penalty_weight": weight}
    model = LassoIC(alphas=[0.3], tol=1e-12, **settings).fit(X, y)
    fit = ElasticNet(0.3, tol=1e-12, **settings).fit(X, y)
    active = fit.coef_ != 0
    Z = X[:, active] - X[:, active].mean(axis=0)
    ridge = Z.T @ Z + 150 * 0.15 * np.diag(weight[active])
    assert model.df_[0] == pytest.approx(np.trace(np.linalg.solve(ridge, Z.T @ Z)))


def test_passes(data):
    X, y = data
    assert LassoIC().fit(X, y).n_passes_ == 1
    assert LassoIC("ebic", l1_ratio=0.5).fit(X.astype("float32"), y).n_passes_ <= 2


def test_too_few_rows_need_a_noise_variance(data):
    X, y = data
    with pytest.raises(ValueError, match="noise_variance"):
        LassoIC().fit(X[:9], y[:9])
    assert LassoIC(noise_variance=1.0).fit(X[:9], y[:9]).noise_variance_ == 1.0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"criterion": "cp"}, "criterion"),
        ({"l1_ratio": 0.0}, "l1_ratio=0"),
        ({"noise_variance": 0.0}, "noise_variance"),
        ({"alphas": 0}, "alphas"),
    ],
)
def test_wrong_parameters(data, wrong, words):
    with pytest.raises(ValueError, match=words):
        LassoIC(**wrong).fit(*data)


def test_one_target_only(data):
    X, y = data
    with pytest.raises(DataError, match="1d array"):
        LassoIC().fit(X, np.column_stack([y, y]))
    frame = pd.DataFrame(X).rename(columns=str).assign(y=y, z=y)
    with pytest.raises(DataError, match="2 columns"):
        LassoIC().fit(frame, ["y", "z"])


def test_the_whole_path_is_in_the_solution(data, tmp_path):
    X, y = data
    model = LassoIC("bic", alphas=[0.5, 0.1, 0.02], l1_ratio=0.7).fit(X, y)
    path = model.solution_
    assert path.coef.dims == ("alpha", "feature")
    assert_allclose(path.alpha, model.alphas_)
    assert_allclose(path.criterion, model.criterion_)
    assert_allclose(path.df, model.df_)
    assert path.status.values.tolist() == ["converged"] * 3
    for place, alpha in enumerate(model.alphas_):
        fit = ElasticNet(alpha, l1_ratio=0.7).fit(X, y)
        assert_allclose(path.coef[place], fit.coef_, atol=1e-4)
    assert_allclose(path.coef.sel(alpha=model.alpha_), model.coef_)
    loaded = daskreg.load(model.save(tmp_path / "model.zarr.zip"))
    assert_allclose(loaded.solution_.coef[0], model.coef_)


def test_a_grid_ends_earlier_with_more_columns_than_rows(data):
    X, y = data
    for rows, share in ((slice(None), 1e-3), (slice(0, 7), 1e-2)):
        model = LassoIC(noise_variance=1.0).fit(X[rows], y[rows])
        assert model.alphas_[-1] / model.alphas_[0] == pytest.approx(share)
