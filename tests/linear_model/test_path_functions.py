"""The public path functions, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import linear_model as theirs

import daskreg
from daskreg import enet_path, lasso_path
from daskreg.linear_model import ElasticNet, Lasso

EXACT = {"tol": 1e-13, "max_iter": 100_000}


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(80, 6)) @ (np.eye(6) + 0.3)
    return X, X @ [1.0, 0, 2, 0, -1, 0] + rng.normal(size=80)


@pytest.mark.parametrize("positive", [False, True])
def test_the_same_as_scikit_learn(data, positive):
    X, y = data
    for ours, rival in (
        (lasso_path(X, y, alphas=15, positive=positive, **EXACT),
         theirs.lasso_path(X, y, alphas=15, positive=positive, **EXACT)),
        (enet_path(X, y, l1_ratio=0.3, alphas=[0.1, 2.0, 0.5], positive=positive, **EXACT),
         theirs.enet_path(X, y, l1_ratio=0.3, alphas=[0.1, 2.0, 0.5], positive=positive, **EXACT)),
    ):  # fmt: skip
        for mine, other in zip(ours, rival, strict=True):
            assert mine.shape == other.shape
            assert_allclose(mine, other, atol=1e-6)


def test_several_targets_and_iterations(data):
    X, y = data
    Y = np.column_stack([y, -y, X[:, 0]])
    alphas, coefs, gaps, n_iters = enet_path(X, Y, alphas=7, return_n_iter=True)
    assert (alphas.shape, coefs.shape, gaps.shape, n_iters.shape) == (
        (7,),
        (3, 6, 7),
        (3, 7),
        (3, 7),
    )
    assert n_iters.dtype.kind == "i"
    assert (n_iters >= 1).all()
    one = enet_path(X, Y[:, 1], alphas=alphas, return_n_iter=True)
    assert len(one) == 4
    assert one[3].shape == (7,)
    assert_allclose(coefs[1], one[1], atol=1e-4)


def test_the_older_name_of_the_number_of_alphas(data):
    X, y = data
    assert lasso_path(X, y, n_alphas=9)[0].shape == (9,)
    assert lasso_path(X, y, n_alphas=9, alphas=[0.5, 0.1])[0].shape == (2,)


def test_static_methods_are_the_functions(data):
    X, y = data
    for method, function in ((Lasso.path, lasso_path), (ElasticNet.path, enet_path)):
        for mine, other in zip(method(X, y, alphas=5), function(X, y, alphas=5), strict=True):
            assert_array_equal(mine, other)
    assert "lasso_path" in dir(daskreg)


def test_what_is_refused(data):
    X, y = data
    with pytest.raises(ValueError, match="l1_ratio=0 has no largest alpha"):
        enet_path(X, y, l1_ratio=0.0)
    with pytest.raises(ValueError, match="alphas must be an integer"):
        enet_path(X, y, alphas=2.5)
