"""Least squares in memory on a card: optimal by its definition, and the same fits."""

import numpy as np
import pytest

from daskreg.datafit.kernels.cuda import inner
from daskreg.datafit.kernels.cuda.batched import eigenvalue_bound, fista_on_gram
from daskreg.datafit.kernels.cuda.descent import descended
from daskreg.datafit.kernels.cuda.inner import solved_on_card
from daskreg.linear_model import ElasticNet, LassoCV
from tests.device.stand_in import StandInCard, StandInOutOfMemory
from tests.stand_in import KINDS

from .emulated import KIND, needs_compiler

P, K = 9, 5
KIND_PARAMETERS = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def problems(positive=False):
    """Return two Gram matrices, one with a column of zeros, and problems of both."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2, 40, P)) + rng.normal(size=(2, 40, 1))
    X[1, :, 4] = 0.0
    G = np.einsum("wij,wik->wjk", X, X) / 40
    which = np.array([0, 1, 1, 0, 1])
    c = np.stack([X[w].T @ rng.normal(size=40) / 40 for w in which], axis=1) * 10
    l1 = np.abs(c).max(axis=0) * np.array([0.5, 0.1, 0.01, 0.0, 0.3]) * np.ones((P, 1))
    l1[2] = 0.0
    l2 = np.array([0.0, 0.1, 0.0, 0.2, 0.0]) * np.ones((P, 1))
    start = rng.normal(size=(P, K))
    start[4] = 0.0
    return G, which, c, l1, l2, np.abs(start) if positive else start


def residual(G, c, l1, l2, b, positive):
    """Return the largest distance to optimality over the root of the curvature."""
    slope = G @ b - c + l2 * b
    at_zero = -slope - l1 if positive else np.abs(slope) - l1
    wrong = np.where(b == 0, np.maximum(at_zero, 0.0), np.abs(slope + np.sign(b) * l1))
    curvature = np.diag(G) + l2
    moves = curvature > 0
    return (wrong[moves] / np.sqrt(curvature[moves])).max()


@needs_compiler
@pytest.mark.parametrize("positive", [False, True])
def test_descent_ends_where_every_coordinate_is_optimal(positive):
    G, which, c, l1, l2, start = problems(positive)
    tol = 10.0 ** -np.arange(4, 9)
    put = KIND.put
    coef, sweeps = descended(
        *(KIND.xp, put(G), put(which)),
        *(put(np.ascontiguousarray(array.T)) for array in (c, l1, l2, start)),
        *(positive, put(tol), 10_000),
    )
    for k in range(K):
        assert residual(G[which[k]], c[:, k], l1[:, k], l2[:, k], coef[k], positive) <= 1.1 * tol[k]
        assert 0 < sweeps[k] < 10_000
        assert not positive or (coef[k] >= 0).all()


@needs_compiler
def test_descent_ends_after_the_sweeps_that_are_allowed():
    G, which, c, l1, l2, start = problems()
    put = KIND.put
    arrays = [put(np.ascontiguousarray(array.T)) for array in (c, l1, l2, start)]
    _, sweeps = descended(KIND.xp, put(G), put(which), *arrays, False, put(np.zeros(K)), 3)
    assert sweeps.tolist() == [3] * K


@KIND_PARAMETERS
@pytest.mark.parametrize("positive", [False, True])
def test_fista_ends_where_every_coordinate_is_optimal(kind, positive):
    G, which, c, l1, l2, start = problems(positive)
    own = np.flatnonzero(which == 1)
    parts = [np.ascontiguousarray(array[:, own]) for array in (c, l1, l2, start)]
    tol = np.array([1e-4, 1e-6, 1e-8])
    with kind.pure():
        coef, steps = fista_on_gram(
            *(kind.xp, kind.put(G[1]), *map(kind.put, parts), positive, kind.put(tol), 20_000),
            kind.fetch,
        )
    assert 0 < steps < 20_000
    coef = kind.fetch(coef)
    for k in range(3):
        one = [part[:, k] for part in parts[:3]]
        assert residual(G[1], *one, coef[:, k], positive) <= 1.1 * tol[k]


@KIND_PARAMETERS
def test_no_eigenvalue_exceeds_the_bound(kind):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 30)) * rng.lognormal(size=30)
    for G in (X.T @ X, np.eye(30), np.ones((30, 30)), np.zeros((4, 4))):
        with kind.pure():
            bound = eigenvalue_bound(kind.xp, kind.put(G))
        largest = np.linalg.eigvalsh(G)[-1]
        assert largest * (1 - 1e-12) <= float(kind.fetch(bound)) <= max(1.0, 1.06 * largest)


def plain(G, which, c, l1, l2, start):
    return list(G), which, c, l1, l2, start, False, np.full(K, 1e-6), 10_000


@pytest.mark.parametrize("strict", [False, True])
def test_a_card_is_asked_where_it_is_worth_it_and_has_room(card_with, monkeypatch, strict):
    arguments = plain(*problems())
    assert solved_on_card(*arguments) is None  # there is none
    card = card_with(1 << 26, strict=strict)
    assert solved_on_card(*arguments) is None  # too little to do
    monkeypatch.setattr(inner, "WORTH", K * P**2)
    found = solved_on_card(*arguments)
    G, which, c, l1, l2, _ = problems()
    for k in range(K):
        one = c[:, k], l1[:, k], l2[:, k], found.coef[:, k]
        assert residual(G[which[k]], *one, False) <= 1.1e-6
    assert (found.n_sweeps > 0).all()
    card.limit = card.used + 1000
    assert solved_on_card(*arguments) is None


def test_a_card_whose_memory_is_full_leaves_it_to_processors(card_with, monkeypatch):
    class Full(StandInCard):
        def send(self, host):
            raise StandInOutOfMemory("no room")

    card_with(1 << 26, Full)
    monkeypatch.setattr(inner, "WORTH", 0)
    assert solved_on_card(*plain(*problems())) is None


@pytest.mark.parametrize("positive", [False, True])
def test_fits_have_the_coefficients_and_certificates_of_processors(
    card_with, monkeypatch, positive
):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(400, 12)) + rng.normal(size=(400, 1))
    y = X[:, :4] @ np.array([1.0, -2.0, 0.5, 1.0]) + rng.normal(size=400)
    one = ElasticNet(alpha=0.02, l1_ratio=0.7, positive=positive, tol=1e-12, solver="gram")
    many = LassoCV(alphas=8, cv=3, positive=positive, tol=1e-12)
    expected = [model.fit(X, y).coef_.copy() for model in (one, many)]
    path = many.mse_path_.copy()
    monkeypatch.setattr(inner, "WORTH", 0)
    card = card_with(1 << 28, mixes=True)
    for model, coef in zip((one, many), expected, strict=True):
        before = card.fetches
        model.fit(X, y)
        assert card.fetches > before
        assert np.max(model.relative_gap_) <= 1e-12
        np.testing.assert_allclose(model.coef_, coef, rtol=0, atol=1e-6)
    np.testing.assert_allclose(many.mse_path_, path, rtol=1e-6)
