"""The estimators' own behaviour: labels, attributes, warm starts, errors."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from daskreg.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge
from daskreg.solvers import QuasiNewton

REGRESSORS = [Lasso, ElasticNet, Ridge]
ALL = [*REGRESSORS, LogisticRegression]


def labels(y, low, high):
    return np.where(y > 0, high, low)


@pytest.mark.parametrize("kind", ALL)
def test_public_attributes(kind, data):
    X, y = data
    model = kind().fit(X, labels(y, 0, 1) if kind is LogisticRegression else y)
    assert model.status_ == "converged"
    assert model.certificate_ in ("gap", "violation")
    assert 0 <= model.relative_gap_ <= 1e-6
    assert isinstance(model.dual_gap_, float)
    assert isinstance(model.n_passes_, int)
    assert model.bytes_read_ == 0
    assert model.n_features_in_ == 6
    assert not hasattr(model, "feature_names_in_")
    assert model.solver_ == ("sampled_newton" if kind is LogisticRegression else "gram")
    assert "passes" in str(model.plan_)
    assert f"solver {model.solver_}: {model.solver_reason_}" in str(model.plan_)
    assert model.fit_seconds_ > 0


@pytest.mark.parametrize("kind", REGRESSORS)
def test_shapes_follow_y(kind, data):
    X, y = data
    flat = kind().fit(X, y)
    assert flat.coef_.shape == (6,)
    assert isinstance(flat.intercept_, float)
    assert isinstance(flat.n_iter_, int)
    assert flat.predict(X).shape == (120,)
    column = kind().fit(X, y[:, None])
    assert column.coef_.shape == (1, 6)
    assert column.intercept_.shape == column.n_iter_.shape == (1,)
    assert column.predict(X).shape == (120, 1)
    assert_array_equal(flat.coef_, column.coef_[0])


@pytest.mark.parametrize(("low", "high"), [("no", "yes"), (False, True), (-3, 7), (1.0, 2.0)])
def test_labels_of_any_kind(data, low, high):
    X, y = data
    y = labels(y, low, high)
    model = LogisticRegression().fit(X, y)
    assert_array_equal(model.classes_, np.unique(y))
    assert model.classes_.dtype == y.dtype
    assert model.coef_.shape == (1, 6)
    assert model.intercept_.shape == model.n_iter_.shape == (1,)
    predicted = model.predict(X)
    assert predicted.dtype == y.dtype
    assert (predicted == y).mean() > 0.8
    assert model.score(X, y) == (predicted == y).mean()
    proba = model.predict_proba(X)
    assert_allclose(proba.sum(1), 1.0)
    assert_allclose(np.log(proba), model.predict_log_proba(X))


def test_log_probabilities_do_not_underflow(data):
    X, y = data
    model = LogisticRegression().fit(X, y > 0)
    log_proba = model.predict_log_proba(np.array([[1e4, 0, 0, -1e4, 0, 0]]))
    assert np.isfinite(log_proba).all()
    assert log_proba[0, 0] < -1e3


@pytest.mark.parametrize("solver", [QuasiNewton(memory=3), "quasi_newton"])
def test_a_solver_that_is_given_shares_the_first_pass(solver, data):
    X, y = data
    model = LogisticRegression(solver=solver, l1_ratio=1.0).fit(X, y > 0)
    assert model.n_passes_ == 1 + model.n_iter_[0]


def test_too_few_iterations_is_a_status_and_a_warning(data):
    X, y = data
    model = LogisticRegression(solver="quasi_newton", max_iter=2, tol=1e-12)
    with pytest.warns(ConvergenceWarning, match=r"relative gap .* passes over X.*max_iter"):
        model.fit(X, y > 0)
    assert model.status_ == "max_iter"
    assert model.relative_gap_ > 1e-12


def test_warm_start_saves_passes(data):
    X, y = data
    settings = {"C": 10.0, "solver": "quasi_newton", "tol": 1e-10}
    model = LogisticRegression(**settings, warm_start=True).fit(X, y > 0)
    first, coef = model.n_passes_, model.coef_
    model.fit(X, y > 0)
    assert model.n_passes_ < first
    assert_allclose(model.coef_, coef, atol=1e-5)
    lasso = Lasso(0.1, warm_start=True).fit(X, y)
    coef = lasso.coef_
    assert_allclose(lasso.fit(X, y).coef_, coef, atol=1e-6)
    lasso.fit(X[:, :3], y)
    assert lasso.coef_.shape == (3,)
    lasso.fit(X[:, :3], np.stack([y, -y], axis=1))
    assert lasso.coef_.shape == (2, 3)


@pytest.mark.parametrize("kind", ALL)
def test_clone_pickle_and_params(kind, data):
    X, y = data
    y = (y > 0).astype(int)
    model = kind(max_iter=500, penalty_weight=np.ones(6)).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X), model.predict(X))
    fresh = clone(model)
    assert fresh.get_params().keys() == model.get_params().keys()
    assert not hasattr(fresh, "coef_")
    with pytest.raises(NotFittedError):
        fresh.predict(X)
    for name in ("n_jobs", "random_state", "copy_X", "precompute", "penalty", "selection"):
        assert name not in model.get_params()


def test_score_takes_weights(data):
    X, y = data
    weight = (np.arange(120) < 60).astype(float)
    model = Ridge().fit(X, y)
    assert_allclose(model.score(X, y, weight), model.score(X[:60], y[:60]))
    model = LogisticRegression().fit(X, y > 0)
    assert_allclose(model.score(X, y > 0, weight), model.score(X[:60], y[:60] > 0))


def test_works_inside_scikit_learn(data):
    X, y = data
    pipe = make_pipeline(StandardScaler(), Lasso())
    search = GridSearchCV(pipe, {"lasso__alpha": [0.01, 10.0]}, cv=3).fit(X, y)
    assert search.best_params_ == {"lasso__alpha": 0.01}


def test_callbacks_and_verbose(data, capsys):
    X, y = data

    class Log:
        def __init__(self):
            self.passes = []

        def on_iteration(self, progress):
            self.passes.append(progress.n_passes)

    log = Log()
    model = LogisticRegression(callbacks=[log], verbose=True).fit(X, y > 0)
    assert log.passes == sorted(log.passes)
    assert len(log.passes) > 1
    assert str(model.callbacks[0]) == str(log)
    assert "gap" in capsys.readouterr().out


def test_interrupt_keeps_the_best_coefficients(data):
    X, y = data

    class Stop:
        def on_iteration(self, progress):
            if progress.n_iter == 3:
                raise KeyboardInterrupt

    model = LogisticRegression(C=100.0, solver="quasi_newton", tol=1e-12, callbacks=[Stop()])
    with pytest.warns(ConvergenceWarning, match="interrupted"), pytest.raises(KeyboardInterrupt):
        model.fit(X, y > 0)
    assert model.status_ == "interrupted"
    assert (model.predict(X) == (y > 0)).mean() > 0.8


def test_frames_name_the_features(data):
    pd = pytest.importorskip("pandas")
    X, y = data
    frame = pd.DataFrame(X, columns=list("abcdef")).assign(target=y)
    model = Lasso(0.1).fit(frame, "target")
    assert model.feature_names_in_.tolist() == list("abcdef")
    assert_allclose(model.coef_, Lasso(0.1).fit(X, y).coef_)
    assert_allclose(model.predict(frame), model.predict(frame[list("abcdef")]))
    assert_allclose(model.score(frame, "target"), model.score(frame, y))
    with pytest.raises(ValueError, match="same order"):
        model.predict(frame[list("fedcba")])
    assert model.solution_["coef"].sel(feature="a") == model.coef_[0]


def test_columns_for_weights_and_offset_are_no_features(data):
    pd = pytest.importorskip("pandas")
    X, y = data
    weight, offset = np.arange(120.0), np.linspace(-1, 1, 120)
    frame = pd.DataFrame(X, columns=list("abcdef")).assign(y=y, w=weight, o=offset)
    model = Ridge().fit(frame, "y", "w", "o")
    assert model.feature_names_in_.tolist() == list("abcdef")
    by_hand = Ridge().fit(X, y, weight, offset)
    assert_allclose(model.coef_, by_hand.coef_)
    assert_allclose(model.predict(frame, "o"), by_hand.predict(X, offset))
    expected = by_hand.score(X, y, weight, offset)
    assert_allclose(model.score(frame, "y", "w", "o"), expected)


def test_solution_is_labelled(data):
    X, y = data
    solution = Lasso(0.1).fit(X, y, feature_names=list("uvwxyz")).solution_
    assert solution["coef"].dims == ("target", "feature")
    assert solution["feature"].values.tolist() == list("uvwxyz")
    assert solution["status"].values.tolist() == ["converged"]
    solution = LogisticRegression().fit(X, labels(y, "no", "yes")).solution_
    assert solution["coef"].dims == ("class", "feature")
    assert solution["class"].values.tolist() == ["yes"]


def test_save_and_load(data, tmp_path):
    import daskreg

    X, y = data
    model = LogisticRegression(C=2.0).fit(X, labels(y, "no", "yes"))
    model.save(tmp_path / "model.zarr.zip")
    again = daskreg.load(tmp_path / "model.zarr.zip")
    assert again.C == 2.0
    assert_array_equal(again.predict(X), model.predict(X))
    assert again.status_ == "converged"


def test_a_small_fit_imports_neither_dask_nor_xarray():
    code = (
        "import sys\n"
        "from sklearn.datasets import load_diabetes\n"
        "from daskreg.linear_model import Lasso\n"
        "X, y = load_diabetes(return_X_y=True)\n"
        "Lasso().fit(X, y).predict(X)\n"
        "print([m for m in ('dask', 'distributed', 'xarray', 'zarr') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_diabetes_defaults_converge():
    X, y = load_diabetes(return_X_y=True)
    for kind in REGRESSORS:
        assert kind().fit(X, y).status_ == "converged"
