"""Resamples have the moments that their names promise."""

import numpy as np
from scipy import stats

from daskreg.splits import HalfSamples, PoissonBootstrap

from .common import keys

N, B = 20_000, 6
COUNTS = PoissonBootstrap(B, seed=11).factors(keys(N))


def test_counts_are_poisson():
    observed = np.array([np.sum(k == COUNTS) for k in range(5)] + [np.sum(COUNTS >= 5)])
    chance = stats.poisson(1).pmf(np.arange(5))
    expected = COUNTS.size * np.append(chance, 1.0 - chance.sum())
    assert stats.chisquare(observed, expected).pvalue > 1e-4


def test_mean_and_variance_of_each_replicate_are_one():
    # The variance of a Poisson(1) count is 1, and that of its square deviation 3.
    assert np.all(np.abs(COUNTS.mean(axis=0) - 1) < 5 / np.sqrt(N))
    assert np.all(np.abs(((COUNTS - 1) ** 2).mean(axis=0) - 1) < 5 * np.sqrt(3 / N))


def test_replicates_and_neighbours_are_uncorrelated():
    between = np.corrcoef(COUNTS.T) - np.eye(B)
    assert np.abs(between).max() < 5 / np.sqrt(N)
    along = [np.corrcoef(COUNTS[:-1, b], COUNTS[1:, b])[0, 1] for b in range(B)]
    assert np.abs(along).max() < 5 / np.sqrt(N)


def test_halves_are_complementary_and_fair():
    halves = HalfSamples(B, seed=4).factors(keys(N))
    assert set(np.unique(halves)) == {0.0, 1.0}
    np.testing.assert_array_equal(halves[:, ::2] + halves[:, 1::2], 1.0)
    assert np.all(np.abs(halves[:, ::2].mean(axis=0) - 0.5) < 2.5 / np.sqrt(N))
    between = np.corrcoef(halves[:, ::2].T) - np.eye(B)
    assert np.abs(between).max() < 5 / np.sqrt(N)


def test_other_seeds_are_other_samples():
    other = PoissonBootstrap(B, seed=12).factors(keys(N))
    assert np.abs(np.corrcoef(COUNTS.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(N * B)
