"""Rows instead of their Gram matrix: the same problems, the same solutions."""

from __future__ import annotations

import numpy as np
import pytest

from daskreg.datafit import Datafit
from daskreg.exceptions import CompatibilityError, MemoryPlanError
from daskreg.losses import Logistic, Squared
from daskreg.penalties import ElasticNet
from daskreg.problems import Problems
from daskreg.solvers import Gram, solve
from daskreg.solvers.factored import Factored
from daskreg.solvers.quadratic import Quadratic
from daskreg.solvers.round_solver import factored_columns
from daskreg.solvers.screening import BatchScreening
from daskreg.solvers.support_factor import SupportFactor
from tests.datafit.test_weightings import EveryThird
from tests.fake_design import FakeDesign

N, P = 40, 150


def problem(
    *, weighted=False, fold=(-1,), targets=1, common=0.5, scale=1.0, shift=0.0, loss=None, **options
):
    rng = np.random.default_rng(7)
    X = rng.normal(size=(N, P)) + common * rng.normal(size=(N, 1))
    X = scale * X * rng.uniform(0.5, 2.0, size=P) + shift
    X[:, 3] = 5.0  # constant
    y = X[:, :8] @ rng.normal(size=(8, targets)) / scale + rng.normal(size=(N, targets))
    weight = rng.integers(0, 3, size=N).astype(float) if weighted else None
    loss = loss or Squared()
    y = (y > y.mean()).astype(float) if isinstance(loss, Logistic) else y
    problems = Problems.product(
        alpha=np.geomspace(1.0, 0.003, 8), l1_ratio=(1.0, 0.5), fold=fold, output=np.arange(targets)
    )
    design = FakeDesign(X, y, weight, borders=(17,))
    return Datafit(design, loss, problems, folds=EveryThird(), tol=1e-10, **options)


def penalty_of(fit, **options):
    top = np.abs(fit.null_grad).max()
    return ElasticNet(0.9 * top * fit.problems.alpha, fit.problems.l1_ratio, **options)


CASES = {
    "plain": {},
    "weights": {"weighted": True},
    "no intercept": {"fit_intercept": False},
    "standardize": {"standardize": True},
    "folds and targets": {"fold": (-1, 0, 2), "targets": 2, "weighted": True},
    "far from zero": {"shift": 1e4, "scale": 1e-1},
}


@pytest.mark.parametrize("kind", CASES)
def test_rows_multiply_to_the_gram_matrix(kind):
    fit = problem(**CASES[kind])
    whole, rows = fit.grams(), fit.factored_grams()
    assert whole.keys() == rows.keys()
    for number, data in rows.items():
        G = whole[number].G
        size = np.sqrt(np.diag(G))
        allowed = 1e-9 * np.outer(size, size) + 1e-12
        assert (np.abs(data.rows.T @ data.rows - G) <= allowed).all()
        assert data.rows.flags.f_contiguous
        np.testing.assert_array_equal(
            data.rows[:, 3], 0.0 if fit.fit_intercept else data.rows[:, 3]
        )
        np.testing.assert_array_equal(data.c, whole[number].c)
        np.testing.assert_array_equal(data.yy, whole[number].yy)


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize(
    "options",
    [{}, {"positive": True}, {"penalty_weight": np.where(np.arange(P) < 2, 0.0, 1.3)}],
    ids=["signs", "positive", "free columns"],
)
def test_the_solutions_are_those_of_the_gram_matrix(kind, options):
    fit = problem(**CASES[kind])
    penalty = penalty_of(fit, **options)
    plain, rows = (
        solve(Gram(factored=factored), fit, penalty, tol=1e-10, max_iter=100_000)
        for factored in (False, True)
    )
    assert plain.converged.all()
    assert rows.converged.all()
    gap = np.maximum(plain.dual_gap, 0.0) + np.maximum(rows.dual_gap, 0.0)
    assert (np.abs(plain.objective - rows.objective) <= gap + 1e-12 * fit.null_value).all()
    assert ((rows.coef >= 0.0) | (not options.get("positive"))).all()
    # Seen by a pass, the gap is what the solver said.
    seen = fit.value_and_grad(rows.coef, rows.intercept, np.arange(fit.n_problems), precise=True)
    objective = seen.value + penalty.value(rows.coef)
    np.testing.assert_allclose(objective, rows.objective, rtol=1e-9)


def test_strongly_correlated_columns_converge():
    fit = problem(common=10.0)
    found = solve(Gram(factored=True), fit, penalty_of(fit), tol=1e-10, max_iter=100_000)
    assert found.converged.all()


