"""scikit-learn's callbacks on our estimators, and ours inside of scikit-learn's."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import FitCallback, ProgressBar, ScoringMonitor
from sklearn.linear_model import LogisticRegression as SklearnLogistic
from sklearn.model_selection import GridSearchCV

from daskreg import (
    BootstrapPaths,
    ElasticNetCV,
    Lasso,
    LassoIC,
    LogisticRegression,
    StabilitySelection,
    lasso_path,
)
from daskreg.callbacks import ProgressReport, observe


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 6))
    return X, X @ [1.0, -1.0, 0.5, 0.0, 0.0, 0.0] + 0.1 * rng.normal(size=400)


class Tasks:
    """Writes down what scikit-learn's protocol tells."""

    def __init__(self, stop_at=None):
        self.told, self.models, self.stop_at = [], [], stop_at

    def setup(self, estimator, context):
        self.told.append("setup")

    def teardown(self, estimator, context):
        self.told.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None):
        self.told.append(f"begin {context.task_name}")
        assert X is not None

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.told.append(f"end {context.task_name}")
        if context.parent is not None:
            self.models.append(fitted_estimator)
        return self.stop_at is not None and len(self.models) == self.stop_at


def test_tasks_are_nested_and_all_of_them_end(data):
    tasks = Tasks()
    Lasso(0.01, solver="fista").set_callbacks(tasks).fit(*data)
    assert tasks.told[:2] == ["setup", "begin fit"]
    assert tasks.told[-2:] == ["end fit", "teardown"]
    inside = tasks.told[2:-2]
    assert inside == ["begin iteration", "end iteration"] * (len(inside) // 2)
    assert len(inside) > 2


def test_the_model_of_the_last_iteration_is_the_fitted_one(data):
    X, y = data
    tasks = Tasks()
    model = Lasso(0.01, solver="fista", standardize=True).set_callbacks(tasks).fit(X, y)
    np.testing.assert_array_equal(tasks.models[-1].coef_, model.coef_)
    np.testing.assert_array_equal(tasks.models[-1].predict(X), model.predict(X))
    assert {one.status_ for one in tasks.models[:-1]} == {"running"}


def test_a_task_may_ask_for_an_end(data):
    tasks = Tasks(stop_at=2)
    with pytest.warns(match="stopped"):
        model = Lasso(0.01, solver="fista").set_callbacks(tasks).fit(*data)
    assert model.status_ == "stopped"
    assert len(tasks.models) == 2
    np.testing.assert_array_equal(tasks.models[-1].coef_, model.coef_)


@pytest.mark.parametrize(
    "model",
    [
        ElasticNetCV(alphas=5, cv=3),
        LogisticRegression(C=0.1, l1_ratio=1.0),
        LassoIC(),
        StabilitySelection(n_pairs=2),
        BootstrapPaths(n_replicates=2),
    ],
)
def test_every_estimator_takes_them(data, model):
    X, y = data
    y = y > 0 if isinstance(model, LogisticRegression) else y
    tasks = Tasks()
    model.set_callbacks(tasks).fit(X, y)
    assert tasks.told[-2:] == ["end fit", "teardown"]
    assert "end iteration" in tasks.told


def test_scores_of_scikit_learn_are_those_of_the_models(data):
    X, y = data
    monitor = ScoringMonitor(scoring="r2")
    model = Lasso(0.01, solver="fista").set_callbacks(monitor).fit(X, y)
    scores = [row["r2"] for row in monitor.get_logs().data if len(row["task_id_path"]) == 2]
    assert len(scores) == len(model.fit_report_.iterations["n_pass"])
    assert scores[-1] == model.score(X, y)


def test_the_progress_bar_of_scikit_learn(data, capsys):
    Lasso(0.01, solver="fista").set_callbacks(ProgressBar()).fit(*data)
    assert "Lasso - fit" in capsys.readouterr().out


def test_a_failing_fit_tears_down(data):
    X, y = data
    tasks = Tasks()
    X = X.copy()
    X[3, 3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        Lasso(0.01, solver="fista").set_callbacks(tasks).fit(X, y)
    assert tasks.told[-2:] == ["end fit", "teardown"]


def lines(stream):
    return stream.getvalue().splitlines()


def test_ours_is_set_in_either_way(data):
    passed, was_set = io.StringIO(), io.StringIO()
    settings = {"solver": "fista"}
    Lasso(0.01, callbacks=[ProgressReport(stream=passed)], **settings).fit(*data)
    Lasso(0.01, **settings).set_callbacks(ProgressReport(stream=was_set)).fit(*data)
    told = [[line.split("  ")[:4] for line in lines(stream)] for stream in (passed, was_set)]
    assert told[0] == told[1]
    assert len(told[0]) > 2


def test_ours_sees_the_fits_inside_of_a_search(data):
    stream = io.StringIO()
    report = ProgressReport(stream=stream)
    assert isinstance(report, FitCallback)
    search = GridSearchCV(Lasso(solver="fista"), {"alpha": [0.1, 0.01]}, cv=2, n_jobs=1)
    search.set_callbacks(report).fit(*data)
    begun = [line for line in lines(stream) if line.startswith("GridSearchCV: ")]
    assert len([line for line in lines(stream) if line.startswith("pass 1 ")]) == 5
    assert len(begun) >= 5


def test_ours_sees_estimators_of_scikit_learn(data):
    X, y = data
    stream = io.StringIO()
    SklearnLogistic().set_callbacks(ProgressReport(stream=stream)).fit(X, y > 0)
    assert lines(stream)[0] == "LogisticRegression: lbfgs-iter 1"


def test_a_report_travels_without_its_screen():
    report = pickle.loads(pickle.dumps(ProgressReport(tol=1e-3, stream=io.StringIO())))
    assert report.standing.pace.tol == 1e-3


def test_a_clone_has_no_traces_of_a_fit(data):
    model = Lasso(0.01, solver="fista").fit(*data)
    assert not hasattr(clone(model), "fit_report_")


def test_observers_see_every_fit_until_they_are_gone(data):
    seen = []

    class Observer:
        def on_iteration(self, event):
            seen.append(event)

    stop = observe(lambda estimator: Observer())
    Lasso(0.01).fit(*data)
    lasso_path(*data)
    stop()
    Lasso(0.01).fit(*data)
    assert len(seen) == 2
