"""Steps on a Kronecker product: against its matrix, and against the descent on that matrix."""

from __future__ import annotations

import numpy as np
import pytest

from daskreg.penalties import ElasticNet
from daskreg.solvers import QuasiNewton, directions, kronecker_subproblem, solve
from daskreg.solvers import subproblem as steps
from daskreg.solvers.coupled_step import coupled_step
from daskreg.solvers.curvature import GramCurvature, definite
from daskreg.solvers.kronecker import Kronecker
from daskreg.solvers.kronecker_subproblem import subproblem
from daskreg.solvers.metric import Metric
from tests.datafit.coupled import datafit, problem

M, Q = 9, 4


def factors(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((40, M)) @ (np.eye(M) + 0.8 * np.eye(M, k=1))
    mu = np.linspace(1.0, 3.0, Q) / np.linspace(1.0, 3.0, Q).sum()
    return X.T @ X / 40, definite(np.diag(mu) - np.outer(mu, mu), 1e-9) + 0.01 * np.eye(Q)


def product(ways=2, rank=3, seed=0):
    """With what the mean lacks along some predictors, and some pairs."""
    G, W = factors(seed)
    rng = np.random.default_rng(1)
    F, V = 0.1 * rng.standard_normal((M, ways)), 0.1 * rng.standard_normal((M * Q, rank))
    return Kronecker(G, W, F, V, np.diag(np.resize([1.0, -0.01], ways * Q + rank)))


def whole(model):
    own = np.kron(model.ways, np.eye(Q))
    E = np.hstack([own, model.vectors])
    return np.kron(model.G, model.W) + E @ model.core @ E.T


@pytest.mark.parametrize(("ways", "rank"), [(0, 0), (0, 6), (2, 0), (2, 3)])
def test_products_and_solutions_are_those_of_the_matrix(ways, rank):
    model = product(ways, rank)
    full = whole(model)
    v = np.random.default_rng(2).standard_normal((M, Q))
    np.testing.assert_allclose(model.times(v).ravel(), full @ v.ravel())
    alone = np.kron(model.G, model.W)
    np.testing.assert_allclose(model.plainly_solved(v).ravel(), np.linalg.solve(alone, v.ravel()))
    np.testing.assert_allclose(model.diagonal.ravel(), np.diag(full))
    E, towards = model.low
    np.testing.assert_allclose(alone + towards @ E.T, full, atol=1e-14)
    root = np.sqrt(np.diag(full))
    largest = np.linalg.eigvalsh(full / np.outer(root, root))[-1]
    assert largest <= model.stretch <= 1.2 * largest


def test_a_diagonal_that_is_not_positive_is_refused():
    G, W = factors()
    with pytest.raises(np.linalg.LinAlgError):
        _ = Kronecker(G, W, np.zeros((M, 0)), 10.0 * np.ones((M * Q, 1)), -np.eye(1)).diagonal


@pytest.mark.parametrize("plain_rounds", [0, 50])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.02])
def test_the_minimum_meets_its_conditions_and_the_excess_bounds_what_is_missing(
    ratio, positive, plain_rounds, monkeypatch
):
    """By gradients and by sweeps."""
    monkeypatch.setattr(kronecker_subproblem, "PLAIN_ROUNDS", plain_rounds)
    model = product()
    rng = np.random.default_rng(3)
    b = np.abs(rng.standard_normal((M, Q))) * (rng.random((M, Q)) < 0.4)
    slope = rng.standard_normal((M, Q))
    free = rng.random((M, Q)) < 0.8
    part = subproblem(model, ElasticNet(0.3, ratio, None, positive), b, slope, free)
    x = part.minimised(b, 0.0, enough=0.0)
    np.testing.assert_array_equal(x[~free], b[~free])
    assert not positive or (x >= 0).all()
    d = x - b
    full = whole(model)
    grad = slope + (full @ d.ravel()).reshape(M, Q) + 0.3 * (1 - ratio) * x
    l1 = 0.3 * ratio
    inside = free & (x == 0.0)
    assert np.abs((grad + l1 * np.sign(x))[free & (x != 0.0)]).max() < 1e-6
    assert ((grad if positive else -np.abs(grad)) >= -l1 - 1e-6)[inside].all()
    for length in (0.01, 0.3):
        worse = np.where(free & (x != 0.0), x * (1 + length * rng.random((M, Q))), x)
        wrong = part.subgradient(worse, part.smooth_grad(worse))
        lack = part.objective(worse) - part.objective(x)
        bound = 0.5 * wrong.ravel() @ np.linalg.solve(full, wrong.ravel())
        assert 0.0 < lack <= bound * (1 + 1e-9)
        # The product alone is no bound; as large as it may be here.
        softest = np.linalg.eigvals(np.linalg.solve(np.kron(model.G, model.W), full)).real.min()
        assert part.excess(worse, wrong) >= min(softest, 1.0) * lack


@pytest.mark.parametrize("ratio", [1.0, 0.3])
def test_a_coupled_step_is_that_of_the_matrix(ratio):
    """Pairs, their intercepts and a stiffer metric included."""
    G, W = factors(4)
    n = M * Q + Q
    rng = np.random.default_rng(5)
    moves = rng.standard_normal((3, n))
    curvature = GramCurvature(G, W, np.linspace(0.5, 2.0, M))
    turns = 1.3 * curvature.times(moves.T).T + 0.01 * rng.standard_normal((3, n))
    metric = Metric.of(curvature, moves, turns).stiffened(2.0)
    coef = rng.standard_normal(M * Q) * (rng.random(M * Q) < 0.5)
    grad = rng.standard_normal(n)
    penalty = ElasticNet(0.2, ratio, np.repeat(rng.random(M) + 0.5, Q))
    members = np.flatnonzero(rng.random(M * Q) < 0.9)
    dense = steps._on(members, metric, penalty, coef, grad, coef, 1e-12)
    step = coupled_step(members, metric, penalty, coef, grad, coef, 1e-16)
    assert metric.sign.size == 6
    model = grad @ step + 0.5 * step @ metric.times(step)
    best = grad @ dense + 0.5 * dense @ metric.times(dense)
    both = [penalty.value((coef + s[: M * Q])[:, None, None])[0] for s in (step, dense)]
    assert model + both[0] <= best + both[1] + 0.11 * abs(best + both[1])
    np.testing.assert_array_equal(step[: M * Q][np.setdiff1d(np.arange(M * Q), members)], 0.0)
    last = grad[-Q:] + metric.times(step)[-Q:]
    np.testing.assert_allclose(last, 0.0, atol=1e-9)


@pytest.mark.parametrize("ratio", [1.0, 0.0])
def test_blas_has_as_many_threads_as_the_matrices_of_a_step_are_large(ratio, monkeypatch):
    """With an L1 part a step takes products of its factors, else one matrix of all coordinates."""
    seen = []
    monkeypatch.setattr(directions, "MANY_COORDINATES", 20)
    monkeypatch.setattr(
        directions,
        "parallel_map",
        lambda step, items, small: seen.append(small) or [step(item) for item in items],
    )
    X, y, _ = problem(300, 8, 4)  # 8 features, 32 coefficients
    solution = solve(QuasiNewton(), datafit(X, y, None), ElasticNet([0.02], ratio), tol=1e-5)
    assert solution.converged.all()
    assert set(seen) == {ratio == 1.0}
