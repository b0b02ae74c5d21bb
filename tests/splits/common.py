"""Runs of rows, however they are cut."""

from itertools import pairwise

import numpy as np

from daskreg.splits import RowKeys


def keys(n, start=0, y=None, groups=None):
    return RowKeys(start, n, y, groups)


def pieces(n, borders, y=None, groups=None):
    """Yield the keys of the runs that ``borders`` cut n rows into."""
    edges = [0, *sorted(b % (n + 1) for b in borders), n]
    for start, stop in pairwise(edges):
        rows = slice(start, stop)
        yield RowKeys(
            start,
            stop - start,
            None if y is None else y[rows],
            None if groups is None else groups[rows],
        )


def same_as(folds, splits, n, y=None, groups=None):
    """Assert that the folds are exactly these training and test rows."""
    splits = list(splits)
    rows = RowKeys(0, n, y, groups)
    assert folds.n == len(splits)
    train, test = folds.factors(rows), folds.held_out(rows)
    assert train.shape == test.shape == (n, folds.n)
    for k, (own, held_out) in enumerate(splits):
        np.testing.assert_array_equal(np.flatnonzero(train[:, k]), np.sort(own))
        np.testing.assert_array_equal(np.flatnonzero(test[:, k]), np.sort(held_out))
