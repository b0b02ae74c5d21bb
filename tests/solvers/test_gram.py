"""The Gram solver: one pass, the optimum, and its repair in low precision."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import linear_model

from daskreg.exceptions import CompatibilityError
from daskreg.penalties import L1, L2, ElasticNet, alpha_max
from daskreg.solvers import Gram, solve

from .stand_in import Logistic, Squared, design

TIGHT = 1e-13


def squared(X, Y, n_problems=1, **options):
    options.setdefault("output", np.zeros(n_problems, dtype=int))
    return Squared(X, Y, **options)


def original(datafit, solution):
    """Intercept on the scale of the data: solver columns are centred."""
    mean = datafit.fit_intercept * (datafit.s @ datafit.X)
    return solution.intercept[0] - mean @ solution.coef[:, 0, :]


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("rho", [0.5, 0.99])
def test_path_equals_scikit_learn(fit_intercept, positive, rho):
    X, Y = design(rho=rho)
    weight = np.random.default_rng(1).uniform(0.5, 2.0, len(X))
    alpha, ratio = np.repeat([1.0, 0.1, 0.001], 2), np.tile([1.0, 0.4], 3)
    datafit = squared(X, Y, 6, sample_weight=weight, fit_intercept=fit_intercept)
    penalty = ElasticNet(alpha, ratio, positive=positive)
    solution = solve(Gram(), datafit, penalty, tol=TIGHT, max_iter=100_000)
    assert datafit.n_passes == 1 == solution.n_passes
    assert solution.converged.all()
    for k in range(6):
        rival = linear_model.ElasticNet(
            alpha=alpha[k], l1_ratio=ratio[k], fit_intercept=fit_intercept,
            positive=positive, tol=1e-14, max_iter=1_000_000,
        ).fit(X, Y[:, 0], sample_weight=weight)  # fmt: skip
        np.testing.assert_allclose(solution.coef[:, 0, k], rival.coef_, atol=2e-6)
        np.testing.assert_allclose(original(datafit, solution)[k], rival.intercept_, atol=1e-5)


@pytest.mark.parametrize("n_alphas", [1, 20])
@pytest.mark.parametrize("weight", [None, "positive", "some zero"])
def test_ridge_at_high_correlation(n_alphas, weight):
    """Cholesky for few alphas and eigenvectors for many solve the same normal equations."""
    X, Y = design(rho=0.99, n_targets=2)
    p = X.shape[1]
    u = {"positive": np.linspace(0.5, 2, p), "some zero": np.arange(p) % 3.0}.get(weight)
    alpha = np.tile(np.geomspace(1, 1e-6, n_alphas), 2)
    output = np.repeat([0, 1], n_alphas)
    datafit = squared(X, Y, output=output)
    solution = solve(Gram(), datafit, L2(alpha, u), tol=1e-12)
    assert solution.converged.all()
    assert (solution.certificate == "gap").all()
    Z, y = datafit.Z, datafit.y - datafit.y.mean(axis=0)
    for k in range(alpha.size):
        ridge = alpha[k] * np.diag(np.ones(p) if u is None else u)
        expected = np.linalg.solve(Z.T @ Z / len(Z) + ridge, Z.T @ y[:, k] / len(Z))
        np.testing.assert_allclose(solution.coef[:, 0, k], expected, rtol=1e-8, atol=1e-10)


def test_no_penalty_on_collinear_columns_has_the_least_norm():
    X, Y = design()
    X = np.hstack([X, X[:, :3] @ np.ones((3, 2))])
    datafit = squared(X, Y)
    solution = solve(Gram(), datafit, L2(0.0), tol=1e-10)
    expected = np.linalg.lstsq(datafit.Z, Y[:, 0] - Y.mean(), rcond=None)[0]
    np.testing.assert_allclose(solution.coef[:, 0, 0], expected, atol=1e-9)
    assert solution.converged.all()
    assert solution.relative_gap[0] <= 1e-10


@pytest.mark.parametrize("twins", [False, True])
def test_units_of_the_columns_do_not_decide_what_is_singular(twins):
    """Least squares of columns from 1e-6 to 1e6: predictions are those of unit columns."""
    X, Y = design()
    X = np.hstack([X, X[:, :2]]) if twins else X
    scale = np.geomspace(1e-6, 1e6, X.shape[1])
    plain, scaled = squared(X, Y), squared(X * scale, Y)
    expected = solve(Gram(), plain, L2(0.0), tol=1e-10)
    found = solve(Gram(), scaled, L2(0.0), tol=1e-10)
    assert found.relative_gap[0] <= 1e-10
    fitted, wanted = scaled.Z @ found.coef[:, 0, 0], plain.Z @ expected.coef[:, 0, 0]
    np.testing.assert_allclose(fitted, wanted, atol=1e-8 * np.abs(wanted).max())


def test_nothing_but_constant_columns_leaves_nothing_to_solve():
    X, Y = np.zeros((30, 3)), design()[1][:30]
    solution = solve(Gram(), squared(X, Y), L2(0.0), tol=1e-10)
    assert not solution.coef.any()
    assert solution.converged.all()


def test_ridge_of_many_tiny_alphas_on_columns_of_any_unit():
    X, Y = design()
    scale = np.geomspace(1e-5, 1e5, X.shape[1])
    alpha = np.geomspace(1e-8, 1e-12, 12)
    datafit = squared(X * scale, Y, 12)
    solution = solve(Gram(), datafit, L2(alpha), tol=1e-10)
    assert (solution.relative_gap <= 1e-10).all()


@pytest.mark.parametrize("positive", [False, True])
def test_unpenalised_columns(positive):
    X, Y = design(rho=0.9)
    u = np.ones(X.shape[1])
    u[[0, 5]] = 0.0
    null_grad = squared(X, Y).null_grad
    datafit = squared(X, Y, 3)
    penalty = L1(alpha_max(null_grad)[0] * np.array([0.5, 0.1, 0.001]), u, positive)
    solution = solve(Gram(), datafit, penalty, tol=1e-12, max_iter=50_000)
    assert solution.converged.all()
    assert (solution.certificate == "gap").all()
    assert solution.violation.max() < 1e-5
    grad = datafit.evaluate(solution.coef, solution.intercept, np.arange(3)).grad
    assert penalty.violation(solution.coef, grad).max() < 1e-5


def test_nonnegative_least_squares():
    from scipy.optimize import nnls

    X, Y = design(rho=0.9)
    datafit = squared(X, Y)
    solution = solve(Gram(), datafit, L1(0.0, positive=True), tol=1e-12, max_iter=50_000)
    expected = nnls(datafit.Z, Y[:, 0] - Y.mean())[0]
    np.testing.assert_allclose(solution.coef[:, 0, 0], expected, atol=1e-5)
    assert solution.converged.all()


def test_a_constant_column_has_no_coefficient():
    X, Y = design()
    X[:, 2] = 7.0
    for penalty in (L1(0.01), L2(0.01), L2(0.0), ElasticNet(0.01, 0.5, positive=True)):
        solution = solve(Gram(), squared(X, Y), penalty, tol=1e-10)
        assert solution.coef[2, 0, 0] == pytest.approx(0.0, abs=1e-14)
        assert solution.converged.all()


def test_alpha_max_and_a_constant_target_give_zero():
    X, Y = design()
    largest = alpha_max(squared(X, Y).null_grad)
    solution = solve(Gram(), squared(X, Y), L1(largest * (1 + 1e-12)))
    assert not solution.coef.any()
    assert solution.converged.all()
    datafit = squared(X, np.full_like(Y, 2.0))
    solution = solve(Gram(), datafit, L1(0.1), null_value=[0.0])
    assert not solution.coef.any()
    assert solution.dual_gap == 0.0
    assert solution.intercept[0, 0] == pytest.approx(2.0, rel=1e-15)
    assert solution.status[0] == "converged"


def test_many_targets_and_alphas_equal_one_by_one():
    X, Y = design(n_targets=3)
    output, alpha = np.tile([2, 0, 1], 4), np.repeat([0.5, 0.1, 0.05, 0.01], 3)
    together = solve(Gram(), squared(X, Y, output=output), L1(alpha), tol=TIGHT, max_iter=9999)
    for k in range(12):
        alone = solve(
            Gram(), squared(X, Y, output=output[[k]]), L1(alpha[k]), tol=TIGHT, max_iter=9999
        )
        np.testing.assert_allclose(together.coef[..., k], alone.coef[..., 0], atol=1e-6)


@pytest.mark.parametrize("penalty", [L1(0.01), L2(1e-4), ElasticNet(0.01, 0.5)])
def test_a_single_precision_gram_is_repaired_by_one_pass(penalty):
    X, Y = design(rho=0.99)
    exact = solve(Gram(), squared(X, Y), penalty, tol=1e-13, max_iter=50_000)
    datafit = squared(X, Y, single=True)
    repaired = solve(Gram(), datafit, penalty, tol=1e-10, max_iter=50_000)
    assert datafit.n_passes == 2
    assert repaired.converged.all()
    np.testing.assert_allclose(repaired.coef, exact.coef, atol=1e-5)
    assert repaired.objective - exact.objective < 1e-10 * datafit.null_value
    rough = squared(X, Y, single=True)
    solve(Gram(), rough, penalty, tol=1e-2)
    assert rough.n_passes == 1


def test_too_few_sweeps_are_said():
    X, Y = design(rho=0.99)
    solution = solve(Gram(), squared(X, Y), L1(1e-4), tol=1e-14, max_iter=1)
    assert solution.status[0] == "max_iter"
    assert "max_iter" in solution.status[0].sentence
    assert np.isfinite(solution.dual_gap[0])


def test_gram_refuses_other_losses_before_any_pass():
    X, Y = design()
    labels = (Y > 3.0).astype(float)
    datafit = Logistic(X, labels, np.zeros(1, dtype=int))
    with pytest.raises(CompatibilityError, match="Gram cannot use Logistic: it needs the squared"):
        solve(Gram(), datafit, L1(0.1))
    assert datafit.n_passes == 0
