"""Warnings show at the line of the user that asked for a fit, whatever lies between."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from daskreg import Lasso


def plainly(model, X, y):
    model.fit(X, y)


def in_a_pipeline(model, X, y):
    make_pipeline(StandardScaler(), model).fit(X, y)


def in_a_search(model, X, y):
    GridSearchCV(model, {"alpha": [1e-5, 1e-4]}, cv=2).fit(X, y)


def in_validation(model, X, y):
    cross_val_score(model, X, y, cv=2)


@pytest.mark.parametrize("fit", [plainly, in_a_pipeline, in_a_search, in_validation])
def test_a_warning_shows_where_the_fit_was_asked_for(fit):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 30)) @ rng.standard_normal((30, 30))
    model = Lasso(alpha=1e-5, tol=1e-12, max_iter=1, solver="fista")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fit(model, X, X[:, 0] + rng.standard_normal(60))
    own = [one for one in told if one.category is ConvergenceWarning]
    assert own
    assert {one.filename for one in own} == {__file__}
