"""Models of the curvature: matrices by definition, Hessians by finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from daskreg.losses import Logistic, Squared
from daskreg.penalties import ElasticNet
from daskreg.problems import Problems
from daskreg.solvers.curvature import RIDGE, GramCurvature, definite
from daskreg.solvers.metric import Metric
from daskreg.solvers.sampled import SHRINK, SampleGramCurvature, sample_curvature
from daskreg.solvers.shared_ridge import SharedRidge
from daskreg.solvers.subproblem import _conjugate, candidate_step
from tests.fake_design import FakeDesign

from . import stand_in
from .sampling import Multinomial, SampledFit, classes

P = 7


def gram(rho=0.8):
    X = stand_in.design(n_samples=60, n_features=P, rho=rho)[0]
    return (X - X.mean(axis=0)).T @ (X - X.mean(axis=0)) / 60


def hessian_like(q):
    mu = np.linspace(1.0, 2.0, q) / np.linspace(1.0, 2.0, q).sum()
    return np.diag(mu) - np.outer(mu, mu) if q > 1 else np.array([[0.2]])


def matrix_of(curvature, n):
    return curvature.times(np.eye(n))


def agrees_with_its_parts(curvature, n_coef, q, tolerance=1e-12):
    """Block, coupling, own block and diagonal are those of the matrix that ``times`` applies."""
    full = matrix_of(curvature, n_coef + q)
    np.testing.assert_allclose(full, full.T, atol=1e-10 * np.abs(full).max())
    for active in (np.array([0, 2, 3]), np.arange(n_coef), np.array([], dtype=int)):
        np.testing.assert_allclose(
            curvature.block(active), full[np.ix_(active, active)], atol=tolerance
        )
        np.testing.assert_allclose(curvature.coupling(active), full[active, n_coef:], atol=1e-12)
    np.testing.assert_allclose(curvature.own, full[n_coef:, n_coef:], atol=1e-12)
    np.testing.assert_allclose(curvature.diagonal, np.diag(full), atol=1e-12)
    assert np.linalg.eigvalsh(full)[0] > 0


@pytest.mark.parametrize("q", [1, 3])
@pytest.mark.parametrize("scaled", [False, True])
def test_a_gram_matrix_for_every_output_and_every_problem(q, scaled):
    G, W = gram(), definite(hessian_like(q), 1e-9)
    D = np.array([1.0, 0.5, 2.0, 0.0, 1.0, 3.0, 0.1]) if scaled else None
    curvature = GramCurvature(G, W, D)
    own = G if D is None else D[:, None] * G * D
    expected = np.kron(own + RIDGE * np.diag(np.diag(own)), W)
    ridge = np.where(np.diag(expected) > 0, 0.0, np.trace(W) / q)
    full = matrix_of(curvature, P * q + q)[: P * q, : P * q]
    np.testing.assert_allclose(full, expected + np.diag(ridge), rtol=1e-12, atol=1e-14)
    agrees_with_its_parts(curvature, P * q, q)


@pytest.mark.parametrize("ratio", [1.0, 0.0])
def test_a_column_that_is_constant_for_a_problem_takes_no_step(ratio):
    D = np.array([1.0, 0.5, 2.0, 0.0, 1.0, 3.0, 0.1])
    curvature = GramCurvature(gram(), np.array([[0.25]]), D)
    metric = Metric.of(curvature, np.zeros((0, P + 1)), np.zeros((0, P + 1)))
    step = candidate_step(metric, ElasticNet(0.01, ratio), np.zeros(P), np.ones(P + 1), 1e-12)
    assert step[3] == 0.0
    assert (step[[0, 1]] != 0.0).any()


def fit_of(kind, loss, fit_intercept, **options):
    X, Y = stand_in.design(n_samples=80, n_features=P)
    y = (Y[:, 0] > 3.0).astype(float) if isinstance(loss, Logistic) else Y[:, 0]
    rng = np.random.default_rng(3)
    weight, offset = rng.integers(0, 3, 80).astype(float), rng.standard_normal(80)
    X = np.where(np.abs(X) < 0.5, 0.0, X).astype(np.float32).astype(np.float64)
    design = FakeDesign(kind(X), y, weight, offset, borders=(11, 50))
    return SampledFit(
        design, loss, Problems.product(), fit_intercept=fit_intercept, tol=1e-12, **options
    )


KINDS = {"float64": lambda X: X, "float32": lambda X: X.astype(np.float32), "csr": sp.csr_array}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", [Logistic(), Squared()])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("standardize", [True, False])
def test_a_sample_of_all_rows_is_the_hessian(kind, loss, fit_intercept, standardize):
    """Against differences of the datafit's own gradient, weights, offset and all."""
    weights = {0.0: 1.0, 1.0: 3.0} if isinstance(loss, Logistic) else None
    fit = fit_of(KINDS[kind], loss, fit_intercept, standardize=standardize, class_weight=weights)
    view = fit.sample(10_000).view(fit.center[:, 0], fit.inverse_scale[:, 0])
    rng = np.random.default_rng(4)
    coef, intercept = 0.3 * rng.standard_normal((P, 1)), np.array([0.2 * fit_intercept])
    curvature = sample_curvature(view, coef, intercept, P, 1e-12)
    v = rng.standard_normal(P + 1)
    v[-1] *= fit_intercept
    ends = []
    for sign in (1.0, -1.0):
        there = coef + sign * 1e-5 * v[:-1, None], intercept + sign * 1e-5 * v[-1:]
        found = fit.value_and_grad(there[0][..., None], there[1][:, None], precise=True)
        ends.append(np.append(found.grad.ravel(), found.intercept_grad))
    expected = (ends[0] - ends[1]) / 2e-5
    image = curvature.times(v) - np.append(curvature.ridge, 0.0) * v
    np.testing.assert_allclose(image, expected, rtol=2e-5, atol=1e-6)
    agrees_with_its_parts(curvature, P, 1)
    at = fit.value_and_grad(coef[..., None], intercept[:, None], precise=True)
    value, grad, slope = view.value_and_grad(coef, intercept)
    np.testing.assert_allclose(value, at.value[0], rtol=1e-10)
    np.testing.assert_allclose(grad, at.grad[..., 0], atol=1e-10)
    np.testing.assert_allclose(slope, at.intercept_grad[:, 0], atol=1e-10)


