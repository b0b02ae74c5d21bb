"""Hessians over some features: derivatives of the gradient, for any blocks, weights and folds."""

import numpy as np
import pytest
import scipy.sparse as sp

from daskreg.datafit import Datafit
from daskreg.datafit.kernels import fused
from daskreg.losses import Logistic
from daskreg.penalties import ElasticNet, alpha_max
from daskreg.problems import Problems
from daskreg.solvers import QuasiNewton, solve
from daskreg.splits import ShuffledFolds
from tests.fake_design import FakeDesign


def problem(seed=0, n=400, p=9, weights=True):
    """Sparse columns, one of them constant, with weights some of which are zero."""
    rng = np.random.default_rng(seed)
    X = np.where(rng.random((n, p)) < 0.4, 1.0 + rng.normal(size=(n, p)), 0.0)
    X[:, 4] = 2.0
    y = (X @ rng.normal(size=p) + rng.logistic(size=n) > 1.0).astype(float)
    return sp.csr_array(X), y, rng.integers(0, 3, n).astype(float) if weights else None


def datafit(X, y, w, *, n_problems=2, folds=None, borders=(50, 51, 300), offset=None, **options):
    problems = Problems(
        np.ones(n_problems),
        np.ones(n_problems),
        np.zeros(n_problems, int),
        fold=np.arange(n_problems) if folds else None,
    )
    design = FakeDesign(X, y, w, offset, borders)
    return Datafit(design, Logistic(), problems, folds=folds, **options)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("kind", ["plain", "folds", "offset"])
def test_hessian_is_the_derivative_of_the_gradient(fit_intercept, standardize, weights, kind):
    X, y, w = problem(weights=weights)
    folds = ShuffledFolds(4) if kind == "folds" else None
    offset = np.linspace(-1, 1, len(y)) if kind == "offset" else None
    options = {"fit_intercept": fit_intercept, "standardize": standardize}
    fit = datafit(X, y, w, folds=folds, offset=offset, **options)
    rng = np.random.default_rng(1)
    coef, intercept = 0.3 * rng.normal(size=(9, 1, 2)), 0.2 * rng.normal(size=(1, 2))
    members = [np.array([0, 3, 4, 8]), np.array([1, 2])]
    fit.first()
    before = fit.n_passes
    found = fit.hessians(coef, intercept, [0, 1], members)
    assert fit.n_passes == before + 1
    h = 1e-5
    for c, own in enumerate(members):
        numeric = np.empty((len(own), len(own) + 1))
        for place in range(len(own) + 1):
            step, move = np.zeros((9, 1, 1)), np.zeros((1, 1))
            if place < len(own):
                step[own[place]] = h
            else:
                move[:] = h
            ends = [
                fit.value_and_grad(
                    coef[..., [c]] + sign * step, intercept[:, [c]] + sign * move, [c], precise=True
                )
                for sign in (1, -1)
            ]
            numeric[:, place] = ((ends[0].grad - ends[1].grad) / (2 * h))[own, 0, 0]
        numeric[:, -1] *= fit_intercept  # else it stays where it is
        np.testing.assert_allclose(found[c][:-1], numeric, atol=1e-8)
        np.testing.assert_array_equal(found[c], found[c].T)
        curvature = fit.value_and_grad(coef, intercept, precise=True).mean_curvature[c]
        np.testing.assert_allclose(found[c][-1, -1], curvature, rtol=1e-12)


def test_hessians_are_offered_for_sparse_rows_of_few_entries(monkeypatch):
    X, y, w = problem()
    assert not datafit(X, y, w).sums_hessians  # too small for compiled loops
    monkeypatch.setattr(fused, "COMPILED_ENTRIES", 1)
    assert datafit(X, y, w).sums_hessians
    assert not datafit(X.toarray(), y, w).sums_hessians
    fit = datafit(X, y, w)
    fit.design.__class__ = type("Many", (FakeDesign,), {"row_nbytes": 12 * 500})
    assert not fit.sums_hessians


@pytest.mark.parametrize("ratio", [1.0, 0.5])
@pytest.mark.parametrize("kind", ["plain", "folds", "no intercept"])
def test_newton_steps_end_where_others_do_in_fewer_passes(ratio, kind, monkeypatch):
    """With fewer coefficients at a time than the optimum uses, so that some have to wait."""
    from daskreg.solvers import exact

    monkeypatch.setattr(exact, "LEAST_NEW", 2)
    X, y, w = problem(n=1500, p=30, seed=3)
    folds = ShuffledFolds(3) if kind == "folds" else None

    def solved(solver):
        fit = datafit(X, y, w, folds=folds, standardize=True, fit_intercept=kind != "no intercept")
        fit.metric()
        penalty = ElasticNet(np.array([0.1, 0.003]) * alpha_max(fit.null_grad, ratio), ratio)
        before = fit.n_passes
        return solve(solver, fit, penalty, tol=1e-10), fit.n_passes - before

    newton, passes = solved(QuasiNewton(metric="exact"))
    other, _ = solved(QuasiNewton())
    assert newton.converged.all()
    assert other.converged.all()
    np.testing.assert_allclose(newton.objective, other.objective, rtol=1e-9)
    np.testing.assert_allclose(newton.coef, other.coef, atol=1e-4)
    assert passes <= 2 * newton.n_iter.max()
    assert newton.coef[4].any() == (kind == "no intercept")  # the column that is constant


def test_many_rows_open_with_a_sample_in_place_of_a_hessian(monkeypatch):
    from daskreg.solvers import exact

    monkeypatch.setattr(exact, "FEW", 5)
    X, y, w = problem(n=4000, p=30, seed=3)

    def solved(opening):
        monkeypatch.setattr(exact, "OPENING_ROWS", opening)
        fit = datafit(X, y, w)
        fit.first()
        penalty = ElasticNet(np.array([0.1, 0.003]) * alpha_max(fit.null_grad, 1.0), 1.0)
        before = fit.n_passes
        return solve(QuasiNewton(metric="exact"), fit, penalty, tol=1e-10), fit.n_passes - before

    plain, plain_passes = solved(801)  # they are not five times as many
    opened, passes = solved(800)
    assert opened.converged.all()
    np.testing.assert_allclose(opened.objective, plain.objective, rtol=1e-9)
    assert plain_passes == 2 * plain.n_iter.max()
    assert passes <= 2 * opened.n_iter.max() + 1
    assert opened.n_iter.max() <= plain.n_iter.max()

    # The first step is that of the sample, and better than one of a quadratic.
    def first(opening):
        monkeypatch.setattr(exact, "OPENING_ROWS", opening)
        fit = datafit(X, y, w)
        penalty = ElasticNet(np.array([0.1, 0.003]) * alpha_max(fit.null_grad, 1.0), 1.0)
        return solve(QuasiNewton(metric="exact"), fit, penalty, max_iter=1).objective

    assert (first(800) < first(801)).all()
