"""FISTA: the optimum, one column equals the batch, and what each iteration costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn import linear_model

from daskreg.exceptions import CompatibilityError
from daskreg.penalties import L1, L2, ElasticNet, alpha_max
from daskreg.solvers import SOLVERS, Fista, Gram, solve

from .stand_in import Logistic, Squared, design


def squared(n_problems=1, rho=0.5, **options):
    X, Y = design(rho=rho)
    return Squared(X, Y, np.zeros(n_problems, dtype=int), **options)


def logistic(n_problems=1, rho=0.5, **options):
    X, Y = design(rho=rho)
    middle = np.quantile(Y, 0.6)
    labels = (middle < Y).astype(float)
    return Logistic(X, labels, np.zeros(n_problems, dtype=int), **options)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_squared_optimum_is_that_of_the_gram(positive, fit_intercept):
    alpha = np.array([0.5, 0.05, 0.01])
    penalty = ElasticNet(alpha, [1.0, 0.5, 0.0], positive=positive)
    datafit = squared(3, rho=0.9, fit_intercept=fit_intercept)
    first = solve(Fista(), datafit, penalty, tol=1e-12, max_iter=5000)
    exact = solve(Gram(), datafit, penalty, tol=1e-13, max_iter=50_000)
    assert first.converged.all()
    np.testing.assert_allclose(first.coef, exact.coef, atol=1e-5)
    np.testing.assert_allclose(first.objective, exact.objective, rtol=1e-11)


@pytest.mark.parametrize("C", [0.05, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_l1_logistic_equals_scikit_learn(C, weighted):
    weight = np.random.default_rng(3).uniform(0.5, 2, 200) if weighted else np.ones(200)
    datafit = logistic(fit_intercept=False, sample_weight=weight)
    solution = solve(Fista(), datafit, L1(1 / (C * weight.sum())), tol=1e-12, max_iter=5000)
    rival = linear_model.LogisticRegression(
        C=C,
        l1_ratio=1.0,
        solver="liblinear",
        fit_intercept=False,
        tol=1e-9,
        max_iter=100_000,
        random_state=0,
    ).fit(datafit.X, datafit.Y[:, 0], sample_weight=weight)
    assert solution.converged.all()
    np.testing.assert_allclose(solution.coef[:, 0, 0], rival.coef_[0], atol=1e-4)


def test_l2_logistic_with_intercept_equals_scikit_learn():
    datafit = logistic(rho=0.9)
    solution = solve(Fista(), datafit, L2(1 / 200), tol=1e-13, max_iter=5000)
    rival = linear_model.LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-12)
    rival.fit(datafit.X, datafit.Y[:, 0])
    np.testing.assert_allclose(solution.coef[:, 0, 0], rival.coef_[0], atol=1e-5)
    intercept = solution.intercept[0, 0] - datafit.X.mean(axis=0) @ solution.coef[:, 0, 0]
    assert intercept == pytest.approx(rival.intercept_[0], abs=1e-4)


@pytest.mark.parametrize("make", [squared, logistic])
def test_bounds_never_exceed_the_optimum_and_kkt_holds(make):
    datafit = make(4)
    penalty = ElasticNet(alpha_max(datafit.null_grad) * [0.9, 0.3, 0.1, 0.01], [1, 0.5, 0.9, 0.1])
    loose = solve(Fista(), datafit, penalty, tol=1e-3)
    tight = solve(Fista(), datafit, penalty, tol=1e-13, max_iter=5000)
    assert (loose.objective - loose.dual_gap <= tight.objective + 1e-12).all()
    assert (loose.objective >= tight.objective - 1e-12).all()
    evaluation = datafit.evaluate(tight.coef, tight.intercept, np.arange(4))
    assert penalty.violation(tight.coef, evaluation.grad).max() < 1e-5
    assert np.abs(evaluation.intercept_grad).max() < 1e-5


@pytest.mark.parametrize("make", [squared, logistic])
def test_a_batch_equals_one_by_one(make):
    alpha = np.geomspace(0.2, 0.002, 5)
    batch = solve(Fista(), make(5), L1(alpha), tol=1e-9)
    for k in range(5):
        alone = solve(Fista(), make(1), L1(alpha[k]), tol=1e-9)
        assert alone.n_iter[0] == batch.n_iter[k]
        np.testing.assert_allclose(alone.coef[..., 0], batch.coef[..., k], atol=1e-12)


def test_the_start_and_every_iteration_cost_one_pass_of_at_most_two_columns():
    datafit = logistic(3)
    solution = solve(Fista(), datafit, L1([0.1, 0.01, 0.001]), tol=1e-8)
    assert datafit.n_passes == 1 + solution.n_iter.max() == solution.n_passes
    counted = zip(datafit.counter.columns, datafit.counter.problems, strict=True)
    assert all(columns <= 2 * problems for columns, problems in counted)


def test_a_null_model_known_from_the_first_pass_is_not_evaluated_again():
    class Known(Logistic):
        @property
        def null_evaluation(self):
            zero = np.zeros((self.n_features, 1, self.n_problems))
            return self.evaluate(zero, self.null_intercept, np.arange(self.n_problems))

    plain = logistic()
    known = Known(plain.X, plain.Y, plain.output)
    solution = solve(Fista(), known, L1(0.01), tol=1e-8)
    assert known.n_passes == solution.n_iter[0]
    reference = solve(Fista(), plain, L1(0.01), tol=1e-8)
    np.testing.assert_array_equal(reference.coef, solution.coef)


def test_a_warm_start_at_the_optimum_ends_after_its_evaluation():
    datafit, penalty = logistic(), L1(0.01)
    optimum = solve(Fista(), datafit, penalty, tol=1e-12, max_iter=5000)
    again = solve(Fista(), datafit, penalty, tol=1e-10, start=(optimum.coef, optimum.intercept))
    assert again.n_passes == 1
    assert again.n_iter[0] == 0
    np.testing.assert_array_equal(again.coef, optimum.coef)


def test_badly_scaled_columns_cost_little():
    """The metric undoes any scaling of columns when the penalty scales along."""
    plain = squared(rho=0.5, fit_intercept=False)
    factor = np.geomspace(1e-3, 1e3, plain.n_features)
    scaled = replace(plain, X=plain.X * factor, counter=type(plain.counter)())
    reference = solve(Fista(), plain, L1(0.01), tol=1e-9)
    solution = solve(Fista(), scaled, L1(0.01, factor), tol=1e-9)
    assert abs(solution.n_iter[0] - reference.n_iter[0]) <= 2
    np.testing.assert_allclose(solution.coef[:, 0, 0] * factor, reference.coef[:, 0, 0], atol=1e-6)


def test_points_outside_the_domain_are_rejected():
    """A loss that overflows for long steps: nothing that is not finite is ever kept."""

    class Fragile(Squared):
        def value_and_grad(self, coef, intercept, columns, *, precise=False):
            evaluation = super().value_and_grad(coef, intercept, columns)
            far = np.abs(coef).max(axis=(0, 1)) > 1.7
            return replace(evaluation, value=np.where(far, np.inf, evaluation.value))

    plain = squared(rho=0.9)
    datafit = Fragile(plain.X, plain.Y, plain.output)
    solution = solve(Fista(), datafit, L1(0.05), max_iter=200)
    reference = solve(Gram(), plain, L1(0.05))
    assert np.isfinite(solution.objective).all()
    assert np.abs(reference.coef).max() < 1.7
    np.testing.assert_allclose(solution.objective, reference.objective, rtol=1e-5)


def test_a_missing_piece_is_named_before_any_pass():
    class NoCurvature(Logistic):
        curvature = property(lambda self: (_ for _ in ()).throw(AssertionError))

    class Bare:
        n_problems, n_features, n_passes = 1, 2, 0

        def value_and_grad(self): ...

    with pytest.raises(CompatibilityError, match=r"it needs Bare.curvature, Bare.second_moment"):
        solve(Fista(), Bare(), L1(0.1))


def test_solvers_by_name():
    assert SOLVERS["fista"] is Fista
    assert SOLVERS["gram"] is Gram
