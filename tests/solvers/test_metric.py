"""The metric: BFGS in low rank is BFGS, and its step minimises the model."""

from __future__ import annotations

import numpy as np
import pytest

from daskreg.penalties import ElasticNet
from daskreg.solvers.curvature import RIDGE, GramCurvature
from daskreg.solvers.metric import Metric
from daskreg.solvers.pairs import Pairs
from daskreg.solvers.subproblem import candidate_step

P = 8


def gram(rho=0.9):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, P)) @ (np.eye(P) + rho * np.ones((P, P)))
    return X.T @ X / 50


def pairs(n=4, noise=0.3):
    rng = np.random.default_rng(1)
    steps = rng.standard_normal((n, P + 1))
    turns = steps @ (np.eye(P + 1) * 0.7) + noise * rng.standard_normal((n, P + 1))
    return steps, turns


def metric_of(G, scale, steps, turns):
    return Metric.of(GramCurvature(G, np.array([[scale]])), steps, turns)


def dense(G, scale, steps, turns):
    """The same updates on a full matrix."""
    B = np.zeros((P + 1, P + 1))
    B[:P, :P] = scale * (G + RIDGE * np.diag(np.diag(G)))
    B[P, P] = scale
    for s, y in zip(steps, turns, strict=True):
        if s @ y >= 1e-8 * (s @ B @ s):
            Bs = B @ s
            B = B - np.outer(Bs, Bs) / (s @ Bs) + np.outer(y, y) / (s @ y)
    return B


@pytest.mark.parametrize("noise", [0.0, 0.3, 3.0])
def test_low_rank_equals_the_matrix(noise):
    G = gram()
    steps, turns = pairs(noise=noise)
    metric, B = metric_of(G, 0.2, steps, turns), dense(G, 0.2, steps, turns)
    np.testing.assert_allclose(metric.times(np.eye(P + 1)), B, rtol=1e-9, atol=1e-10)
    if noise < 1:
        np.testing.assert_allclose(metric.times(steps[-1]), turns[-1], rtol=1e-9, atol=1e-10)
    assert np.linalg.eigvalsh(B)[0] > 0
    np.testing.assert_allclose(metric.stiffened(3.0).times(steps[0]), 3 * B @ steps[0])
    np.testing.assert_allclose(metric.plain.times(np.eye(P + 1)), dense(G, 0.2, [], []))


def test_the_block_without_the_intercept_is_a_schur_complement():
    metric = metric_of(gram(), 0.2, *pairs())
    B = dense(gram(), 0.2, *pairs())
    active = np.array([0, 3, 6])
    reduced = metric.reduced(active)
    expected = B[np.ix_(active, active)] - np.outer(B[active, P], B[P, active]) / B[P, P]
    np.testing.assert_allclose(reduced.block, expected, atol=1e-10)
    np.testing.assert_allclose(reduced.coupling[:, 0], B[active, P], atol=1e-10)
    move, slope0 = np.array([1.0, -2.0, 0.5]), np.array([0.7])
    last = reduced.intercept_step(move, slope0)
    np.testing.assert_allclose(B[P, active] @ move + B[P, P] * last, -slope0, atol=1e-10)


@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 0.01, 0.3])
def test_the_step_minimises_the_model(ratio, positive, alpha):
    rng = np.random.default_rng(2)
    u = rng.integers(0, 3, P).astype(float)
    penalty = ElasticNet(alpha, ratio, u, positive)
    coef = np.where(rng.random(P) < 0.5, np.abs(rng.standard_normal(P)), 0.0)
    grad = rng.standard_normal(P + 1)
    metric = metric_of(gram(), 0.2, *pairs())
    step = candidate_step(metric, penalty, coef, grad, 1e-14)
    slope = grad + metric.times(step)
    there = coef + step[:P]
    wide = there[:, None, None], slope[:P, None, None]
    assert penalty.violation(*wide).max() < 1e-5
    assert abs(slope[P]) < 1e-9


def test_a_rougher_target_is_met_by_a_cruder_step():
    """The subproblem ends on its own gap, on all coordinates."""
    rng = np.random.default_rng(2)
    metric, penalty = metric_of(gram(), 0.2, *pairs()), ElasticNet(0.05, 1.0)
    coef, grad = np.zeros(P), rng.standard_normal(P + 1)

    def model(step):
        moved = (coef + step[:P])[:, None, None]
        return grad @ step + 0.5 * step @ metric.times(step) + penalty.value(moved)[0]

    best = model(candidate_step(metric, penalty, coef, grad, 1e-15))
    for target in (1e-1, 1e-3, 1e-6):
        assert model(candidate_step(metric, penalty, coef, grad, target)) - best <= 2 * target


def test_the_oldest_pair_makes_room():
    held = Pairs.none(2, 2, 2)
    one = np.ones(2)
    for number in range(1, 4):
        steps = np.array([[number, 0.0], [number, 0.0]])  # the second problem makes no step
        held = held.joined(steps, np.full((2, 2), 10.0 * number), number * one)
    steps, turns, level = held.of(0)
    np.testing.assert_array_equal(steps[:, 0], [2.0, 3.0])
    np.testing.assert_array_equal(turns[:, 0], [20.0, 30.0])
    np.testing.assert_array_equal(level, [2.0, 3.0])
    assert len(held.of(1)[0]) == 0
    same = held.joined(np.zeros((2, 2)), np.ones((2, 2)), one)
    same = same.joined(np.ones((2, 2)), np.full((2, 2), np.nan), one)
    same = same.joined(np.ones((2, 2)), np.ones((2, 2)), 0.0 * one)
    np.testing.assert_array_equal(same.count, [2, 0])
    np.testing.assert_array_equal(held.take(np.array([1, 0])).count, [0, 2])
