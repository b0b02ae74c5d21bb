"""Quasi-Newton from a sample of rows: the same optimum, and how many passes it takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from daskreg.exceptions import CompatibilityError
from daskreg.losses import Logistic, Squared
from daskreg.penalties import L1, L2, ElasticNet, alpha_max
from daskreg.problems import Problems
from daskreg.solvers import Fista, Gram, QuasiNewton, solve
from daskreg.splits import ContiguousFolds, PoissonBootstrap
from tests.fake_design import FakeDesign

from . import stand_in
from .sampling import Multinomial, SampledFit, classes
from .test_quasi_newton import ALPHA, datafit_of, hard, labelled


def fit_of(X, y, loss=None, n_problems=1, **options):
    problems = Problems(np.ones(n_problems), np.ones(n_problems), np.zeros(n_problems, int))
    design = FakeDesign(X, y, borders=(40, 41, len(y) // 2))
    return SampledFit(design, loss or Logistic(), problems, tol=1e-10, **options)


def sampled(rows=None, **options):
    return QuasiNewton(metric="sample", sample_rows=rows, **options)


# ---------------------------------------------------------------------- the optimum


@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("rows", [60, 10_000])
def test_the_optimum_does_not_depend_on_the_rows(ratio, fit_intercept, positive, rows):
    X, y = labelled(rho=0.5)
    penalty = ElasticNet(ALPHA, ratio, positive=positive)
    options = {"fit_intercept": fit_intercept, "class_weight": {0.0: 1.0, 1.0: 2.5}}
    ours = solve(sampled(rows), fit_of(X, y, n_problems=3, **options), penalty, tol=1e-9)
    theirs = solve(QuasiNewton(), datafit_of(X, y, **options), penalty, tol=1e-10)
    # Bounds that 60 rows of nearly separable labels lead to may end in the noise of the objective.
    assert (ours.relative_gap <= (1e-9 if rows > len(y) else 1e-7)).all()
    np.testing.assert_allclose(ours.objective, theirs.objective, rtol=2e-9)
    np.testing.assert_allclose(ours.coef, theirs.coef, atol=5e-4)


def test_all_rows_in_memory_make_it_newtons_method():
    """What the rows do not know is nothing then, so that old pairs change no step."""
    X, y = labelled()
    few = solve(sampled(10_000, memory=0), fit_of(X, y), L1(0.002), tol=1e-10)
    many = solve(sampled(10_000), fit_of(X, y), L1(0.002), tol=1e-10)
    assert many.n_passes == few.n_passes <= 9
    np.testing.assert_allclose(many.coef, few.coef, atol=1e-6)


@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_all_rows_in_memory_take_a_step_or_two(ratio, fit_intercept):
    """Newton's method runs to its end in memory, and a pass over X certifies what it found."""
    X, y = labelled()
    fit = fit_of(X, y, n_problems=3, fit_intercept=fit_intercept)
    found = solve(sampled(len(y)), fit, ElasticNet(ALPHA, ratio), tol=1e-9)
    assert (found.n_iter <= [1, 1, 2]).all()
    assert (found.relative_gap <= 1e-9).all()
    less = solve(sampled(len(y) - 1), fit, ElasticNet(ALPHA, ratio), tol=1e-9)
    assert (less.n_iter > found.n_iter).all()
    np.testing.assert_allclose(less.coef, found.coef, atol=1e-4)


@pytest.mark.parametrize("kind", [sp.csr_array, lambda X: X.astype(np.float32)])
def test_storage_changes_nothing(kind):
    X, y = labelled()
    X = np.where(np.abs(X) < 0.7, 0.0, X).astype(np.float32).astype(np.float64)
    for loss, target in ((Logistic(), y), (Squared(), X @ np.arange(12.0) + y)):
        dense = solve(sampled(100), fit_of(X, target, loss), L1(0.01), tol=1e-9)
        stored = solve(sampled(100), fit_of(kind(X), target, loss), L1(0.01), tol=1e-9)
        assert stored.converged.all()
        assert stored.n_passes == dense.n_passes
        np.testing.assert_allclose(stored.coef, dense.coef, atol=1e-6)


def test_constant_columns_and_a_start_that_uses_them():
    X, y = labelled()
    X = np.hstack([X, np.full((len(X), 1), 7.0)])
    for solver in (sampled(60), QuasiNewton()):
        fit = fit_of(X, y)
        start = np.ones((13, 1, 1)), np.zeros((1, 1))
        solution = solve(solver, fit, L2(0.01), tol=1e-9, start=start)
        assert solution.converged.all()
        assert solution.coef[-1, 0, 0] == 0.0


