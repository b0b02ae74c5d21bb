"""Bounds of coupled classes lie below the optimum wherever they are taken, and meet it there."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daskreg.penalties import ElasticNet
from daskreg.solvers import Fista, solve

from .coupled import datafit, problem

PENALTIES = {"l1": (0.02, 1.0), "l2": (0.3, 0.0), "both": (0.05, 0.5), "weak": (0.001, 0.7)}


class Case:
    """A random problem with the best objective that is known of it."""

    def __init__(self, penalty, fit_intercept, weights, shift, positive=False, q=3, seed=0):
        X, y, w = problem(n=90, p=4, q=q, weights=weights, shift=shift, seed=seed)
        self.p, self.q = 4, q
        self.fit = datafit(X, y, w, borders=(30,), fit_intercept=fit_intercept)
        alpha, ratio = PENALTIES[penalty]
        self.penalty = ElasticNet([alpha], [ratio], positive=positive)
        found = solve(Fista(), self.fit, self.penalty, tol=1e-11, max_iter=20_000)
        self.coef, self.intercept = found.coef, found.intercept
        self.best, self.gap = found.objective[0], found.dual_gap[0]

    def points(self, spread, seed):
        """Random points, one column each, as far from the optimum as ``spread`` says."""
        rng, n = np.random.default_rng(seed), len(spread)
        coef = self.coef + spread * rng.normal(size=(self.p, self.q, n))
        if self.penalty.positive:
            coef = np.maximum(coef, 0.0)
        moved = self.fit.fit_intercept * spread * rng.normal(size=(self.q, n))
        return coef, self.intercept + moved

    def bounds(self, coef, intercept):
        columns = np.zeros(coef.shape[-1], dtype=int)
        found = self.fit.value_and_grad(coef, intercept, columns)
        return found.dual(self.penalty.take(columns), coef)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("shift", [0.0, 2.0])
@pytest.mark.parametrize("positive", [True, False])
def test_dual_is_below_the_optimum_and_meets_it(penalty, fit_intercept, weights, shift, positive):
    case = Case(penalty, fit_intercept, weights, shift, positive)
    assert 0.0 <= case.gap < 1e-10
    spread = np.r_[0.0, 1e-7, np.logspace(-5, 1.5, 60)]
    bounds = case.bounds(*case.points(spread, seed=3))
    assert np.isfinite(bounds).all()
    assert (bounds <= case.best + 1e-12).all()
    assert case.best - bounds[0] < 1e-7
    assert case.best - bounds[1] < 1e-5


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_thousands_of_random_points(penalty, fit_intercept):
    case = Case(penalty, fit_intercept, True, 1.0, q=5, seed=1)
    rng = np.random.default_rng(0)
    for seed in range(10):
        coef, intercept = case.points(10 ** rng.uniform(-6, 2, 128), seed)
        assert (case.bounds(coef, intercept) <= case.best + 1e-12).all()


@cache
def case_of(*settings_of_case):
    return Case(*settings_of_case)


@given(
    penalty=st.sampled_from(sorted(PENALTIES)),
    fit_intercept=st.booleans(),
    shift=st.sampled_from([0.0, 3.0]),
    q=st.sampled_from([2, 3, 6]),
    exponent=st.floats(-8, 3),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=100, deadline=None)
def test_any_point_gives_a_valid_bound(penalty, fit_intercept, shift, q, exponent, seed):
    case = case_of(penalty, fit_intercept, True, shift, False, q)
    bounds = case.bounds(*case.points(np.full(8, 10.0**exponent), seed))
    assert (bounds <= case.best + 1e-12).all()


def test_an_intercept_costs_little_where_means_are_right():
    """At a point with the right means nothing is mixed in; near it the bound hardly moves."""
    case = Case("both", True, True, 0.0)
    coef = case.coef[..., [0, 0]]
    intercept = case.intercept[..., [0, 0]].copy()
    intercept[0, 1] += 1e-6
    bounds = case.bounds(coef, intercept)
    assert abs(bounds[0] - bounds[1]) < 1e-5


def test_free_columns_give_no_bound():
    case = Case("l1", True, True, 0.0)
    free = ElasticNet([0.02], [1.0], np.r_[0.0, np.ones(3)])
    found = case.fit.value_and_grad(case.coef, case.intercept)
    assert np.isnan(found.dual(free, case.coef)).all()
    before = case.fit.n_passes
    assert np.isnan(case.fit.closing_dual(free, case.coef, case.intercept)).all()
    assert case.fit.n_passes == before
    solution = solve(Fista(), case.fit, free, tol=1e-7, max_iter=5000)
    assert solution.certificate[0] == "violation"
    assert solution.converged.all()


def test_no_penalty_no_bound():
    case = Case("l1", True, True, 0.0)
    found = case.fit.value_and_grad(case.coef, case.intercept)
    assert np.isnan(found.dual(ElasticNet([0.0], [0.5]), case.coef)).all()


def test_separable_classes_far_from_the_margin():
    X = np.repeat(np.eye(3), 4, axis=0)
    fit = datafit(X, np.repeat(np.arange(3), 4), None)
    penalty = ElasticNet([1e-3], [1.0])
    for size in (1.0, 10.0, 1000.0):
        coef = size * np.eye(3)[..., None]
        found = fit.value_and_grad(coef, np.zeros((3, 1)))
        bound = found.dual(penalty, coef)
        assert 0.0 <= bound[0] <= found.value[0] + penalty.value(coef)[0]


@pytest.mark.parametrize("penalty", PENALTIES)
def test_points_whose_intercepts_alone_are_off(penalty):
    """Where classes are rare the constraint of the intercepts weighs most."""
    X, y, w = problem(n=200, p=4, seed=2)
    y = np.where((np.arange(200) % 8 > 0) & (np.arange(200) > 2), 0, y)
    fit = datafit(X, y, w)
    one = ElasticNet(*([number] for number in PENALTIES[penalty]))
    found = solve(Fista(), fit, one, tol=1e-11, max_iter=20_000)
    rng = np.random.default_rng(0)
    moved = np.repeat(np.logspace(-6, 1, 100), 4) * rng.normal(size=(3, 400))
    columns = np.zeros(400, dtype=int)
    coef = found.coef[..., columns]
    bounds = fit.value_and_grad(coef, found.intercept + moved, columns)
    bounds = bounds.dual(one.take(columns), coef)
    assert (bounds <= found.objective[0] + 1e-12).all()
    assert (found.objective[0] - bounds[:4] < 1e-5).all()
