"""Sweeps by numpy and compiled ones are the same to the last bit; distances are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from daskreg.compiled import Loop
from daskreg.compiled import sweeps as compiled_sweeps
from daskreg.solvers import sweeps


def quadratic(seed, p=23, rho=0.6):
    """Gram matrix, gradient at b, b and penalties, of correlated columns, one of them constant."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((60, p)) + np.sqrt(rho / (1 - rho)) * rng.standard_normal((60, 1))
    X[:, 4] = 0.0
    b = np.where(rng.random(p) < 0.3, np.abs(rng.standard_normal(p)), 0.0)
    b[4] = 0.0
    G, c = X.T @ X / 60, X.T @ rng.standard_normal(60) / 60
    return G, G @ b - c, b, 0.05 * rng.random(p), 0.1 * rng.random(p) * (seed % 2)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("positive", [False, True])
def test_numpy_and_compiled_sweeps_have_the_same_bits(seed, positive):
    G, q, b, l1, l2 = quadratic(seed)
    members = np.flatnonzero(G.diagonal() > 0.0)
    for n_max, tol in ((1, 0.0), (7, 0.0), (100, 1e-6)):
        ours, theirs = (q.copy(), b.copy()), (q.copy(), b.copy())
        used = [
            way(G, *point, l1, l2, members, positive, tol, n_max)
            for way, point in ((sweeps.plain_sweeps, ours), (compiled_sweeps, theirs))
        ]
        assert used[0] == used[1]
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])


def test_what_is_no_number_has_not_converged():
    G, q, b, l1, l2 = quadratic(0)
    q[3] = np.nan
    members = np.flatnonzero(G.diagonal() > 0.0)
    for way in (sweeps.plain_sweeps, compiled_sweeps):
        assert way(G, q.copy(), b.copy(), l1, l2, members, False, 1e-6, 20) == 20


@pytest.mark.parametrize("positive", [False, True])
def test_descent_ends_at_the_optimum_whoever_sweeps(positive, monkeypatch):
    G, q, b, l1, l2 = quadratic(1)
    c = G @ b - q
    found = []
    monkeypatch.setattr(sweeps, "LOADED_VISITS", np.inf)
    for visits in (10**9, 0):
        monkeypatch.setattr(sweeps, "PLAIN_VISITS", visits)
        own_q, own_b = q.copy(), b.copy()
        n = sweeps.descend(G, own_q, own_b, l1, l2, positive, 1e-10, 10_000)
        found.append((n, own_b.tobytes()))
        slope = G @ own_b - c + l2 * own_b
        assert sweeps.distances(slope, own_b, l1, positive).max() < 1e-9
        assert not positive or (own_b >= 0.0).all()
        assert 0 < n < 10_000
    assert found[0] == found[1]


def test_many_visits_are_compiled(monkeypatch):
    monkeypatch.setattr(sweeps, "_visits", 0)
    monkeypatch.setattr(sweeps, "PLAIN_VISITS", 50)
    G, q, b, l1, l2 = quadratic(0)
    plain = []
    monkeypatch.setattr(
        sweeps, "plain_sweeps", lambda *given: plain.append(1) or int(compiled_sweeps(*given))
    )
    for _ in range(20):
        sweeps.descend(G, q.copy(), b.copy(), l1, l2, False, 1e-12, 10)
    assert 1 <= len(plain) <= 4


@pytest.mark.parametrize("visits", [9, 40, 200, 1000])
def test_compiled_sweeps_go_on_where_numpy_ends(visits, monkeypatch):
    G, q, b, l1, l2 = quadratic(1)
    found = []
    monkeypatch.setattr(sweeps, "LOADED_VISITS", np.inf)
    for own in (10**9, visits):
        monkeypatch.setattr(sweeps, "_visits", 0.0)
        monkeypatch.setattr(sweeps, "PLAIN_VISITS", own)
        point = q.copy(), b.copy()
        n = sweeps.descend(G, *point, l1, l2, False, 1e-10, 10_000)
        assert sweeps._visits <= own
        found.append((n, point[0].tobytes(), point[1].tobytes()))
    assert found[0] == found[1]


def test_what_is_kept_is_loaded_after_fewer_visits_than_are_worth_compiling(tmp_path, monkeypatch):
    monkeypatch.setenv("DASKREG_CACHE_DIR", str(tmp_path))
    G, q, b, l1, l2 = quadratic(0)
    plain = sweeps.plain_sweeps
    for kept in (False, True):
        monkeypatch.setattr(sweeps, "sweeps", Loop("sweeps", "sweeps"))
        monkeypatch.setattr(sweeps, "_visits", 0.0)
        monkeypatch.setattr(sweeps, "LOADED_VISITS", 100)
        counted = []
        monkeypatch.setattr(
            sweeps, "plain_sweeps", lambda *given, n=counted: n.append(plain(*given)) or n[-1]
        )
        for _ in range(20):
            sweeps.descend(G, q.copy(), b.copy(), l1, l2, False, 1e-12, 10)
        assert (len(list(tmp_path.rglob("*.code"))) > 0) == kept
        assert (len(counted) < 20) == kept
        with sweeps.compiled_at_once():
            sweeps.descend(G, q.copy(), b.copy(), l1, l2, False, 1e-12, 10)


def test_a_few_sweeps_over_hundreds_of_columns_are_those_of_numpy(monkeypatch):
    monkeypatch.setattr(sweeps, "_visits", 0.0)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 600))
    G, c = X.T @ X / 2000, X.T @ (X[:, 0] + rng.standard_normal(2000)) / 2000
    b, l1 = np.zeros(600), np.full(600, 0.2)
    counted = []
    plain = sweeps.plain_sweeps
    monkeypatch.setattr(
        sweeps, "plain_sweeps", lambda *given: counted.append(plain(*given)) or counted[-1]
    )
    assert sweeps.descend(G, -c, b, l1, np.zeros(600), False, 1e-8, 1000) == sum(counted) > 0


@pytest.mark.parametrize("positive", [False, True])
def test_distances_are_those_to_the_subdifferential(positive):
    rng = np.random.default_rng(0)
    slope, l1 = rng.standard_normal(200), rng.random(200)
    b = np.where(rng.random(200) < 0.5, rng.standard_normal(200), 0.0)
    b = np.abs(b) if positive else b
    at_zero = np.linspace(-1.0, 1.0, 2001)
    found = sweeps.distances(slope, b, l1, positive)
    for j in range(200):
        signs = [np.sign(b[j])] if b[j] else at_zero
        expected = min(abs(slope[j] + l1[j] * sign) for sign in signs)
        if positive and not b[j] and slope[j] + l1[j] > 0.0:
            expected = 0.0  # the cone of what may not fall below zero
        assert abs(found[j] - expected) < 1e-3
