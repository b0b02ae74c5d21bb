"""Grids of alpha."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from daskreg.paths import descending, fractions


@pytest.mark.parametrize("n_alphas", [1, 2, 100])
@pytest.mark.parametrize("eps", [1e-3, 0.5, 1.0])
def test_grid_is_geometric_from_one(n_alphas, eps):
    grid = fractions(n_alphas, eps)
    assert grid.shape == (n_alphas,)
    assert grid[0] == 1.0
    if n_alphas > 1:
        assert_allclose(grid[-1], eps)
        assert_allclose(grid[1:] / grid[:-1], grid[1] / grid[0])


@pytest.mark.parametrize("wrong", [{"n_alphas": 0}, {"eps": 0.0}, {"eps": 2.0}])
def test_wrong_grids_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        fractions(**wrong)


def test_given_alphas_are_sorted():
    assert descending([1, 3, 2]).tolist() == [3, 2, 1]
    for wrong in ([], [[1.0]], [-1.0], [np.nan]):
        with pytest.raises(ValueError, match="alphas"):
            descending(wrong)