def test_ridge_without_the_matrix(monkeypatch):
    X, y = labelled()
    expected = solve(QuasiNewton(), fit_of(X, y), L2(0.001), tol=1e-10)
    monkeypatch.setattr("daskreg.solvers.subproblem.LARGEST_SYSTEM", 5)
    for solver in (QuasiNewton(), sampled(100)):
        solution = solve(solver, fit_of(X, y), L2(0.001), tol=1e-10)
        assert solution.converged.all()
        np.testing.assert_allclose(solution.coef, expected.coef, atol=1e-5)


def test_many_ridge_problems_share_an_eigendecomposition(monkeypatch):
    X, y = labelled()
    alpha = np.geomspace(1e-4, 1.0, 9)
    expected = solve(QuasiNewton(), fit_of(X, y, n_problems=9), L2(alpha), tol=1e-10)
    monkeypatch.setattr("daskreg.solvers.models.WIDE", 2)
    factors = []
    monkeypatch.setattr("daskreg.solvers.subproblem._direct", lambda *a: factors.append(a))
    solution = solve(QuasiNewton(), fit_of(X, y, n_problems=9), L2(alpha), tol=1e-10)
    assert not factors
    assert solution.converged.all()
    assert solution.n_passes == expected.n_passes
    np.testing.assert_allclose(solution.coef, expected.coef, atol=1e-7)


def test_more_problems_than_cores_have_the_answers_of_each_alone():
    X, y = labelled()
    alpha = np.geomspace(1e-3, 0.1, 9)
    together = solve(sampled(100), fit_of(X, y, n_problems=9), L1(alpha), tol=1e-8)
    for k in range(9):
        alone = solve(sampled(100), fit_of(X, y), L1(alpha[k]), tol=1e-8)
        assert alone.n_iter[0] == together.n_iter[k]
        assert alone.n_passes == together.n_passes_each[k]
        np.testing.assert_allclose(alone.coef[..., 0], together.coef[..., k], atol=1e-9)


class Scaled(SampledFit):
    """With a second problem that does not see column 3, and has half the scale in column 0."""

    factor = np.ones((12, 2))
    factor[3, 1], factor[0, 1] = 0.0, 0.5

    def take(self, columns):
        other = super().take(columns)
        other.factor = self.factor[:, columns]
        return other

    @property
    def metric_scale(self):
        return self.factor

    @property
    def null_evaluation(self):
        found = super().null_evaluation
        return replace(found, grad=found.grad * self.factor[:, None])

    def value_and_grad(self, coef, intercept, columns=None, *, precise=False):
        factor = self.factor[:, None, columns]
        found = super().value_and_grad(coef * factor, intercept, columns, precise=precise)
        return replace(found, grad=found.grad * factor)


def test_problems_have_their_own_coordinates():
    X, y = labelled()
    problems = Problems(np.ones(2), np.ones(2), np.zeros(2, int))
    fit = Scaled(FakeDesign(X, y), Logistic(), problems, tol=1e-10)
    fit.metric()
    solution = solve(QuasiNewton(), fit, L1([0.01, 0.01]), tol=1e-9)
    assert solution.converged.all()
    assert solution.coef[3, 0, 1] == 0.0
    other = X.copy()
    other[:, 3] = 1.0
    other[:, 0] *= 0.5
    alone = solve(QuasiNewton(), fit_of(other, y), L1(0.01), tol=1e-9)
    np.testing.assert_allclose(solution.coef[..., 1], alone.coef[..., 0], atol=1e-5)
    assert abs(int(solution.n_iter[1]) - int(alone.n_iter[0])) <= 1


@pytest.mark.parametrize("solver", [QuasiNewton(), sampled(100), sampled(10_000)], ids=str)
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_folds_and_resamples_have_the_optima_of_first_order_steps(solver, class_weight):
    """Every problem has its own rows, means and scales; one column is constant in one fold."""
    X, y = labelled()
    X[:50, 5] = X[100:, 5] = 2.0
    n = 8
    problems = Problems(
        np.ones(n), np.ones(n), np.zeros(n, int), fold=[-1, 0, 1, 2, 0, 1, 2, -1],
        bootstrap=[-1, -1, -1, -1, -1, -1, 0, 1],
    )  # fmt: skip
    design = FakeDesign(X, y, borders=(70,))
    options = {"standardize": True, "tol": 1e-10, "class_weight": class_weight}
    folds, resamples = ContiguousFolds(3, len(y)), PoissonBootstrap(2, seed=3)
    fit = SampledFit(design, Logistic(), problems, folds=folds, resamples=resamples, **options)
    penalty = L1(np.array([0.01] * 4 + [0.003] * 4))
    ours = solve(solver, fit, penalty, tol=1e-8)
    theirs = solve(Fista(), fit, penalty, tol=1e-9, max_iter=20_000)
    assert ours.converged.all()
    np.testing.assert_allclose(ours.objective, theirs.objective, rtol=3e-8)
    assert ours.coef[5, 0, 2] == ours.coef[5, 0, 5] == 0.0


# ---------------------------------------------------------------------- what it costs


