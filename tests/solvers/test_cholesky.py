"""Cholesky factors: what they solve, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from daskreg.solvers.cholesky import factor_of, solved


def definite(n, seed=0):
    half = np.random.default_rng(seed).normal(size=(n, n + 2))
    return half @ half.T


@pytest.mark.parametrize("n", [0, 1, 7])
@pytest.mark.parametrize("width", [None, 0, 1, 3])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_the_product_with_the_solution_is_the_right_side(n, width, order, overwrite):
    matrix = definite(n)
    right = np.random.default_rng(1).normal(size=n if width is None else (n, width))
    given = np.array(matrix, order=order)
    factor = factor_of(given, overwrite=overwrite)
    found = solved(factor, right)
    assert found.shape == right.shape
    np.testing.assert_allclose(matrix @ found, right, rtol=1e-9, atol=1e-9)
    if not overwrite:
        np.testing.assert_array_equal(given, matrix)


def test_the_right_side_stays_as_it_is():
    right = np.ones((3, 2), order="F")
    solved(factor_of(definite(3)), right)
    np.testing.assert_array_equal(right, 1.0)


@pytest.mark.parametrize("wrong", [-1.0, 0.0, np.nan, np.inf])
def test_what_has_no_factor_is_refused(wrong):
    matrix = definite(4)
    matrix[2] = matrix[:, 2] = wrong
    with pytest.raises(np.linalg.LinAlgError):
        factor_of(matrix)
