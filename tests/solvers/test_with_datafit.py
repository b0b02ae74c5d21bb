"""Solvers on the real datafit: the same optimum as on the exact one in memory, and its passes."""

from __future__ import annotations

import numpy as np
import pytest

from daskreg.datafit import Datafit
from daskreg.losses import Logistic, Squared
from daskreg.penalties import L1, L2, ElasticNet
from daskreg.problems import Problems
from daskreg.solvers import Fista, Gram, solve
from tests.fake_design import FakeDesign

from . import stand_in

ALPHA = np.array([0.3, 0.03, 0.003])


def problems(n_targets=1):
    return Problems.product(alpha=ALPHA, output=np.arange(n_targets))


def data(loss, rho=0.9, n_targets=1):
    X, Y = stand_in.design(n_samples=150, rho=rho, n_targets=n_targets)
    return (X, (Y > 3.0).astype(float)) if isinstance(loss, Logistic) else (X, Y)


def both(loss, weight=None, fit_intercept=True):
    """The datafit over blocks, and its exact twin in memory."""
    X, Y = data(loss)
    design = FakeDesign(X, Y, weight, borders=(40, 41, 110))
    exact = stand_in.Logistic if isinstance(loss, Logistic) else stand_in.Squared
    twin = exact(X, Y, np.zeros(3, dtype=int), sample_weight=weight, fit_intercept=fit_intercept)
    return Datafit(design, loss, problems(), fit_intercept=fit_intercept), twin


@pytest.mark.parametrize("loss", [Squared(), Logistic()])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("positive", [False, True])
def test_fista_reaches_the_exact_optimum(loss, fit_intercept, ratio, positive):
    weight = np.random.default_rng(5).uniform(0.2, 2.0, 150)
    datafit, twin = both(loss, weight, fit_intercept)
    penalty = ElasticNet(ALPHA, ratio, positive=positive)
    solution = solve(Fista(), datafit, penalty, tol=1e-9, max_iter=3000)
    exact = solve(Fista(), twin, penalty, tol=1e-13, max_iter=5000)
    assert solution.converged.all()
    assert (solution.certificate == "gap").all()
    assert (solution.objective >= exact.objective * (1 - 1e-12)).all()
    assert (solution.objective - solution.dual_gap <= exact.objective * (1 + 1e-12)).all()
    np.testing.assert_allclose(solution.coef, exact.coef, atol=2e-3)
    assert solution.n_passes == 1 + solution.n_iter.max()


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(
    "penalty", [L1(ALPHA), L2(ALPHA), L1(ALPHA, positive=True), ElasticNet(ALPHA, 0.3)]
)
def test_gram_takes_one_pass(penalty, fit_intercept):
    datafit, twin = both(Squared(), fit_intercept=fit_intercept)
    solution = solve(Gram(), datafit, penalty, tol=1e-11, max_iter=20_000)
    assert solution.n_passes == datafit.n_passes == 1
    assert solution.converged.all()
    exact = solve(Gram(), twin, penalty, tol=1e-13, max_iter=20_000)
    np.testing.assert_allclose(solution.coef, exact.coef, atol=1e-5)
    evaluation = datafit.value_and_grad(solution.coef, solution.intercept)
    np.testing.assert_allclose(
        evaluation.value + penalty.value(solution.coef), solution.objective, rtol=1e-12
    )
    bound = evaluation.dual(penalty, solution.coef)
    assert (solution.objective - bound <= 2e-11 * datafit.null_value).all()


def test_several_targets_share_the_pass():
    X, Y = data(Squared(), n_targets=2)
    datafit = Datafit(FakeDesign(X, Y), Squared(), problems(2))
    solution = solve(Gram(), datafit, L1(datafit.problems.alpha), tol=1e-12, max_iter=20_000)
    first_order = solve(Fista(), datafit, L1(datafit.problems.alpha), tol=1e-11, max_iter=3000)
    np.testing.assert_allclose(solution.coef, first_order.coef, atol=1e-4)
    for target in (0, 1):
        alone = Datafit(FakeDesign(X, Y[:, target]), Squared(), problems())
        expected = solve(Gram(), alone, L1(ALPHA), tol=1e-12, max_iter=20_000)
        chosen = datafit.problems.output == target
        np.testing.assert_allclose(solution.coef[..., chosen], expected.coef, atol=1e-6)