def test_a_sweep_budget_ends_a_problem_with_a_valid_bound():
    fit = problem()
    short = solve(Gram(factored=True), fit, penalty_of(fit), tol=1e-12, max_iter=2)
    whole = solve(Gram(), fit, penalty_of(fit), tol=1e-10, max_iter=100_000)
    assert (short.objective - short.dual_gap <= whole.objective + 1e-9 * fit.null_value).all()
    assert (short.n_iter <= 2).all()


def test_products_diagonal_and_blocks_are_those_of_the_matrix():
    rng = np.random.default_rng(0)
    rows = np.asfortranarray(rng.normal(size=(5, 9)))
    G, G_full = Factored(rows), rows.T @ rows
    coef = np.where(rng.normal(size=(9, 3)) > 0.5, rng.normal(size=(9, 3)), 0.0)
    np.testing.assert_allclose(G @ coef, G_full @ coef, atol=1e-12)
    c, yy, output = rng.normal(size=(9, 3)), np.full(3, 20.0), np.zeros(3, dtype=int)
    one, other = Quadratic(G, c, yy, output), Quadratic(G_full, c, yy, output)
    members = np.array([1, 4, 7])
    for name, arguments in (("matrix", ()), ("block", (members,)), ("grad", (coef,))):
        np.testing.assert_allclose(
            getattr(one, name)(*arguments), getattr(other, name)(*arguments), atol=1e-12
        )
    np.testing.assert_allclose(one.diagonal, np.diag(G_full))


@pytest.mark.parametrize("fold", [(-1,), (-1, 0, 2)])
def test_rounds_of_screening_take_rows_where_they_are_few(fold, monkeypatch):
    fit = problem(fold=fold)
    penalty = penalty_of(fit)
    monkeypatch.setattr(Datafit, "grams", lambda _: pytest.fail("a Gram matrix was multiplied"))
    found = solve(BatchScreening(gram_columns=10, n_columns=60), fit, penalty, tol=1e-9)
    monkeypatch.undo()
    assert found.converged.all()
    whole = solve(Gram(), fit, penalty, tol=1e-10, max_iter=100_000)
    close = 2e-9 * fit.null_value
    assert (np.abs(found.objective - whole.objective) <= close).all()


def test_rows_are_for_the_squared_loss_and_for_what_fits():
    fit = problem(fold=(-1, 0))
    assert factored_columns(fit, 8 * N * 3 * P) == P
    assert factored_columns(fit, 8 * N * 3 * (N - 1)) == 0
    logistic = problem(loss=Logistic())
    assert factored_columns(logistic, 2**40) == 0
    with pytest.raises(CompatibilityError, match="squared"):
        logistic.factored_grams()


def test_rows_that_do_not_fit_are_refused():
    fit = problem()
    fit.design.memory_limit = 8 * 3 * (8 * P + 64)
    with pytest.raises(MemoryPlanError, match="an eighth"):
        fit.factored_grams()


def path_of(fit, n_alphas=20):
    top = float(np.abs(fit.null_grad).max())
    alphas = np.geomspace(0.9, 0.01, n_alphas) * top
    problems = Problems.product(alpha=alphas)
    return Datafit(fit.design, Squared(), problems, tol=1e-10), ElasticNet(alphas, 1.0)


def test_along_a_path_columns_join_the_factor_about_once(monkeypatch):
    fit, penalty = path_of(problem())
    joined = []
    join = SupportFactor._join_panel
    monkeypatch.setattr(
        SupportFactor,
        "_join_panel",
        lambda self, new, l2: joined.extend(new) or join(self, new, l2),
    )
    found = solve(Gram(factored=True), fit, penalty, tol=1e-10, max_iter=100_000)
    assert found.converged.all()
    used = np.count_nonzero((found.coef != 0.0).any(axis=(1, 2)))
    assert used <= len(joined) <= 4 * used


def test_a_problem_is_solved_from_any_start():
    fit, penalty = path_of(problem(common=3.0), 6)
    rng = np.random.default_rng(4)
    start = rng.normal(size=(P, 1, 6)), np.array(fit.null_intercept)
    found = solve(Gram(factored=True), fit, penalty, tol=1e-10, max_iter=100_000, start=start)
    whole = solve(Gram(), fit, penalty, tol=1e-10, max_iter=100_000)
    assert found.converged.all()
    assert (np.abs(found.objective - whole.objective) <= 2e-10 * fit.null_value).all()


def test_without_newton_steps_sweeps_find_the_solution(monkeypatch):
    monkeypatch.setattr("daskreg.solvers.factored_descent.newton_step", lambda *_: None)
    fit, penalty = path_of(problem(), 6)
    found = solve(Gram(factored=True), fit, penalty, tol=1e-8, max_iter=100_000)
    assert found.converged.all()
