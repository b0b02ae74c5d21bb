"""Bounds of stability selection, from their definition and against another implementation."""

import numpy as np
import pytest
from scipy.optimize import linprog

from daskreg.linear_model._error_bounds import concave_tail, error_bounds

#: Bounds of q = 1, ..., 10 of 100 features with a threshold of 0.6 (and 50 pairs), as the tests of
#: the R package stabs print them.
STABS = {
    "plain": [0.05, 0.2, 0.45, 0.8, 1.25, 1.8, 2.45, 3.2, 4.05, 5.0],
    "unimodal": [
        0.02631579, 0.1052632, 0.2368421, 0.4210526, 0.6578947,
        0.9473684, 1.289474, 1.684211, 2.131579, 2.631579,
    ],
    "r_concave": [
        0.006971364, 0.03342845, 0.08691176, 0.1637231, 0.2605329,
        0.3820466, 0.5295188, 0.7042719, 0.9077127, 1.141338,
    ],
}  # fmt: skip


def most_likely(at_least, mean, n_pairs):
    """Largest P(Z >= at_least / n_pairs) of unimodal Z on {0, 1/B, ..., 1} with that mean."""
    steps = np.arange(n_pairs + 1)
    slopes = np.diff(np.eye(n_pairs + 1), axis=0)
    best = 0.0
    for mode in steps:
        # Up to the mode the steps are upwards, after it downwards.
        wrong_way = np.where(np.arange(n_pairs)[:, None] < mode, -slopes, slopes)
        found = linprog(
            -(steps >= at_least).astype(float),
            A_ub=wrong_way,
            b_ub=np.zeros(n_pairs),
            A_eq=np.array([np.ones(n_pairs + 1), steps / n_pairs]),
            b_eq=[1.0, mean],
        )
        if found.status == 0:
            best = max(best, -found.fun)
    return best


@pytest.mark.parametrize("n_pairs", [4, 9, 12])
@pytest.mark.parametrize("theta", [0.05, 0.2, 0.4, 0.57])
def test_the_unimodal_bound_is_the_least_that_holds(n_pairs, theta):
    """A feature whose chance in a half is theta is in both halves of a pair theta^2 of the time.

    Both halves of at least 2 tau - 1 of the pairs must select it for tau of the halves to do so.
    """
    for twice in range(n_pairs + 2, 2 * n_pairs + 1):
        threshold = twice / (2 * n_pairs)
        _, bound, _ = error_bounds(theta, 1, threshold, n_pairs)
        least = min(0.5 + theta**2, 0.5 + 0.5 / n_pairs + 0.75 * theta**2)
        if threshold <= least:
            assert np.isnan(bound)
            continue
        exact = most_likely(twice - n_pairs, theta**2, n_pairs)
        assert exact <= bound * (1 + 1e-9)
        if theta <= 0.2:  # the mean is small enough for the extreme distribution
            assert exact == pytest.approx(bound, rel=1e-7)


def test_the_bounds_of_another_implementation():
    for q, expected in enumerate(zip(*STABS.values(), strict=True), start=1):
        found = error_bounds(q, n_features=100, threshold=0.6, n_pairs=50)
        assert found[:2] == pytest.approx(expected[:2], rel=1e-6)
        # It searches the extreme distributions less finely, so its maximum is a little smaller.
        assert expected[2] * (1 - 1e-6) <= found.r_concave <= expected[2] * 1.004
    # Its largest q for at most 0.2 expected errors among 200 features, and its least threshold.
    bounds = [error_bounds(q, 200, 0.6, 50)[1] for q in (3, 4)]
    assert bounds[0] <= 0.2 < bounds[1]
    bounds = [error_bounds(7, 200, threshold, 50)[1] for threshold in (0.80, 0.81)]
    assert bounds[0] > 0.2 >= bounds[1]
    for q, threshold, expected in ((6, 0.6, 0.174), (7, 0.6, 0.248), (7, 0.62, 0.196)):
        found = error_bounds(q, 200, threshold, 50).r_concave
        assert found == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("r", [-0.5, -0.25])
def test_no_r_concave_distribution_exceeds_its_bound(r):
    rng = np.random.default_rng(0)
    for _ in range(60):
        n = int(rng.integers(3, 15))
        last = int(rng.integers(2, n + 1))
        # f**r convex on 0, ..., last, and f = 0 beyond.
        slopes = np.sort(rng.normal(loc=0.5, size=last)) * 10.0 ** rng.uniform(-2, 1)
        convex = np.concatenate([[0.0], np.cumsum(slopes)])
        convex += 10.0 ** rng.uniform(-2, 1) - convex.min()
        f = convex ** (1.0 / r)
        f /= f.sum()
        mean = f @ np.arange(last + 1) / n
        for at_least in range(1, n + 1):
            assert f[at_least:].sum() <= concave_tail(mean, at_least, n, r) * (1 + 1e-9) + 1e-12


@pytest.mark.parametrize("q", [0.5, 5, 40, 57, 70, 100])
@pytest.mark.parametrize("threshold", [0.501, 0.51, 0.55, 0.6, 0.75, 0.8, 0.9, 1.0])
def test_bounds_are_bounds_whatever_the_number_of_pairs(q, threshold):
    """More is assumed for the later ones; a threshold between two shares is the larger one."""
    for n_pairs in (1, 2, 5, 20, 50):
        found = error_bounds(q, 100, threshold, n_pairs)
        unimodal = np.inf if np.isnan(found.unimodal) else found.unimodal
        assert 0.0 <= found.r_concave <= unimodal * (1 + 1e-12)
        assert found.r_concave <= found.plain * (1 + 1e-12)
        reached = np.ceil(round(2 * n_pairs * threshold, 9)) / (2 * n_pairs)
        np.testing.assert_equal(found[1:], error_bounds(q, 100, reached, n_pairs)[1:])