def test_the_coupled_hessian_of_classes():
    X, Y = classes(n_samples=300, n_features=5, n_classes=3)
    fit = Multinomial(X, Y)
    view = fit.sample(10_000).view(fit.center[:, 0], fit.inverse_scale[:, 0])
    rng = np.random.default_rng(4)
    coef, intercept = 0.5 * rng.standard_normal((5, 3)), rng.standard_normal(3)
    curvature = sample_curvature(view, coef, intercept, 15, 1e-12)
    agrees_with_its_parts(curvature, 15, 3, tolerance=1e-6)
    v = rng.standard_normal(18)
    ends = []
    for sign in (1.0, -1.0):
        there = coef + sign * 1e-5 * v[:15].reshape(5, 3), intercept + sign * 1e-5 * v[15:]
        found = fit.evaluate(there[0][..., None], there[1][:, None])
        ends.append(np.append(found.grad.ravel(), found.intercept_grad))
    np.testing.assert_allclose(curvature.times(v), (ends[0] - ends[1]) / 2e-5, rtol=1e-4, atol=1e-5)


def test_more_coefficients_than_can_be_coupled_share_one_gram_matrix():
    X, Y = classes(n_samples=300, n_features=5, n_classes=3)
    fit = Multinomial(X, Y)
    view = fit.sample(10_000).view(fit.center[:, 0], fit.inverse_scale[:, 0])
    coef, intercept = np.full((5, 3), 0.1), np.zeros(3)
    curvature = sample_curvature(view, coef, intercept, 3001, 1e-12)
    assert isinstance(curvature, SampleGramCurvature)
    assert curvature.lift == SHRINK
    agrees_with_its_parts(curvature, 15, 3, tolerance=1e-6)
    W = definite(view.hessian(coef, intercept).mean(axis=0), 1e-12)
    expected = np.kron(fit.metric() + SHRINK * np.diag(np.diag(fit.metric())), W)
    np.testing.assert_allclose(curvature.block(np.arange(15)), expected, atol=1e-12)
    np.testing.assert_allclose(np.kron(*curvature.factors(np.arange(5))), expected, atol=1e-12)


def pairs(n=4):
    rng = np.random.default_rng(1)
    steps = rng.standard_normal((n, P + 1))
    return steps, 0.7 * steps + 0.3 * rng.standard_normal((n, P + 1))


@pytest.mark.parametrize("l2", [1e-6, 0.01, 10.0])
def test_a_shared_eigendecomposition_and_conjugate_gradients_solve_the_same_system(l2):
    G, mean = gram(), 0.2
    G[3] = G[:, 3] = 0.0
    metric = Metric.of(GramCurvature(G, np.array([[mean]])), *pairs()).stiffened(3.0)
    B = metric.times(np.eye(P + 1)) + np.diag([l2] * P + [0.0])
    slope = np.random.default_rng(2).standard_normal(P + 1)
    step = SharedRidge.of(G).step(metric, l2, mean, slope)
    np.testing.assert_allclose(step, -np.linalg.solve(B, slope), rtol=1e-7, atol=1e-9)
    free = np.delete(np.arange(P + 1), 3)
    expected = np.zeros(P + 1)
    expected[free] = -np.linalg.solve(B[np.ix_(free, free)], slope[free])
    np.testing.assert_allclose(
        _conjugate(metric, np.full(P, l2), slope), expected, rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("kind", ["l1", "ridge"])
def test_a_metric_that_rounding_has_made_indefinite_gets_a_larger_ridge(kind):
    G = gram()
    values, vectors = np.linalg.eigh(G)
    values[0] = -3e-5 * values[-1]  # more than the ridge of its own
    curvature = GramCurvature((vectors * values) @ vectors.T, np.array([[0.25]]))
    metric = Metric.of(curvature, *(np.zeros((0, P + 1)),) * 2)
    grad = np.append(np.linspace(1.0, 2.0, P), 0.0)
    penalty = ElasticNet(1e-3, 1.0 if kind == "l1" else 0.0)
    step = candidate_step(metric, penalty, np.zeros(P), grad, 1e-12)
    assert np.isfinite(step).all()
    assert grad @ step + 1e-3 * np.abs(step[:P]).sum() * (kind == "l1") < 0.0
