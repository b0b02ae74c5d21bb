"""A problem has one answer: alone or in a batch, however its rows are cut."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daskreg.solvers import Fista, solve

from .world import LOSSES, N, World

borders = st.lists(st.integers(1, N - 1), unique=True, max_size=8).map(sorted)


@cache
def world(loss, standardize=True, dtype="float64"):
    return World(loss, True, standardize, alphas=(0.1, 0.01), ratios=(1.0, 0.4), dtype=dtype)


@pytest.mark.parametrize("loss", LOSSES)
@given(cuts=borders)
@settings(max_examples=15)
def test_cuts_of_the_rows_change_rounding_only(loss, cuts):
    case = world(loss)
    coef, intercept, columns = case.points(2)
    coef, intercept = np.clip(coef, -5, 5), np.clip(intercept, -5, 5)
    expected = case.fit.value_and_grad(coef, intercept, columns)
    found = case.datafit(cuts).value_and_grad(coef, intercept, columns)
    for name in ("value", "grad", "intercept_grad", "mean_curvature"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-10, atol=1e-12
        )
    penalty = case.penalty.take(columns)
    np.testing.assert_allclose(
        found.dual(penalty, coef), expected.dual(penalty, coef), rtol=1e-9, atol=1e-11
    )


@given(cuts=borders)
@settings(max_examples=25)
def test_gram_matrices_of_atoms_add_up_to_those_of_each_weighting(cuts):
    case = world("squared")
    fit = case.datafit(cuts)
    grams = fit.grams()
    assert len(grams) == 6  # two folds and all rows, with and without a resample
    for k in range(case.problems.n_problems):
        weight, Z, y, offset = case.rows(k)
        gram, target = grams[fit.weighting[k]], y - offset
        target = target - weight @ target
        output = case.problems.output[k]
        np.testing.assert_allclose(gram.G, Z.T @ (weight[:, None] * Z), atol=1e-12)
        np.testing.assert_allclose(gram.c[:, output], Z.T @ (weight * target), atol=1e-12)
        np.testing.assert_allclose(gram.yy[output], weight @ target**2, rtol=1e-12)


def answers(case, columns, cuts=(17, 40), solver=None, tol=1e-13):
    fit = case.datafit(cuts, problems=case.problems.take(columns))
    penalty = case.penalty.take(columns)
    if solver is None:
        return case.solved(fit, penalty, tol)
    return solve(solver, fit, penalty, tol=tol, max_iter=20_000)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_is_one_problem_after_another(loss):
    case = world(loss)
    together = case.solution
    for k in range(0, case.problems.n_problems, 3):
        alone = answers(case, [k])
        np.testing.assert_allclose(alone.coef[..., 0], together.coef[..., k], atol=1e-10)
        np.testing.assert_allclose(alone.intercept[:, 0], together.intercept[:, k], atol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("solver", [None, Fista()], ids=["default", "fista"])
def test_more_problems_change_no_other(loss, solver):
    case, rng = world(loss), np.random.default_rng(0)
    n = case.problems.n_problems
    few = rng.choice(n, 5, replace=False)
    many = np.concatenate([few, np.setdiff1d(rng.choice(n, n // 2, replace=False), few)])
    tol = 1e-13 if solver is None else 1e-10
    small, large = (answers(case, columns, solver=solver, tol=tol) for columns in (few, many))
    np.testing.assert_allclose(large.coef[..., :5], small.coef, atol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
def test_in_float32_a_batch_agrees_to_its_gap(loss):
    case = world(loss, dtype="float32")
    columns = np.arange(0, case.problems.n_problems, 4)
    penalty = case.penalty.take(columns)
    fit = case.datafit((17, 40), 1e-6, case.problems.take(columns))
    together = case.solved(fit, penalty, 1e-6)
    assert together.converged.all()
    for place, k in enumerate(columns):
        one = case.datafit((17, 40), 1e-6, case.problems.take([k]))
        alone = case.solved(one, penalty.take([place]), 1e-6)
        a = case.objective(k, alone.coef, alone.intercept)[0]
        b = case.objective(k, together.coef[..., [place]], together.intercept[:, [place]])[0]
        allowed = max(alone.dual_gap[0], together.dual_gap[place])
        assert abs(a - b) <= allowed + 1e-12


@pytest.mark.parametrize("loss", LOSSES)
def test_order_of_problems_and_of_rows_does_not_matter(loss):
    case = world(loss)
    order = np.random.default_rng(1).permutation(case.problems.n_problems)
    turned = answers(case, order, cuts=(3, 5, 60, 61))
    np.testing.assert_allclose(turned.coef, case.solution.coef[..., order], atol=1e-9)
