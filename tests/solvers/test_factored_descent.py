"""Products with few columns of few rows, and the steps along a path that are made of them."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from daskreg.penalties import ElasticNet
from daskreg.solvers import factored_descent
from daskreg.solvers.factored import AT_ONCE, SHARED, Factored, Products
from daskreg.solvers.factored_descent import FactoredDescent, newton_step
from daskreg.solvers.factored_sweeps import FactoredProblem, look_at
from daskreg.solvers.parallel import one_by_one, side_by_side
from daskreg.solvers.quadratic import Quadratic
from daskreg.solvers.support_factor import SupportFactor
from daskreg.solvers.warm_path import solve_path

N, P = 120, 600


def model_of(seed=3, n_rows=N, n_columns=P):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n_rows, n_columns)) + 0.5 * rng.normal(size=(n_rows, 1))
    y = rows[:, :10] @ rng.normal(size=10) + rng.normal(size=n_rows)
    rows, y = np.asfortranarray(rows / n_rows**0.5), y / n_rows**0.5
    output = np.zeros(1, dtype=np.intp)
    return Quadratic(Factored(rows), (rows.T @ y)[:, None], np.array([y @ y]), output)


def path_of(model, n_alphas=25, smallest=0.03, l1_ratio=1.0, **options):
    alphas = np.geomspace(0.95, smallest, n_alphas) * np.abs(model.c).max() / l1_ratio
    return model.take(np.zeros(n_alphas, dtype=int)), ElasticNet(alphas, l1_ratio, **options)


def solved(model, penalty, tol=1e-10, both=one_by_one):
    target = np.full(penalty.n_problems, tol * float(model.yy[0]))
    start = np.zeros(model.c.shape)
    descent = FactoredDescent(model.G, both)
    return solve_path(descent.solve_one, model, penalty, start, target, 10_000).coef, target


def problem_at(model, penalty, place):
    """Return one problem of a path, the columns of its solution with their signs, and this."""
    coef, _ = solved(model, penalty, tol=1e-13)
    products = Products(model.G.rows)
    one = FactoredProblem.of(model.take([place]), penalty.take([place]), coef[:, 0], products)
    return one, np.sign(coef[:, place]), coef[:, place]


@pytest.mark.parametrize("count", [1, AT_ONCE, 2 * AT_ONCE + 1, 300])
def test_products_are_those_of_the_columns(count):
    rng, rows = np.random.default_rng(0), model_of().G.rows
    members = np.sort(rng.choice(P, count, replace=False))
    products, part = Products(rows), rows[:, members]
    for shape in ((), (1,), (7,)):
        right, share = rng.normal(size=(N, *shape)), rng.normal(size=(count, *shape))
        np.testing.assert_allclose(products.along(members, right), part.T @ right, atol=1e-12)
        np.testing.assert_allclose(products.combined(members, share), (part @ share).T, atol=1e-12)
    u = rng.normal(size=N)
    np.testing.assert_allclose(products.with_all(u), rows.T @ u, atol=1e-12)


def test_two_threads_make_the_bits_of_one(monkeypatch):
    monkeypatch.setattr("daskreg.solvers.parallel.n_cores", lambda: 2)
    model, penalty = path_of(model_of())
    assert model.G.rows.size < SHARED
    monkeypatch.setattr("daskreg.solvers.factored.SHARED", 0)
    alone, _ = solved(model, penalty)
    names = set()
    with side_by_side() as both:

        def noted(first, second):
            both(first, lambda: (names.add(threading.current_thread().name), second()))

        together, _ = solved(model, penalty, both=noted)
    assert threading.current_thread().name not in names
    assert len(names) == 1
    np.testing.assert_array_equal(alone, together)


def test_one_core_makes_both_halves(monkeypatch):
    monkeypatch.setattr("daskreg.solvers.parallel.n_cores", lambda: 1)
    with side_by_side() as both:
        assert both is one_by_one


def test_what_the_other_thread_raises_is_raised(monkeypatch):
    monkeypatch.setattr("daskreg.solvers.parallel.n_cores", lambda: 2)
    done = []
    with side_by_side() as both, pytest.raises(ZeroDivisionError):
        both(lambda: done.append(1), lambda: 1 / 0)
    assert done == [1]


@pytest.mark.parametrize(
    "options", [{}, {"l1_ratio": 0.7}, {"positive": True}], ids=["lasso", "ridge", "positive"]
)
def test_a_path_reaches_its_gaps_in_few_steps_and_looks(options, monkeypatch):
    model, penalty = path_of(model_of(), **options)
    steps, looks = [], []
    step, look = newton_step, Products.with_all
    monkeypatch.setattr(factored_descent, "newton_step", lambda *one: steps.append(1) or step(*one))
    monkeypatch.setattr(Products, "with_all", lambda self, u: looks.append(1) or look(self, u))
    coef, target = solved(model, penalty)
    assert (model.gap(penalty, coef) <= target).all()
    # From the support before it took 4 steps a problem, and as many looks at all columns.
    assert len(steps) <= 3.0 * penalty.n_problems
    assert len(looks) <= 2.0 * penalty.n_problems


@pytest.mark.parametrize("l1_ratio", [1.0, 0.7])
def test_gaps_near_rounding_are_reached_without_many_sweeps(l1_ratio):
    model, penalty = path_of(model_of(), l1_ratio=l1_ratio)
    target = np.full(penalty.n_problems, 1e-14 * float(model.yy[0]))
    start, solve_one = np.zeros(model.c.shape), FactoredDescent(model.G).solve_one
    found = solve_path(solve_one, model, penalty, start, target, 200)
    assert (model.gap(penalty, found.coef) <= target).all()
    assert (found.n_sweeps < 200).all()


def test_a_step_with_the_signs_of_the_solution_ends_there():
    one, signs, coef = problem_at(*path_of(model_of()), 20)
    b, u = newton_step(SupportFactor(one.products), one, signs, np.inf, 1e-9)
    np.testing.assert_allclose(b, coef, atol=1e-8)
    q = np.full(P, np.nan)
    look_at(one, u, np.flatnonzero(signs), q)
    # What a step leaves of the slopes of its columns is rounding.
    np.testing.assert_allclose(q[signs != 0.0], -(one.l1 * signs)[signs != 0.0], atol=1e-10)


def test_a_step_drops_columns_that_would_change_their_sign():
    one, signs, _ = problem_at(*path_of(model_of()), 20)
    wrong = signs.copy()
    wrong[np.flatnonzero(signs == 0.0)[:20]] = 1.0
    found = newton_step(SupportFactor(one.products), one, wrong, np.inf, 1e-9)
    assert found is not None
    b, u = found
    assert ((b == 0.0) | (np.sign(b) == wrong)).all()
    assert np.count_nonzero(b) < np.count_nonzero(wrong)
    np.testing.assert_allclose(u, one.products.rows @ b, atol=1e-12)


def test_a_step_that_does_not_descend_is_none():
    one, signs, coef = problem_at(*path_of(model_of()), 20)
    least = one.objective(coef, one.products.rows @ coef)
    factor = SupportFactor(one.products)
    assert newton_step(factor, one, -signs, least, 1e-9) is None
    assert newton_step(factor, one, signs, least - 1e-6 * abs(least), 1e-9) is None
    assert newton_step(factor, one, signs, least, 1e-9) is not None


def along(descent, model, penalty, tol):
    """Solve a path, yielding what each problem started from, took and ended with."""
    b = np.zeros(P)
    for k in range(penalty.n_problems):
        one, before = penalty.take([k]), b
        b, n_sweeps = descent.solve_one(model.take([k]), one, b, tol * float(model.yy[0]), 10_000)
        q = model.G.rows.T @ (model.G.rows @ b) - model.c[:, 0]
        gap = float(model.take([k]).gap_at(one, b[:, None], q[:, None])[0])
        yield before, n_sweeps, b, gap / float(model.yy[0])


def test_a_solution_that_the_first_step_finds_has_taken_one():
    model, penalty = path_of(model_of())
    for before, n_sweeps, b, _ in along(FactoredDescent(model.G), model, penalty, 1e-6):
        assert n_sweeps > 0 or np.array_equal(before, b)


def test_a_lone_problem_goes_on_while_columns_are_near():
    model, penalty = path_of(model_of(), n_alphas=12)
    gaps = [
        [gap for *_, gap in along(FactoredDescent(model.G, alone=alone), model, penalty, 1e-2)]
        for alone in (False, True)
    ]
    assert max(gaps[0]) <= 1e-2
    assert max(gaps[0]) > 1e-4  # a rough solution is all that is asked for
    assert np.sort(gaps[1])[:-3].max() < 1e-6
