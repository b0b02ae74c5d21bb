"""Sums of sparse columns by label are the moments of their dense form, however rows come."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp

from daskreg.datafit.groups import ALL
from daskreg.datafit.kernels.moments import MomentsKernel
from daskreg.datafit.label_sums import LabelSums
from daskreg.datafit.moments import Moments
from daskreg.design.blocks import Block

KERNEL = MomentsKernel(by_label=True, compiled=True)


def rows(n_labels=2, weighted=False, whole=False):
    rng = np.random.default_rng(n_labels)
    X = np.where(rng.random((300, 5)) < 0.3, rng.lognormal(size=(300, 5)), 0.0)
    X[:100, 2] = 1e3 if whole else 0.0  # of the first blocks every row stores it
    y = np.sort(rng.integers(0, n_labels, 300)).astype(float)
    weight = rng.integers(0, 3, 300).astype(float) if weighted else None
    return X, y, weight


def share(X, y, weight, start, stop):
    own = None if weight is None else weight[start:stop]
    block = Block(sp.csr_array(X[start:stop]), y[start:stop, None], own, None, start, 0)
    return KERNEL(block, {})["moments"]


@pytest.mark.parametrize("n_labels", [2, 4])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("borders", [(0, 300), (0, 50, 100, 300), (0, 7, 290, 300)])
def test_sums_over_blocks_are_the_moments_of_all_rows(n_labels, weighted, whole, borders):
    """Labels are sorted: blocks hold some of them only, and are joined nevertheless."""
    X, y, weight = rows(n_labels, weighted, whole)
    parts = [share(X, y, weight, *ends) for ends in pairwise(borders)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    found = total.whole().moments[ALL, None]
    w = np.ones(300) if weight is None else weight
    Z = (y[:, None] == np.arange(n_labels)).astype(float)
    mean, target = w @ X / w.sum(), w @ Z / w.sum()
    assert found.n_rows == np.count_nonzero(w)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-13)
    np.testing.assert_allclose(found.m2, w @ (X - mean) ** 2, rtol=1e-11)
    np.testing.assert_allclose(found.target_mean, target, rtol=1e-13)
    np.testing.assert_allclose(found.target_m2, w @ (Z - target) ** 2, rtol=1e-11)
    cross = (X - mean).T @ (w[:, None] * (Z - target))
    np.testing.assert_allclose(found.cross, cross, atol=1e-11 * np.abs(cross).max())


def test_only_blocks_that_store_a_column_whole_are_centred():
    X, y, _ = rows(whole=True)
    assert isinstance(share(X, y, None, 0, 60).moments[ALL, None], Moments)
    assert isinstance(share(X, y, None, 60, 140).moments[ALL, None], LabelSums)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_sums_tell_of_entries_that_are_not_finite(bad):
    X, y, _ = rows()
    block = Block(sp.csr_array(X), y[:, None], None, None, 0, 0)
    assert KERNEL.proves_finite(KERNEL(block, {}), block)
    block.X.data[5] = bad
    with np.errstate(invalid="ignore"):
        assert not KERNEL.proves_finite(KERNEL(block, {}), block)


def test_sums_are_absorbed_in_the_memory_of_the_first():
    X, y, _ = rows()
    y = y[np.random.default_rng(0).permutation(300)]  # blocks of all labels
    first, second, expected = (
        share(X, y, None, *ends) for ends in ((0, 200), (200, 300), (0, 300))
    )
    table, added = first.moments[ALL, None].table, second.moments[ALL, None].table.copy()
    apart = first + second
    assert not np.may_share_memory(apart.moments[ALL, None].table, table)
    total = first.absorb(second)
    assert total.moments[ALL, None].table is table
    np.testing.assert_array_equal(table, apart.moments[ALL, None].table)
    np.testing.assert_array_equal(second.moments[ALL, None].table, added)
    np.testing.assert_allclose(table, expected.moments[ALL, None].table, rtol=1e-13)
    assert total.tallies == expected.tallies