@pytest.mark.parametrize("solver", [Gram(), Fista()])
def test_squared_loss_with_unpenalised_columns_has_a_gap(solver):
    X, Y = data(Squared())
    u = np.ones(X.shape[1])
    u[[2, 7]] = 0.0
    datafit = Datafit(FakeDesign(X, Y), Squared(), problems())
    datafit.first([2, 7])
    penalty = L1(ALPHA, u)
    solution = solve(solver, datafit, penalty, tol=1e-9, max_iter=3000)
    exact = solve(Gram(), both(Squared())[1], penalty, tol=1e-13, max_iter=20_000)
    assert solution.converged.all()
    assert (solution.certificate == "gap").all()
    assert (solution.objective - solution.dual_gap <= exact.objective * (1 + 1e-12)).all()


def test_logistic_loss_with_unpenalised_columns_closes_with_one_pass():
    u = np.ones(12)
    u[2] = 0.0
    datafit, twin = both(Logistic())
    penalty = L1(ALPHA, u)
    solution = solve(Fista(), datafit, penalty, tol=1e-8, max_iter=3000)
    exact = solve(Fista(), twin, penalty, tol=1e-11, max_iter=5000)
    assert solution.converged.all()
    assert (solution.certificate == "violation").all()
    assert solution.n_passes == 2 + solution.n_iter.max()
    assert np.isfinite(solution.dual_gap).all()
    bound = solution.objective - solution.dual_gap
    assert (bound <= exact.objective * (1 + 1e-12)).all()
    assert (solution.relative_gap < 1e-3).all()


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_logistic_loss_with_an_offset(fit_intercept):
    X, Y = data(Logistic())
    offset = np.random.default_rng(2).standard_normal(150)
    design = FakeDesign(X, Y, offset=offset, borders=(70,))
    datafit = Datafit(design, Logistic(), problems(), fit_intercept=fit_intercept)
    solution = solve(Fista(), datafit, L1(ALPHA), tol=1e-9, max_iter=3000)
    assert solution.converged.all()
    assert (solution.certificate == "gap").all()
    assert solution.n_passes == 2 + solution.n_iter.max()
    grad = datafit.value_and_grad(solution.coef, solution.intercept)
    assert L1(ALPHA).violation(solution.coef, grad.grad).max() < 1e-4
    assert np.abs(grad.intercept_grad).max() < 1e-4


@pytest.mark.parametrize("penalty", [L1(1e-3), L2(1e-4)])
def test_a_wide_single_precision_gram_is_repaired(penalty):
    """Above some width float32 data are multiplied in float32; a tight tol costs one pass more."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 130)).astype(np.float32)
    X[:, 1:] = 0.95 * X[:, :-1] + 0.3 * X[:, 1:] + 50.0
    y = X[:, :20].astype(float) @ rng.standard_normal(20) + rng.standard_normal(400)
    one = Problems.product(alpha=1.0)
    exact = Datafit(FakeDesign(X.astype(np.float64), y), Squared(), one)
    best = solve(Gram(), exact, penalty, tol=1e-12, max_iter=100_000)
    datafit = Datafit(FakeDesign(X, y), Squared(), one, tol=1e-6)
    solution = solve(Gram(), datafit, penalty, tol=1e-6, max_iter=100_000)
    assert datafit.n_passes in (1, 2)
    assert solution.converged.all()
    there = exact.value_and_grad(solution.coef, solution.intercept)
    objective = there.value + penalty.value(solution.coef)
    assert objective - best.objective <= 1e-6 * exact.null_value
    assert solution.objective - solution.dual_gap <= best.objective * (1 + 1e-9)


@pytest.mark.parametrize("loss", [Squared(), Logistic()])
@pytest.mark.parametrize("kind", ["normal", "mean 10", "bool", "correlated"])
@pytest.mark.parametrize("share", [0.3, 1e-3])
def test_bounds_of_float32_products_allow_for_their_rounding(loss, kind, share):
    """A float32 bound is never above that of float64 at the same point."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 12))
    X = {
        "normal": X,
        "mean 10": X + 10.0,
        "bool": X > 1.0,
        "correlated": 0.1 * X + X[:, :1],
    }[kind]
    eta = (X[:, :3] - X[:, :3].mean(axis=0)).sum(axis=1) + rng.logistic(size=3000)
    y = (eta > 0).astype(float) if isinstance(loss, Logistic) else eta
    X = X.astype(bool if kind == "bool" else np.float32)
    fit = Datafit(FakeDesign(X, y), loss, Problems.product(alpha=1.0))
    penalty = L1(share * np.abs(fit.null_grad).max())
    near = solve(Fista(), fit, penalty, tol=1e-3, max_iter=300)
    rough = fit.value_and_grad(near.coef, near.intercept)
    exact = fit.value_and_grad(near.coef, near.intercept, precise=True)
    assert exact.rounding == 0.0
    assert rough.rounding[0] > 0.0 or kind == "mean 10"  # where rounding is large, float64 steps in
    difference = exact.dual(penalty, near.coef) - rough.dual(penalty, near.coef)
    # What a gradient may be off by counts by its share of alpha.
    assert 0.0 <= difference[0] <= max(1e-3, 5e-6 / share) * fit.null_value[0]
    assert abs(rough.value - exact.value)[0] <= rough.rounding[0]


