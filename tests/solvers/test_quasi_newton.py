"""Proximal quasi-Newton: the optimum, the passes it takes, and what a failed step costs."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize

from daskreg.datafit import Datafit
from daskreg.exceptions import CompatibilityError
from daskreg.losses import Logistic, Squared
from daskreg.penalties import L1, L2, ElasticNet, alpha_max
from daskreg.problems import Problems
from daskreg.solvers import Fista, Gram, QuasiNewton, solve
from daskreg.solvers.results import Goal
from tests.fake_design import FakeDesign

from . import stand_in

ALPHA = np.array([0.1, 0.01, 0.001])


class Counting(FakeDesign):
    """Notes how many columns each gradient pass evaluates."""

    def sum_over_rows(self, kernel, state=None):
        if kernel.name == "gradient":
            self.__dict__.setdefault("columns", []).append(state["coef"].shape[1])
        return super().sum_over_rows(kernel, state)


def labelled(n_samples=150, rho=0.9, seed=0):
    X, Y = stand_in.design(n_samples=n_samples, rho=rho, seed=seed)
    return X, (Y[:, 0] > 3.0).astype(float)


def datafit_of(X, y, weight=None, offset=None, n_problems=3, loss=None, **options):
    design = Counting(X, y, weight, offset, borders=(40, 41, 110))
    problems = Problems(np.ones(n_problems), np.ones(n_problems), np.zeros(n_problems, int))
    return Datafit(design, loss or Logistic(), problems, tol=1e-10, **options)


def hard(n_samples=20_000, n_features=100, rho=0.9, shift=0.0, steepness=1.0):
    """Columns of an autoregressive process and labels of a sparse truth; log odds of sd 2."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, n_features))
    for j in range(1, n_features):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * X[:, j]
    truth = np.zeros(n_features)
    truth[rng.choice(n_features, n_features // 10, replace=False)] = rng.standard_normal(
        n_features // 10
    )
    eta = X @ truth
    eta *= 2.0 * steepness / eta.std()
    return X, (rng.random(n_samples) < 1 / (1 + np.exp(-eta - shift))).astype(float)


def passes_of(X, y, ratio, class_weight=None, fractions=ALPHA):
    """Passes to a relative gap of 1e-6, the first one included, for each alpha alone."""
    passes = []
    for fraction in fractions:
        datafit = datafit_of(X, y, n_problems=1, class_weight=class_weight, standardize=True)
        datafit.metric()
        largest = alpha_max(datafit.null_grad, max(ratio, 1e-3))
        penalty = ElasticNet(fraction * largest, ratio)
        solution = solve(QuasiNewton(), datafit, penalty, tol=1e-6)
        assert solution.converged.all()
        assert solution.relative_gap.max() <= 1e-6
        assert datafit.n_passes == 1 + solution.n_iter[0]
        passes.append(datafit.n_passes)
    return passes


# ---------------------------------------------------------------------- the optimum


@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("with_offset", [True, False])
def test_the_optimum_is_that_of_fista(ratio, fit_intercept, positive, with_offset):
    X, y = labelled(rho=0.5)
    rng = np.random.default_rng(5)
    weight = rng.integers(0, 4, len(X)).astype(float)
    offset = rng.standard_normal(len(X)) if with_offset else None
    options = {"fit_intercept": fit_intercept, "class_weight": {0.0: 1.0, 1.0: 2.5}}
    penalty = ElasticNet(ALPHA, ratio, positive=positive)
    datafit = datafit_of(X, y, weight, offset, **options)
    ours = solve(QuasiNewton(), datafit, penalty, tol=1e-10)
    theirs = solve(
        Fista(), datafit_of(X, y, weight, offset, **options), penalty, tol=1e-10, max_iter=9000
    )
    assert ours.converged.all()
    assert (ours.certificate == "gap").all()
    np.testing.assert_allclose(ours.objective, theirs.objective, rtol=2e-10)
    np.testing.assert_allclose(ours.coef, theirs.coef, atol=2e-4)
    assert (ours.objective - ours.dual_gap <= theirs.objective * (1 + 1e-12)).all()
    assert ours.n_passes == datafit.n_passes == 1 + with_offset + ours.n_iter.max()
    assert (ours.coef >= 0).all() or not positive


@pytest.mark.parametrize("kind", [sp.csr_array, lambda X: X.astype(np.float32)])
@pytest.mark.parametrize("ratio", [1.0, 0.0])
def test_storage_changes_nothing(kind, ratio):
    X, y = labelled()
    X = np.where(np.abs(X) < 0.7, 0.0, X).astype(np.float32).astype(np.float64)
    penalty = ElasticNet(ALPHA, ratio)
    dense = solve(QuasiNewton(), datafit_of(X, y), penalty, tol=1e-10)
    stored = solve(QuasiNewton(), datafit_of(kind(X), y), penalty, tol=1e-10)
    assert stored.converged.all()
    np.testing.assert_allclose(stored.objective, dense.objective, rtol=1e-10)
    np.testing.assert_allclose(stored.coef, dense.coef, atol=1e-5)


def test_float32_columns_of_any_scale():
    X, y = labelled()
    X = (X * np.geomspace(1e-3, 1e3, X.shape[1])).astype(np.float32)
    datafit = datafit_of(X, y, n_problems=1)
    datafit.tol = 1e-6
    solution = solve(QuasiNewton(), datafit, L1(0.01), tol=1e-9)
    assert datafit.dtype == np.float32
    assert solution.converged.all()


def test_ridge_is_that_of_a_general_optimiser():
    X, y = labelled()
    datafit = datafit_of(X, y, n_problems=1)
    solution = solve(QuasiNewton(), datafit, L2(0.01), tol=1e-13)
    Z = np.column_stack([X - X.mean(axis=0), np.ones(len(X))])

    def objective(b):
        eta = Z @ b
        value = np.logaddexp(0, eta).mean() - y @ eta / len(y) + 0.005 * b[:-1] @ b[:-1]
        grad = Z.T @ (1 / (1 + np.exp(-eta)) - y) / len(y) + np.append(0.01 * b[:-1], 0.0)
        return value, grad

    found = minimize(objective, np.zeros(13), jac=True, method="BFGS", options={"gtol": 1e-9})
    np.testing.assert_allclose(solution.coef[:, 0, 0], found.x[:-1], atol=1e-6)
    np.testing.assert_allclose(solution.intercept[0], found.x[-1:], atol=1e-6)


@pytest.mark.parametrize("ratio", [1.0, 0.3])
@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("loss", [Logistic(), Squared()])
def test_unpenalised_columns(ratio, positive, loss):
    X, y = labelled()
    u = np.linspace(0.5, 2.0, X.shape[1])
    u[[2, 7]] = 0.0
    penalty = ElasticNet(ALPHA, ratio, u, positive)
    datafit = datafit_of(X, y, loss=loss)
    solution = solve(QuasiNewton(), datafit, penalty, tol=1e-9)
    assert solution.converged.all()
    assert (solution.certificate == ("gap" if loss == Squared() else "violation")).all()
    there = datafit.value_and_grad(solution.coef, solution.intercept)
    scale = np.abs(datafit.null_grad).max()
    assert penalty.violation(solution.coef, there.grad).max() <= 2e-5 * scale
    theirs = datafit_of(X, y, loss=loss)
    theirs.first([2, 7])
    expected = solve(Fista(), theirs, penalty, tol=1e-8, max_iter=20_000)
    np.testing.assert_allclose(solution.objective, expected.objective, rtol=1e-7)


def test_no_penalty_stops_on_the_violation():
    X, y = labelled(rho=0.3)
    y[:30] = 1 - y[:30]
    datafit = datafit_of(X, y, n_problems=1)
    solution = solve(QuasiNewton(), datafit, L2(0.0), tol=1e-9)
    assert solution.status[0] == "converged"
    assert solution.certificate[0] == "violation"
    assert solution.violation[0] <= 1e-9 * np.abs(datafit.null_grad).max()


def test_constant_and_collinear_columns():
    X, y = labelled()
    X = np.hstack([X, X[:, :2], np.full((len(X), 1), 7.0)])
    for penalty in (L1(0.005), L2(0.01), ElasticNet(0.01, 0.5)):
        solution = solve(QuasiNewton(), datafit_of(X, y, n_problems=1), penalty, tol=1e-9)
        assert solution.converged.all()
        assert solution.coef[-1, 0, 0] == 0.0


def test_more_columns_than_rows():
    X, y = labelled(n_samples=1000)
    X = X[:960].reshape(80, -1)
    for penalty in (L1(0.02), L2(0.1)):
        solution = solve(QuasiNewton(), datafit_of(X, y[:80], n_problems=1), penalty, tol=1e-8)
        assert solution.converged.all()
        assert solution.n_iter[0] < 30


def test_squared_loss_takes_one_step():
    X, Y = stand_in.design(rho=0.99)
    datafit = datafit_of(X, Y[:, 0], loss=Squared())
    exact = solve(Gram(), datafit, L1(ALPHA), tol=1e-12, max_iter=50_000)
    solution = solve(QuasiNewton(), datafit, L1(ALPHA), tol=1e-6)
    assert solution.converged.all()
    assert solution.n_iter.max() <= 2
    assert (solution.objective - exact.objective <= 1e-6 * datafit.null_value).all()


# ---------------------------------------------------------------------- what it costs


@pytest.mark.parametrize("rho", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_passes_to_the_default_tolerance(rho, ratio):
    assert max(passes_of(*hard(rho=rho), ratio)) <= 9


def test_passes_of_ridge():
    assert max(passes_of(*hard(), 0.0)) <= 9


def test_passes_with_rare_positives():
    X, y = hard(shift=-7.3)
    assert 0.003 < y.mean() < 0.008
    assert max(passes_of(X, y, 1.0, "balanced", ALPHA[:2])) <= 16
    # 0.1% of alpha_max with fewer positives than columns: the classes are separable.
    assert max(passes_of(X, y, 1.0, "balanced", ALPHA[2:])) <= 22


@pytest.mark.parametrize("rho", [0.5, 0.99])
def test_passes_near_separation(rho):
    assert max(passes_of(*hard(rho=rho, steepness=5.0), 1.0)) <= 16


def test_problems_in_a_batch_are_those_alone():
    X, y = labelled()
    ratio = np.array([1.0, 0.5, 0.0])
    together = solve(QuasiNewton(), datafit_of(X, y), ElasticNet(ALPHA, ratio), tol=1e-10)
    for k in range(3):
        alone = solve(
            QuasiNewton(),
            datafit_of(X, y, n_problems=1),
            ElasticNet(ALPHA[k], ratio[k]),
            tol=1e-10,
        )
        np.testing.assert_allclose(together.coef[..., k], alone.coef[..., 0], atol=1e-7)
        assert together.n_iter[k] == alone.n_iter[0]
    assert together.n_passes == 1 + together.n_iter.max()


# ---------------------------------------------------------------------- steps that fail


def iterate(datafit, penalty, start, n_steps):
    """States of so many steps from a given start."""
    solver = QuasiNewton()
    solver.prepare(datafit)
    goal = Goal(1e-9, n_steps, datafit.null_value)
    states = [solver.init(datafit, penalty, start, goal)]
    for _ in range(n_steps):
        states.append(solver.step(datafit, penalty, states[-1]))
    return states


@pytest.mark.parametrize("penalty", [L1([0.001, 0.01]), L2([0.001, 0.01])])
def test_a_rejected_step_costs_one_pass_and_the_objective_never_rises(penalty):
    """Far out the loss is straight, its curvature tiny and the step much too long."""
    X, y = labelled(rho=0.3)
    datafit = datafit_of(X, y, n_problems=2)
    far = np.zeros((X.shape[1], 1, 2))
    far[0, 0] = [-30.0, 0.0]
    datafit.metric()
    states = iterate(datafit, penalty, (far, datafit.null_intercept), 20)
    assert datafit.n_passes == 2 + 20
    rejected = np.array([state.shorten for state in states])
    assert rejected[:, 0].any()
    assert not rejected[:, 1].any()
    # Two problems: one column each, and two more for a step that comes again in fractions.
    assert datafit.design.columns[1:] == (2 + 2 * rejected[:-1].sum(axis=1)).tolist()
    objective = np.array([state.point.objective for state in states])
    assert (np.diff(objective, axis=0) <= 1e-14).all()


@pytest.mark.parametrize("where", [-30.0, -100.0])
def test_a_rejected_step_leaves_its_pair(where):
    X, y = labelled(rho=0.3)
    datafit = datafit_of(X, y, n_problems=1)
    far = np.zeros((X.shape[1], 1, 1))
    far[0] = where
    states = iterate(datafit, L1(0.001), (far, datafit.null_intercept), 3)
    _, before, after, last = states
    assert after.shorten.all()
    np.testing.assert_array_equal(after.point.position, before.point.position)
    steps, turns, _ = after.pairs.of(0)
    np.testing.assert_array_equal(steps[-1], after.direction[:, 0])
    assert steps[-1] @ turns[-1] > 0
    # A fraction of the step descends, or else the metric is stiffened and the point stays.
    descended = last.point.objective[0] < before.point.objective[0]
    assert descended == (where == -30.0)
    assert last.stiffness[0] == (1.0 if descended else 10.0)
    assert not last.shorten.any()


@pytest.mark.parametrize("penalty", [L1(0.001), L2(0.001)])
@pytest.mark.parametrize("where", [-10.0, -100.0])
def test_a_bad_start_is_recovered_from(penalty, where):
    X, y = labelled(rho=0.3)
    far = np.zeros((X.shape[1], 1, 1))
    far[0] = where
    datafit = datafit_of(X, y, n_problems=1)
    start = far, datafit.null_intercept
    solution = solve(QuasiNewton(), datafit, penalty, tol=1e-9, start=start)
    best = solve(QuasiNewton(), datafit, penalty, tol=1e-9)
    assert solution.converged.all()
    np.testing.assert_allclose(solution.objective, best.objective, rtol=1e-7)


def test_an_infeasible_start_is_left():
    X, y = labelled()
    penalty = L1(0.01, positive=True)
    start = -np.ones((X.shape[1], 1, 1)), np.zeros((1, 1))
    datafit = datafit_of(X, y, n_problems=1)
    solution = solve(QuasiNewton(), datafit, penalty, tol=1e-8, start=start)
    assert solution.converged.all()
    assert (solution.coef >= 0).all()


def test_a_start_at_the_optimum_ends_at_once():
    X, y = labelled()
    datafit = datafit_of(X, y)
    first = solve(QuasiNewton(), datafit, L1(ALPHA), tol=1e-9)
    again = solve(QuasiNewton(), datafit, L1(ALPHA), tol=1e-8, start=(first.coef, first.intercept))
    assert again.n_iter.max() == 0
    assert again.n_passes == 1


def test_a_tolerance_below_rounding_stalls_soon():
    X, y = labelled()
    solution = solve(QuasiNewton(), datafit_of(X, y), L1(ALPHA), tol=0.0, max_iter=1000)
    assert solution.relative_gap.max() < 1e-12
    assert solution.n_iter.max() < 60


def test_what_is_missing_is_named_before_any_pass():
    X, y = labelled()
    datafit = stand_in.Logistic(X, y[:, None], np.zeros(1, dtype=int))
    with pytest.raises(CompatibilityError, match=r"QuasiNewton cannot use Logistic.*metric"):
        solve(QuasiNewton(), datafit, L1(0.1))
    assert datafit.n_passes == 0
