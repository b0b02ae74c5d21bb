"""Information criteria are those of their papers, and of scikit-learn for the lasso."""

import math

import numpy as np
import pytest
from sklearn.linear_model import LassoLarsIC

from daskreg.select import (
    elastic_net_df,
    gaussian_minus_2_loglik,
    information_criterion,
    lasso_df,
    residual_variance,
    select_by_criterion,
)


def problem(n=80, p=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    return X, X @ np.array([3.0, -2.0, 0.0, 1.0, 0.0, 0.0]) + rng.normal(size=n) + 4.0


@pytest.mark.parametrize("criterion", ["aic", "bic"])
def test_the_lasso_path_is_judged_as_scikit_learn_judges_it(criterion):
    from sklearn.linear_model import lars_path

    X, y = problem()
    n, p = X.shape
    theirs = LassoLarsIC(criterion=criterion).fit(X, y)
    Xc, yc = X - X.mean(axis=0), y - y.mean()
    alphas, _, coef = lars_path(Xc, yc, method="lasso", copy_X=True)
    rss = np.square(yc[:, None] - Xc @ coef).sum(axis=0)
    variance = residual_variance(rss[-1], n, p + 1)
    np.testing.assert_allclose(variance, theirs.noise_variance_, rtol=1e-10)
    minus_2_loglik = gaussian_minus_2_loglik(rss, n, variance)
    values = information_criterion(minus_2_loglik, lasso_df(coef), n, criterion=criterion)
    np.testing.assert_allclose(values, theirs.criterion_, rtol=1e-10)
    (index,) = select_by_criterion(values, alphas)
    np.testing.assert_allclose(alphas[index], theirs.alpha_, rtol=1e-10)


def test_gaussian_likelihood_is_the_sum_of_log_densities():
    from scipy import stats

    residual = np.array([0.5, -1.0, 2.0])
    expected = -2.0 * stats.norm(0.0, np.sqrt(1.7)).logpdf(residual).sum()
    found = gaussian_minus_2_loglik(np.square(residual).sum(), 3, 1.7)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_the_extended_criterion_counts_models():
    df = np.array([0, 1, 3, 10])
    plain = information_criterion(np.zeros(4), df, 50)
    for gamma in (0.0, 0.5, 1.0):
        found = information_criterion(
            np.zeros(4), df, 50, criterion="ebic", n_features=10, gamma=gamma
        )
        models = [math.comb(10, k) for k in df]
        np.testing.assert_allclose(found - plain, 2 * gamma * np.log(models), atol=1e-12)


def test_df_of_the_elastic_net_is_the_trace_of_its_hat_matrix():
    X, _ = problem()
    n, p = X.shape
    X = X - X.mean(axis=0)
    coef = np.zeros((p, 4))
    coef[:3, 0] = coef[2:, 1] = coef[:3, 2] = 1.0
    l2 = np.array([0.7, 0.2, 0.0, 0.5])
    found = elastic_net_df(coef, X.T @ X / n, l2)
    for model in range(4):
        A = X[:, coef[:, model] != 0]
        hat = A @ np.linalg.solve(A.T @ A / n + l2[model] * np.eye(A.shape[1]), A.T) / n
        np.testing.assert_allclose(found[model], np.trace(hat), rtol=1e-12, atol=1e-14)
    assert found[2] == lasso_df(coef)[2] == 3
    assert found[3] == lasso_df(coef)[3] == 0
    again = elastic_net_df(coef, X.T @ X / n, l2, fit_intercept=True)
    np.testing.assert_allclose(again, found + 1.0)
    assert lasso_df(coef, fit_intercept=True).tolist() == [4, 5, 4, 1]


def test_columns_that_repeat_each_other_count_once():
    X, _ = problem()
    X[:, 1] = 2.0 * X[:, 0]
    coef = np.zeros((6, 1))
    coef[:3] = 1.0
    np.testing.assert_allclose(elastic_net_df(coef, X.T @ X / len(X), 0.0), 2.0, rtol=1e-12)


def test_df_is_the_covariance_of_fit_and_target():
    # Stein: df = E sum_i cov(fit_i, y_i) / sigma^2, here for a ridge, where the fit is linear.
    rng = np.random.default_rng(3)
    X, _ = problem(n=40)
    X = X - X.mean(axis=0)
    gram = X.T @ X / 40
    y = rng.normal(size=(40, 4000))
    coef = np.linalg.solve(gram + 0.8 * np.eye(6), X.T @ y / 40)
    stein = np.mean(np.sum((X @ coef) * y, axis=0))
    df = elastic_net_df(coef[:, :1], gram, 0.8)[0]
    # The sum varies by about sqrt(2 tr(H^2)) <= sqrt(2 df) from draw to draw.
    assert abs(stein - df) < 5 * np.sqrt(2 * df / 4000)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: information_criterion(1.0, 1, 10, criterion="dic"), "criterion must be"),
        (lambda: information_criterion(1.0, 1, 10, criterion="ebic"), "give n_features"),
        (
            lambda: information_criterion(1.0, 1, 9, criterion="ebic", n_features=3, gamma=2),
            "gamma must be",
        ),
        (lambda: information_criterion(1.0, 1, 0), "n_samples must be positive"),
        (lambda: information_criterion(1.0, -1, 10), "df must be >= 0"),
        (lambda: gaussian_minus_2_loglik(1.0, 10, 0.0), "noise_variance must be positive"),
        (lambda: residual_variance(1.0, 5, 5), "5 rows leave none over"),
        (lambda: elastic_net_df(np.ones(3), np.eye(3), 0.0), "square Gram matrix"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
