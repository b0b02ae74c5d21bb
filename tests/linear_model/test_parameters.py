"""What estimators are asked and given: which solver follows from it, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning

from daskreg.exceptions import DataError, MemoryPlanError
from daskreg.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge

ALL = [Lasso, ElasticNet, Ridge, LogisticRegression]


def test_one_class_is_an_error(data):
    X, _ = data
    with pytest.raises(ValueError, match="class"):
        LogisticRegression().fit(X, np.ones(120))


def test_continuous_labels_are_an_error(data):
    X, y = data
    with pytest.raises(ValueError, match="continuous"):
        LogisticRegression().fit(X, y)


def test_column_of_labels_warns(data):
    X, y = data
    with pytest.warns(DataConversionWarning):
        LogisticRegression().fit(X, (y > 0)[:, None])


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("name", ["lbfgs", "liblinear", "saga", "cholesky", "newton", 3])
def test_foreign_solver_names_ours(kind, name, data):
    X, y = data
    with pytest.raises(ValueError, match="'auto', 'gram', 'fista'"):
        kind(solver=name).fit(X, y)


@pytest.mark.parametrize(
    ("model", "shape", "solver", "words"),
    [
        (LogisticRegression(), (30, 40), "sampled_newton", "30 rows are kept"),
        (LogisticRegression(), (3000, 10), "sampled_newton", "3000 rows are kept"),
        (LogisticRegression(), (30000, 10), "quasi_newton", "10 columns"),
        (LogisticRegression(), (40, 600), "fista", "more columns than rows"),
        (LogisticRegression(C=0.1, l1_ratio=1.0), (40, 600), "screening", "those in use"),
        (Lasso(0.5), (40, 600), "screening", "more columns than rows"),
        (Lasso(0.5), (40, 300), "gram", "one pass suffices"),
        (Ridge(), (40, 600), "fista", "more columns than rows"),
    ],
)
def test_auto_says_why(model, shape, solver, words):
    X = np.random.default_rng(0).normal(size=shape)
    y = X[:, 0] > 0 if isinstance(model, LogisticRegression) else X[:, 0]
    model = clone(model).set_params(tol=1e-3).fit(X, y)
    assert (model.solver_, words in model.solver_reason_) == (solver, True)
    assert model.status_ == "converged"
    assert model.solver_reason_ in str(model.plan_)


def test_rare_classes_with_weights_get_a_metric_of_rows():
    X = np.random.default_rng(0).normal(size=(30_000, 5))
    y = X[:, 0] > 2.5
    plain = LogisticRegression().fit(X, y)
    model = LogisticRegression(class_weight="balanced").fit(X, y)
    assert (plain.solver_, model.solver_) == ("quasi_newton", "sampled_newton")
    assert f"{y.mean():.2%} of the rows" in model.solver_reason_


def test_classes_are_coupled_by_the_hessian_of_rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 5))
    y = np.argmax(X[:, :3] + rng.gumbel(size=(4000, 3)), axis=1)
    model = LogisticRegression().fit(X, y)
    assert model.solver_ == "sampled_newton"
    assert "3 coupled classes" in model.solver_reason_
    assert model.n_passes_ <= 12


def test_a_metric_that_does_not_fit_gives_way(monkeypatch):
    X = np.random.default_rng(0).normal(size=(2100, 2000))
    y = X[:, 0] > 0
    held = LogisticRegression(C=1e-4).fit(X[:, :20], y).plan_
    limit = int((held.memory["process as it stands"] + (120 << 20)) / 0.85)
    model = LogisticRegression(C=1e-4, memory_limit=limit).fit(X, y)
    assert model.solver_ == "fista"
    assert "does not fit the memory limit" in model.solver_reason_
    with pytest.raises(MemoryPlanError):
        LogisticRegression(solver="quasi_newton", memory_limit=limit).fit(X, y)


def test_gram_needs_a_squared_loss(data):
    X, y = data
    with pytest.raises(ValueError, match="squared loss"):
        LogisticRegression(solver="gram").fit(X, y > 0)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    "wrong",
    [
        {"tol": -1.0},
        {"max_iter": 0},
        {"max_iter": 1.5},
        {"fit_intercept": "yes"},
        {"penalty_weight": [1.0, 2.0]},
        {"penalty_weight": [-1.0] * 6},
        {"callbacks": (1,)},
        {"memory_limit": "much"},
    ],
)
def test_wrong_parameters_are_named(kind, wrong, data):
    X, y = data
    with pytest.raises(ValueError, match=next(iter(wrong))):
        kind(**wrong).fit(X, y > 0)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (Lasso(-1.0), "alpha"),
        (Lasso(np.inf), "alpha"),
        (Lasso("1"), "alpha"),
        (ElasticNet(l1_ratio=2.0), "l1_ratio"),
        (Ridge([1.0, 2.0]), "alpha"),
        (Ridge(-1.0), "alpha"),
        (LogisticRegression(C=0.0), "C"),
        (LogisticRegression(class_weight="equal"), "class_weight"),
    ],
)
def test_wrong_strengths_are_named(model, name, data):
    X, y = data
    with pytest.raises(ValueError, match=name):
        model.fit(X, y > 0)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("bad", ["nan", "inf", "complex", "1d", "object", "empty", "short", "none"])
def test_bad_data_is_told_before_solving(kind, bad, data):
    X, y = data
    y = (y > 0).astype(int)
    X = X.copy()
    words = {
        "nan": "NaN",
        "inf": "infinity",
        "complex": "Complex data not supported",
        "1d": "Reshape your data",
        "object": "object",
        "empty": r"0 sample\(s\)",
        "short": "inconsistent|rows",
        "none": "requires y to be passed, but the target y is None",
    }
    if bad in ("nan", "inf"):
        X[5, 2] = float(bad)
    change = {
        "complex": lambda: (X + 1j, y),
        "1d": lambda: (X[:, 0], y),
        "object": lambda: (X.astype(object), y),
        "empty": lambda: (X[:0], y[:0]),
        "short": lambda: (X, y[:-1]),
        "none": lambda: (X, None),
    }
    X, y = change.get(bad, lambda: (X, y))()
    with pytest.raises(DataError, match=words[bad]):
        kind().fit(X, y)


@pytest.mark.parametrize("kind", ALL)
def test_weights_are_checked(kind, data):
    X, y = data
    y = (y > 0).astype(int)
    for weight, word in [
        (-np.ones(120), "negative|Negative"),
        (np.zeros(120), "zero"),
        (np.full(120, np.nan), "NaN"),
        (np.ones(3), "sample_weight"),
    ]:
        with pytest.raises(DataError, match=word):
            kind().fit(X, y, weight)
