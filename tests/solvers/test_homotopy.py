"""Paths on few rows end at the solution, also where coordinate descent would take for ever."""

from __future__ import annotations

import numpy as np
import pytest

from daskreg import Lasso
from daskreg.solvers.factored import Products
from daskreg.solvers.factored_sweeps import FactoredProblem
from daskreg.solvers.homotopy import MOST_ROWS, along_path


def problem(rows, target, l1, positive=False, l2=0.0):
    n_columns = rows.shape[1]
    return FactoredProblem(
        Products(np.asfortranarray(rows)),
        np.einsum("ij,ij->j", rows, rows),
        rows.T @ target,
        np.broadcast_to(l1, n_columns).astype(float),
        np.full(n_columns, l2),
        positive,
    )


def gap(one, target, b):
    """Objective less that of the scaled residual in the dual, over the objective of zero."""
    rows = one.products.rows
    left = target - rows @ b
    slopes = rows.T @ left if one.positive else np.abs(rows.T @ left)
    share = min(1.0, 1.0 / max((slopes / one.l1).max(), 1e-300))
    value = 0.5 * left @ left + one.l1 @ np.abs(b)
    bound = share * left @ target - 0.5 * share**2 * left @ left
    return (value - bound) / (0.5 * target @ target)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("share", [0.3, 0.003])
@pytest.mark.parametrize(("mean", "exact"), [(0.0, 1e-13), (100.0, 1e-9), (1e4, 1e-5)])
@pytest.mark.parametrize("shape", [(12, 500), (40, 30), (60, 200)])
def test_the_end_of_a_path_is_the_solution(shape, mean, exact, share, positive):
    rng = np.random.default_rng(3)
    rows = rng.standard_normal(shape) + mean
    target = rows[:, 0] - rows[:, 1] + rng.standard_normal(len(rows))
    weights = rng.uniform(0.5, 2.0, rows.shape[1])
    slopes = rows.T @ target
    largest = np.max((slopes if positive else np.abs(slopes)) / weights)
    one = problem(rows, target, share * max(largest, 1.0) * weights, positive)
    b, u = along_path(one)
    np.testing.assert_allclose(u, rows @ b, atol=1e-9 * (1.0 + mean))
    assert gap(one, target, b) < exact
    assert not positive or (b >= 0.0).all()


def test_columns_that_are_zero_or_come_twice_do_no_harm():
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.standard_normal((10, 30)), 2, axis=1)
    rows[:, 7] = 0.0
    target = rng.standard_normal(10)
    one = problem(rows, target, 0.01)
    b, _ = along_path(one)
    assert gap(one, target, b) < 1e-12
    assert b[7] == 0.0
    assert not (b[10::2] * b[11::2]).any()


def test_where_nothing_enters_the_path_is_zero():
    rows, target = np.eye(5), np.arange(5.0)
    assert not along_path(problem(rows, target, 10.0))[0].any()
    assert not along_path(problem(rows, -target, 0.1, positive=True))[0].any()


def test_other_problems_are_not_followed():
    rows, target = np.eye(4), np.ones(4)
    assert along_path(problem(rows, target, 0.1, l2=0.1)) is None
    assert along_path(problem(rows, target, [0.1, 0.0, 0.1, 0.1])) is None
    many = np.ones((MOST_ROWS + 1, 2))
    assert along_path(problem(many, many[:, 0], 0.1)) is None


@pytest.mark.parametrize("mean", [100.0, 1e4])
@pytest.mark.parametrize("positive", [False, True])
def test_columns_far_from_zero_without_an_intercept_are_solved(mean, positive):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12, 2500)) + mean
    y = X[:, 0] - X[:, 1] + rng.standard_normal(12)
    model = Lasso(alpha=0.1, fit_intercept=False, positive=positive, deadline=60.0).fit(X, y)
    assert model.status_ == "converged"
    assert 1 <= (model.coef_ != 0.0).sum() <= 12
