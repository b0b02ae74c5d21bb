"""The public path functions, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import linear_model as theirs
from sklearn.exceptions import ConvergenceWarning

import daskreg
from daskreg import enet_path, lasso_path, logistic_path
from daskreg.linear_model import ElasticNet, Lasso, LogisticRegression

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


# ------------------------------------------------------------------ classes


@pytest.mark.parametrize("q", [2, 3, 4])
@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_the_models_of_every_C_are_those_of_the_estimator(data, q, l1_ratio):
    X, y = data
    labels = np.array(list("dbca"))[np.digitize(y, np.quantile(y, np.arange(1, q) / q))]
    weight = np.linspace(0.5, 1.5, len(y))
    settings = {"l1_ratio": l1_ratio, "tol": 1e-9, "class_weight": "balanced"}
    Cs, coefs, intercepts, gaps = logistic_path(
        X, labels, Cs=[1.0, 0.05], sample_weight=weight, **settings
    )
    n_rows = 1 if q == 2 else q
    assert coefs.shape == (2, n_rows, 6)
    assert intercepts.shape == (2, n_rows)
    assert gaps.shape == Cs.shape == (2,)
    for place, C in enumerate(Cs):
        one = LogisticRegression(C, **settings).fit(X, labels, weight)
        assert_allclose(coefs[place], one.coef_, atol=2e-4)
        assert_allclose(intercepts[place], one.intercept_, atol=2e-4)


@pytest.mark.parametrize("limit", [{"max_passes": 3}, {"deadline": 0.0}])
def test_limits_return_the_best_models_so_far(data, limit):
    X, y = data
    for solve, target in ((lasso_path, y), (logistic_path, y > 0)):
        grid = {"alphas": [1e-3, 1e-5]} if solve is lasso_path else {"Cs": [1e3, 1e5]}
        with pytest.warns(ConvergenceWarning, match=next(iter(limit))):
            found = solve(X, target, **grid, solver="fista", tol=1e-12, **limit)
        assert np.isfinite(found[1]).all()
        assert (found[-1] > 0).any()
        with pytest.raises(ValueError, match=next(iter(limit))):
            solve(X, target, **grid, **dict.fromkeys(limit, -1))
