"""What a small gap rules out is out of every solution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daskreg.datafit import Datafit
from daskreg.losses import Logistic, Squared
from daskreg.penalties import ElasticNet, alpha_max
from daskreg.problems import Problems
from daskreg.solvers import Gram, solve
from daskreg.solvers.gap_safe import is_covered, may_be_active
from daskreg.solvers.screening import BatchScreening
from tests.fake_design import FakeDesign
from tests.solvers.test_screening import make, objective, wide


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    share=st.floats(0.05, 0.9),
    positive=st.booleans(),
    intercept=st.booleans(),
    standardize=st.booleans(),
    weighted=st.booleans(),
)
def test_no_column_that_is_out_is_active(seed, share, positive, intercept, standardize, weighted):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(30, 40)) * rng.uniform(0.2, 5.0, size=40) + rng.normal(size=40)
    y = X[:, :4] @ rng.normal(size=4) + rng.normal(size=30)
    weight = rng.integers(0, 3, size=30).astype(float) if weighted else None
    u = rng.uniform(0.5, 2.0, size=40)
    fit = Datafit(
        FakeDesign(X, y, sample_weight=weight),
        Squared(),
        Problems.product(alpha=[1.0]),
        fit_intercept=intercept,
        standardize=standardize,
    )
    alpha = share * alpha_max(fit.null_grad, 1.0, u, positive)
    penalty = ElasticNet(alpha, [1.0], u, positive)
    solution = solve(Gram(), fit, penalty, tol=1e-13)
    active = solution.coef[:, 0, 0] != 0.0
    # Points on the way to the solution, and beside it: gaps of every size.
    steps = np.array([0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0])
    coef = solution.coef * steps + 1e-3 * (1 - steps) * np.abs(rng.normal(size=(40, 1, 7)))
    at = np.zeros(7, dtype=int)
    free = solution.intercept[:, at]
    seen = fit.value_and_grad(coef, free, at, precise=True)
    many = penalty.take(at)
    gap = seen.value + many.value(coef) - seen.dual(many, coef)
    left = may_be_active(many, seen.grad, gap, fit.second_moment)
    assert left[active].all()
    # At the solution the rule leaves the columns whose gradient is at its bound.
    bound = np.abs(seen.grad[:, 0, -1]) >= 0.9 * penalty.l1[:, 0, 0]
    assert (left[:, -1] <= (bound | active)).all()


def test_a_large_gap_or_none_rules_nothing_out():
    penalty = ElasticNet([0.5, 0.5], [1.0, 1.0])
    grad = np.zeros((5, 1, 2))
    assert may_be_active(penalty, grad, np.array([1e3, np.inf]), np.ones(5)).all()
    assert may_be_active(penalty, grad + np.nan, np.zeros(2), np.ones(5)).all()


def test_what_the_rule_is_written_for():
    problems = Problems.product(alpha=[1.0], l1_ratio=[1.0, 0.5])
    X, y = wide(loss=Squared())
    fit = Datafit(FakeDesign(X, y), Squared(), problems)
    penalty = ElasticNet(np.ones(2), problems.l1_ratio)
    np.testing.assert_array_equal(is_covered(fit, penalty), problems.l1_ratio == 1.0)
    weight = np.ones(600)
    weight[7] = 0.0
    assert not is_covered(fit, ElasticNet(np.ones(2), [1.0, 1.0], weight)).any()
    labels = Datafit(FakeDesign(X, (y > 0).astype(float)), Logistic(), problems)
    assert not is_covered(labels, penalty).any()
    folds, one = make(Squared(), fold=(-1, 0), n_alphas=1)
    np.testing.assert_array_equal(is_covered(folds, one), folds.weighting == 0)


@pytest.mark.parametrize("reads_columns", [False, True])
def test_a_proof_spares_a_pass_and_changes_no_solution(reads_columns, monkeypatch):
    data = {"n_alphas": 1, "least": 0.1, "n": 150, "p": 3000, "reads_columns": reads_columns}

    def solved(rule):
        fit, penalty = make(Squared(), **data)
        if not rule:
            monkeypatch.setattr(
                "daskreg.solvers.screening.is_covered", lambda datafit, _: np.zeros(1, dtype=bool)
            )
        found = solve(BatchScreening(), fit, penalty, tol=1e-8)
        assert found.converged.all()
        return found, objective(fit, penalty, found), fit.null_value

    (found, value, null), (plain, expected, _) = solved(True), solved(False)
    # Where gathering is a pass, columns that are not at hand cost what the proof spares.
    assert found.n_passes < plain.n_passes + (not reads_columns)
    np.testing.assert_allclose(value, expected, atol=1e-8 * null.max())
    assert (found.dual_gap <= 1e-8 * null).all()
