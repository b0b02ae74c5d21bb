"""The factor of changing supports solves what a factor made anew solves."""

from __future__ import annotations

import numpy as np
import pytest

from daskreg.solvers.factored import Products
from daskreg.solvers.support_factor import FEWEST_IDLE, IDLE, SupportFactor

N, P = 60, 90


def rows_of(seed=0):
    rng = np.random.default_rng(seed)
    return np.asfortranarray(rng.normal(size=(N, P)) + rng.normal(size=(N, 1)))


def supports(rng, size=20, steps=40):
    """Some columns leave and others enter, now and then all of them."""
    chosen = rng.choice(P, size, replace=False)
    for step in range(steps):
        yield np.sort(chosen)
        if step % 13 == 12:
            chosen = rng.choice(P, size, replace=False)
            continue
        stay = rng.permutation(chosen)[rng.integers(0, 4) :]
        others = np.setdiff1d(np.arange(P), stay)
        chosen = np.concatenate([stay, rng.choice(others, rng.integers(0, 5), replace=False)])


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_every_support_is_solved_as_if_alone(ridge):
    rng, rows = np.random.default_rng(1), rows_of()
    l2 = ridge * rng.uniform(size=P)
    factor = SupportFactor(Products(rows))
    for support in supports(rng):
        right = rng.normal(size=len(support))
        found = factor.solve(factor.cover(support, l2), right)
        matrix = rows[:, support].T @ rows[:, support] + np.diag(l2[support])
        np.testing.assert_allclose(matrix @ found, right, atol=1e-8)


def test_columns_join_once_and_idle_ones_are_few():
    rng, rows = np.random.default_rng(2), rows_of()
    factor, l2 = SupportFactor(Products(rows)), np.zeros(P)
    for support in supports(rng):
        factor.cover(support, l2)
        members = factor.members
        assert len(np.unique(members)) == len(members)
        assert np.isin(support, members).all()
        idle = len(members) - len(support)
        assert idle <= FEWEST_IDLE + IDLE * len(members)
    smaller = support[:-1]
    factor.cover(smaller, l2)
    assert factor.missing(support, l2) == 0
    factor.cover(support, l2)
    np.testing.assert_array_equal(factor.members, members)


def test_another_ridge_makes_another_factor():
    rows = rows_of()
    factor, support = SupportFactor(Products(rows)), np.arange(5)
    factor.cover(support, np.zeros(P))
    assert factor.suits(np.zeros(P))
    ridge = np.full(P, 0.5)
    assert not factor.suits(ridge)
    assert factor.missing(support, ridge) == len(support)
    found = factor.solve(factor.cover(support, ridge), np.ones(5))
    matrix = rows[:, :5].T @ rows[:, :5] + 0.5 * np.eye(5)
    np.testing.assert_allclose(matrix @ found, 1.0)


def test_without_ridge_there_are_never_more_columns_than_rows():
    rows, l2 = rows_of(), np.zeros(P)
    factor = SupportFactor(Products(rows))
    factor.cover(np.arange(N - 3), l2)
    support = np.arange(5, N + 1)
    right = np.ones(len(support))
    found = factor.solve(factor.cover(support, l2), right)
    assert len(factor.members) <= N
    matrix = rows[:, support].T @ rows[:, support]
    np.testing.assert_allclose(matrix @ found, right, atol=1e-5)