@pytest.mark.parametrize("twin", [False, True])
def test_free_columns_of_any_unit_are_projected_away(twin):
    """The rank of the free columns does not depend on their units."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 6))
    if twin:
        X[:, 1] = X[:, 0]
    X[:, :3] *= [1e-6, 1e3, 1e6]
    y = X @ np.array([1e6, 0, 1e-6, 1, 0, 0]) + rng.normal(size=200)
    penalty = ElasticNet(0.05, 1.0, np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0]))
    fit = Datafit(FakeDesign(X, y), Squared(), Problems.product(alpha=1.0), tol=1e-10)
    fit.first(np.arange(3))
    found = solve(Fista(), fit, penalty, tol=1e-10, max_iter=2000)
    exact = solve(Gram(), fit, penalty, tol=1e-12)
    assert found.converged.all()
    assert found.certificate[0] == "gap"
    assert found.objective[0] - found.dual_gap[0] <= exact.objective[0] * (1 + 1e-13)


@pytest.mark.parametrize("loss", [Squared(), Logistic()])
def test_a_certificate_over_float32_data_is_true_in_float64(loss):
    """Near the optimum passes are precise: what they certify holds to rounding of float64."""
    X, y = data(loss)
    X = (X + 10.0).astype(np.float32)
    penalty = L1(ALPHA)
    fit = Datafit(FakeDesign(X, y), loss, problems())
    found = solve(Fista(), fit, penalty, tol=1e-6, max_iter=3000)
    assert found.converged.all()
    assert fit.n_passes == 1 + found.n_iter.max()
    exact = Datafit(FakeDesign(X.astype(np.float64), y), loss, problems())
    best = solve(Fista(), exact, penalty, tol=1e-10, max_iter=10_000)
    true = exact.value_and_grad(found.coef, found.intercept).value + penalty.value(found.coef)
    np.testing.assert_allclose(found.objective, true, rtol=1e-12)
    assert (true - best.objective <= found.dual_gap + 1e-12).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("free", [True, False])
def test_fista_goes_on_where_the_objective_can_no_longer_tell(seed, free):
    """A violation of 1e-12 is a change of the objective by 1e-24: gradients judge the steps."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(100, 5)) * np.geomspace(1.0, 30.0, 5)
    y = (X[:, 0] + rng.logistic(size=100) > 0).astype(float)
    fit = Datafit(FakeDesign(X, y), Logistic(), Problems.product(alpha=1.0), fit_intercept=False)
    penalty = ElasticNet(20.0, 0.0, np.array([0.0, 1.0, 1.0, 0.0, 1.0]) if free else None)
    found = solve(Fista(), fit, penalty, tol=1e-12, max_iter=2000)
    assert found.converged.all()
