"""Wide paths against solvers of the same problem that others wrote (the ``rivals`` extra)."""

import numpy as np
import pytest

from daskreg.datafit import Datafit
from daskreg.losses import Logistic, Squared
from daskreg.penalties import ElasticNet
from daskreg.problems import Problems
from daskreg.solvers import solve
from daskreg.solvers.screening import BatchScreening
from tests.fake_design import FakeDesign


def wide(n=150, p=1500, seed=0):
    rng = np.random.default_rng(seed)
    X = np.asfortranarray(rng.normal(size=(n, p)) + 0.5 * rng.normal(size=(n, 1)))
    eta = X[:, :15] @ rng.normal(size=15) + rng.normal(size=n)
    return X - X.mean(axis=0), eta - eta.mean()


def screened(X, y, loss, alphas):
    problems = Problems.product(alpha=alphas)
    design = FakeDesign(np.ascontiguousarray(X), y)
    fit = Datafit(design, loss, problems, fit_intercept=False, tol=1e-12)
    solution = solve(BatchScreening(), fit, ElasticNet(alphas, 1.0), tol=1e-12)
    assert solution.converged.all()
    return solution.coef[:, 0]


@pytest.mark.filterwarnings("ignore")
def test_lasso_path_of_celer():
    celer = pytest.importorskip("celer", reason="celer is not installed")
    X, y = wide()
    alphas = np.abs(X.T @ y).max() / len(y) * np.geomspace(1.0, 0.06, 50)
    _, expected, _ = celer.celer_path(X, y, "lasso", alphas=alphas, tol=1e-11)
    found = screened(X, y, Squared(), alphas)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert (found[:, 0] == 0.0).all()
    assert np.count_nonzero(found[:, -1]) > 50


@pytest.mark.filterwarnings("ignore")
def test_logistic_path_of_celer():
    celer = pytest.importorskip("celer", reason="celer is not installed")
    X, y = wide()
    sign = np.sign(y)
    alphas = np.abs(X.T @ sign).max() / (2 * len(y)) * np.geomspace(0.95, 0.1, 20)
    # Its loss is the sum over rows.
    _, expected, _ = celer.celer_path(X, sign, "logreg", alphas=len(y) * alphas, tol=1e-11)
    found = screened(X, (sign > 0).astype(float), Logistic(), alphas)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.count_nonzero(found[:, -1]) > 50


@pytest.mark.filterwarnings("ignore")
def test_lasso_and_sparse_logistic_of_skglm():
    skglm = pytest.importorskip("skglm", reason="skglm is not installed")
    X, y = wide()
    alphas = np.abs(X.T @ y).max() / len(y) * np.array([0.5, 0.1])
    found = screened(X, y, Squared(), alphas)
    for k, alpha in enumerate(alphas):
        expected = skglm.Lasso(alpha, fit_intercept=False, tol=1e-10).fit(X, y).coef_
        np.testing.assert_allclose(found[:, k], expected, atol=1e-6)
    sign = np.sign(y)
    alphas = np.abs(X.T @ sign).max() / (2 * len(y)) * np.array([0.5, 0.1])
    found = screened(X, (sign > 0).astype(float), Logistic(), alphas)
    for k, alpha in enumerate(alphas):
        model = skglm.SparseLogisticRegression(alpha, fit_intercept=False, tol=1e-10)
        np.testing.assert_allclose(found[:, k], model.fit(X, sign).coef_[0], atol=1e-5)