def passes_of(solver, X, y, loss, fraction, class_weight=None):
    fit = fit_of(X, y, loss, standardize=True, class_weight=class_weight)
    fit.first()
    penalty = L1(fraction * alpha_max(fit.null_grad))
    before = fit.n_passes
    solution = solve(solver, fit, penalty, tol=1e-6)
    assert solution.converged.all()
    assert solution.relative_gap.max() <= 1e-6
    assert solution.n_passes == fit.n_passes - before == solution.n_passes_each[0]
    return fit.n_passes


@pytest.mark.parametrize("rho", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("per_column", [20, 30])
def test_passes_of_a_lasso_too_wide_for_its_gram_matrix(rho, per_column):
    X, _ = hard(n_samples=20_000, rho=rho)
    rng = np.random.default_rng(1)
    y = X[:, ::10] @ rng.standard_normal(10) + rng.standard_normal(len(X))
    for fraction in ALPHA:
        assert passes_of(sampled(per_column * 100), X, y, Squared(), fraction) <= 12


@pytest.mark.parametrize("rho", [0.5, 0.9, 0.99])
def test_passes_of_a_logistic_lasso(rho):
    for fraction in ALPHA:
        assert passes_of(sampled(), *hard(rho=rho), Logistic(), fraction) <= 11


@pytest.mark.parametrize(("shift", "steepness"), [(-7.3, 1.0), (0.0, 5.0)])
def test_passes_of_rare_classes_and_of_classes_that_are_almost_separable(shift, steepness):
    X, y = hard(shift=shift, steepness=steepness)
    weight = "balanced" if shift else None
    for fraction in ALPHA:
        assert passes_of(sampled(), X, y, Logistic(), fraction, weight) <= 16


# ---------------------------------------------------------------------- several classes


@pytest.mark.parametrize(
    ("solver", "most"), [(QuasiNewton(), 50), (sampled(), 18), (Fista(), 400)], ids=str
)
def test_passes_of_many_classes(solver, most):
    X, Y = classes(n_samples=5000)
    fit = Multinomial(X, Y)
    penalty = L1(0.1 * alpha_max(fit.null_grad))
    solution = solve(solver, fit, penalty, tol=1e-6)
    assert solution.converged.all()
    assert solution.relative_gap[0] <= 1e-6
    assert solution.n_passes == fit.n_passes <= most
    there = fit.evaluate(solution.coef, solution.intercept)
    scale = np.abs(fit.null_grad).max()
    assert penalty.violation(solution.coef, there.grad).max() < 1e-3 * scale


@pytest.mark.parametrize("penalty", [L1([0.02, 0.005]), L2([0.05, 0.01])])
def test_solvers_agree_on_classes(penalty):
    # An odd number of classes: a shift of all of them by their median is no tie.
    X, Y = classes(n_samples=400, n_features=8, n_classes=5)
    solutions = [
        solve(solver, Multinomial(X, Y, 2), penalty, tol=1e-8, max_iter=5000)
        for solver in (QuasiNewton(), sampled(200), sampled(10_000), Fista())
    ]
    for solution in solutions:
        assert solution.converged.all()
        np.testing.assert_allclose(solution.objective, solutions[0].objective, rtol=1e-7)
        np.testing.assert_allclose(solution.coef, solutions[0].coef, atol=2e-3)


def test_too_many_coupled_coefficients_take_one_gram_matrix(monkeypatch):
    monkeypatch.setattr("daskreg.solvers.sampled.LARGEST_COUPLED", 5)
    X, Y = classes(n_samples=400, n_features=8, n_classes=4)
    solution = solve(sampled(300), Multinomial(X, Y), L1(0.01), tol=1e-7)
    expected = solve(QuasiNewton(), Multinomial(X, Y), L1(0.01), tol=1e-8)
    assert solution.converged.all()
    np.testing.assert_allclose(solution.objective, expected.objective, rtol=1e-6)


# ---------------------------------------------------------------------- what is refused


def test_what_is_missing_is_named_before_any_pass():
    X, y = labelled()
    datafit = stand_in.Logistic(X, y[:, None], np.zeros(1, dtype=int))
    with pytest.raises(CompatibilityError, match=r"needs Logistic.sample.*use metric='gram'"):
        solve(sampled(), datafit, L1(0.1))
    assert datafit.n_passes == 0
    with pytest.raises(CompatibilityError, match="Gram cannot use Multinomial"):
        solve(Gram(), Multinomial(*classes(n_samples=50, n_features=8)), L1(0.1))


@pytest.mark.parametrize(
    "settings", [{"metric": "hessian"}, {"memory": -1}, {"sample_rows": 0}], ids=str
)
def test_settings_that_make_no_sense(settings):
    with pytest.raises(ValueError, match=f"got {'memory' if 'metric' not in settings else ''}"):
        QuasiNewton(**settings)
