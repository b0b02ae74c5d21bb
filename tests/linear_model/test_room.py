"""Paths that use more columns than the memory holds end there, and say so where they were asked."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from daskreg import Lasso, LassoCV, lasso_path
from daskreg.design.facts import Facts

ROOM = 12


@pytest.fixture
def wide(monkeypatch):
    monkeypatch.setattr(Facts, "most_columns", ROOM)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 400))
    return X, X[:, :40].sum(axis=1) + rng.standard_normal(80)


def fit_one(X, y):
    Lasso(0.05, solver="screening").fit(X, y)


def fit_path(X, y):
    lasso_path(X, y, alphas=10, eps=0.01, solver="screening")


def fit_folds(X, y):
    LassoCV(alphas=5, eps=0.05, cv=2, solver="screening").fit(X, y)


@pytest.mark.parametrize("fit", [fit_one, fit_path, fit_folds])
def test_the_warning_names_the_columns_the_alphas_and_the_line_of_the_call(wide, fit):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fit(*wide)
    [found] = [one for one in told if "more columns than the memory holds" in str(one.message)]
    assert found.category is ConvergenceWarning
    assert f"({ROOM}, under memory_limit " in str(found.message)
    assert "none is solved" if fit is fit_one else "are solved" in str(found.message)
    assert found.filename == __file__


def test_there_is_none_where_they_fit(wide, monkeypatch):
    monkeypatch.setattr(Facts, "most_columns", 400)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_path(*wide)
