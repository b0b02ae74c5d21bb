"""What the mean Hessian of coupled outputs lacks: exact along predictors, and for normal rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg

from daskreg import LogisticRegression
from daskreg.fitting.choose import PATIENCE, Choice, for_classes
from daskreg.fitting.costs import Costs
from daskreg.losses import Multinomial
from daskreg.penalties import ElasticNet
from daskreg.solvers import QuasiNewton, solve
from daskreg.solvers.bent import Bent
from daskreg.solvers.curvature import GramCurvature
from daskreg.solvers.metric import Metric
from tests.datafit.coupled import datafit, problem

P, Q = 6, 3


def rows(n, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, P)) @ (np.eye(P) + 0.7 * np.eye(P, k=1))
    return X - X.mean(axis=0)


def model(X, *, fit_intercept=True, seed=1, size=0.7):
    """Curvature with what it lacks, and the Hessian (n, n) of all rows."""
    rng = np.random.default_rng(seed)
    coef = size * rng.standard_normal((P, Q))
    intercept = 0.5 * rng.standard_normal(Q) * fit_intercept
    eta = X @ coef + intercept
    H = Multinomial().hessian(np.zeros(len(X)), eta)
    t = np.column_stack([eta, np.ones(len(X))])
    means = np.einsum("ia,ib,icd->abcd", t, t, H, optimize=True) / len(X)
    known = Bent(coef, intercept, means, fit_intercept)
    curvature = GramCurvature(X.T @ X / len(X), H.mean(axis=0) + 1e-9 * np.eye(Q), known=known)
    z = np.column_stack([X, np.full(len(X), float(fit_intercept))])
    exact = np.einsum("ij,ik,icd->jckd", z, z, H, optimize=True) / len(X)
    return curvature, exact.reshape((P + 1) * Q, -1), coef


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_curvature_along_the_predictors_and_of_intercepts_is_exact(fit_intercept):
    """Rows that are not normal at all included."""
    X = np.exp(rows(300))
    curvature, exact, coef = model(X - X.mean(axis=0), fit_intercept=fit_intercept)
    metric = Metric.of(curvature, np.zeros((0, len(exact))), np.zeros((0, len(exact))))
    rng = np.random.default_rng(2)
    for _ in range(5):
        ways = [(coef @ rng.standard_normal((Q, Q))).ravel(), rng.standard_normal(Q)]
        v = np.concatenate([ways[0], ways[1] * fit_intercept])
        u = np.concatenate([(coef @ rng.standard_normal((Q, Q))).ravel(), 0.0 * ways[1]])
        assert u @ metric.times(v) == pytest.approx(u @ exact @ v, abs=5e-3 * abs(exact).max())
        assert v @ metric.times(v) == pytest.approx(v @ exact @ v, rel=0.02)


@pytest.mark.parametrize("size", [0.7, 5.0, 50.0])
def test_what_is_taken_away_leaves_a_positive_definite_metric(size):
    """Nearly separable rows of very different weights, summed in float32."""
    X = np.exp(rows(200, seed=3))
    curvature, exact, _ = model(X - X.mean(axis=0), size=size)
    rough = curvature.known.means.astype(np.float32).astype(np.float64)
    mean = rough[Q, Q] + 1e-6 * np.trace(rough[Q, Q]) / Q * np.eye(Q)
    known = replace(curvature.known, means=rough)
    bent = replace(curvature, known=known, mean=mean)
    none = np.zeros((0, len(exact)))
    matrix = Metric.of(bent, none, none).times(np.eye(len(exact)))
    plain = Metric.of(replace(bent, known=None), none, none).times(np.eye(len(exact)))
    smallest = scipy.linalg.eigh(0.5 * (matrix + matrix.T), plain, eigvals_only=True)[0]
    assert smallest >= 0.9e-3


def test_of_normal_rows_it_is_nearly_the_hessian():
    """Far nearer than the mean: the rest is what a mean of so many rows is off."""
    curvature, exact, _ = model(rows(200_000))
    n = len(exact)
    metric = Metric.of(curvature, np.zeros((0, n)), np.zeros((0, n)))
    plain = np.linalg.norm(curvature.times(np.eye(n)) - exact)
    assert np.linalg.norm(metric.times(np.eye(n)) - exact) < 0.1 * plain


def test_the_metric_stays_positive_and_classes_may_still_move_together_at_no_cost():
    curvature, _, _ = model(rows(500), size=3.0)
    n = (P + 1) * Q
    metric = Metric.of(curvature, np.zeros((0, n)), np.zeros((0, n)))
    whole = metric.times(np.eye(n))
    np.testing.assert_allclose(whole, whole.T, atol=1e-12)
    assert np.linalg.eigvalsh(whole).min() > -1e-3 * np.trace(curvature.mean) / Q
    together = np.kron(np.linspace(-1.0, 1.0, P + 1), np.ones(Q))
    assert together @ whole @ together == pytest.approx(0.0, abs=1e-5)


def test_steps_of_normal_rows_are_nearly_newtons():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((4000, 20)) @ (np.eye(20) + 0.9 * np.eye(20, k=1))
    eta = X @ rng.standard_normal((20, 5)) * 0.5
    y = np.argmax(eta + rng.gumbel(size=eta.shape), axis=1)
    penalty = ElasticNet([0.002], 1.0)
    told = solve(QuasiNewton(), datafit(X, y, None), penalty, tol=1e-9)
    fit = datafit(X, y, None)
    type(fit).tells_bends, kept = False, type(fit).tells_bends
    try:
        plain = solve(QuasiNewton(), fit, penalty, tol=1e-9)
    finally:
        type(fit).tells_bends = kept
    assert told.converged.all()
    assert plain.converged.all()
    np.testing.assert_allclose(told.objective, plain.objective, rtol=1e-8)
    assert told.n_iter[0] <= 0.7 * plain.n_iter[0]


@pytest.mark.parametrize("patience", [0, 3])
def test_after_some_patience_the_rows_are_the_metric(patience):
    X, y, w = problem(400, 8, 4)
    fit, penalty = datafit(X, y, w), ElasticNet([1e-4], 1.0)
    late = solve(QuasiNewton(patience=patience), fit, penalty, tol=1e-10)
    never = solve(QuasiNewton(), datafit(X, y, w), penalty, tol=1e-10)
    assert late.converged.all()
    assert never.converged.all()
    np.testing.assert_allclose(late.objective, never.objective, rtol=1e-8)
    assert fit._survey.samples
    assert late.n_iter[0] < never.n_iter[0]


def test_images_of_digits_are_not_left_to_means():
    """Pixels that are lit for some classes alone are nearly separable: means never get there."""
    rng = np.random.default_rng(4)
    y = np.resize(np.arange(4), 900)
    shapes = rng.random((4, 40)) < 0.3
    X = np.where(shapes[y] ^ (rng.random((900, 40)) < 0.12), 1.0, -1.0)
    X *= rng.random((900, 40)) ** 0.3
    passes = []
    for patience in (PATIENCE, None):
        solver = QuasiNewton(patience=patience)
        fitted = LogisticRegression(C=10.0, l1_ratio=1.0, tol=1e-8, solver=solver).fit(X, y)
        assert fitted.status_ == "converged"
        passes.append(fitted.n_passes_)
    assert passes[0] <= PATIENCE + 10
    assert passes[1] > 2 * PATIENCE


def test_coupled_classes_are_given_so_much_patience():
    given = Costs(one_pass=0.001, hessians=1.0)
    for n_problems in (1, 100):
        found = for_classes(
            Choice("quasi_newton", "", fallback=True),
            n_outputs=10,
            n_features=256,
            class_count=np.full(10, 100),
            weighted=False,
            costs=given,
            n_problems=n_problems,
        )
        assert found.method == "quasi_newton"
        assert (found.solver is None) == (n_problems > 1)
        assert n_problems > 1 or found.solver.patience == PATIENCE
