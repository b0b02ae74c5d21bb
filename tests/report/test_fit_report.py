"""The report of a fit: made by every estimator, plain data, saved, and true."""

from __future__ import annotations

import copy
import json
import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone

from daskreg import (
    BootstrapPaths,
    ElasticNetCV,
    Lasso,
    LassoIC,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeCV,
    StabilitySelection,
    load,
)
from daskreg.exceptions import ModelFileError
from daskreg.linear_model._fit_report import fit_report
from daskreg.model_io import load_model, save_model

MODELS = [
    Lasso(0.05, solver="fista"),
    Ridge(),
    ElasticNetCV(l1_ratio=[0.5, 1.0], alphas=6, cv=3),
    LogisticRegression(C=0.1, l1_ratio=1.0),
    LogisticRegressionCV(Cs=3, cv=3),
    RidgeCV(),
    LassoIC(),
    StabilitySelection(n_pairs=2),
    BootstrapPaths(n_replicates=2),
]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5))
    return X, X @ [1.0, -1.0, 0.0, 0.0, 0.0] + 0.5 * rng.normal(size=300)


def fitted(model, data):
    X, y = data
    return model.fit(X, y > 0 if "Logistic" in type(model).__name__ else y)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_every_estimator_says_how_its_fit_went(model, data):
    report = fitted(model, data).fit_report_
    assert report.estimator == type(model).__name__
    assert report.status == "converged"
    assert report.n_passes == model.n_passes_
    assert report.seconds["total"] == model.fit_seconds_
    assert report.memory["planned"] == model.plan_.peak
    assert report.measured > 0
    assert len(report.passes["name"]) == model.n_passes_
    json.dumps(report.to_dict(), allow_nan=False)
    assert "passes" in str(report)
    assert "<table" in report._repr_html_()


@pytest.mark.parametrize("model", MODELS[:7], ids=lambda model: type(model).__name__)
def test_a_saved_model_has_its_report(model, data, tmp_path):
    fitted(model, data).save(tmp_path / "model.zarr.zip")
    again = load(tmp_path / "model.zarr.zip").fit_report_
    assert again.to_dict() == model.fit_report_.to_dict()


def test_a_report_that_is_none_is_refused(data, tmp_path):
    path = tmp_path / "model.zarr.zip"
    fitted(Lasso(0.05), data).save(path)
    stored = load_model(path)
    stored.attributes["fit_report_"] = {"seconds": "many"}
    save_model(path, stored)
    with pytest.raises(ModelFileError, match="seconds"):
        load(path)


def test_the_convergence_is_that_of_the_fit(data):
    model = fitted(Lasso(0.05, solver="fista"), data)
    known = model.fit_report_.iterations
    assert known["gap"][-1] == model.relative_gap_
    assert known["n_pass"][-1] == model.n_passes_
    assert known["n_nonzero"][-1] == np.count_nonzero(model.coef_)
    assert known["gap"] == sorted(known["gap"], reverse=True)
    assert known["seconds"] == sorted(known["seconds"])


def test_path_and_scores_are_those_of_the_estimator(data):
    model = fitted(ElasticNetCV(l1_ratio=[0.5, 1.0], alphas=6, cv=3), data)
    scores, path = model.fit_report_.scores, model.fit_report_.path
    np.testing.assert_allclose(scores["mean"], model.mse_path_.mean(axis=-1))
    np.testing.assert_allclose(scores["alpha"], model.alphas_)
    assert scores["chosen"] == path["chosen"] == model.alpha_
    place = path["alpha"].index(model.alpha_)
    for name, coef in zip(path["features"], path["coef"], strict=True):
        assert coef[place] == model.coef_[int(name.removeprefix("column "))]
    assert path["n_nonzero"][place] == np.count_nonzero(model.coef_)


def test_standard_errors_are_those_of_the_folds(data):
    model = fitted(RidgeCV(alphas=[0.1, 1.0], cv=4), data)
    held_out = model.solution_.scores
    error = held_out.std("fold", ddof=1) / 2.0
    np.testing.assert_allclose(model.fit_report_.scores["error"][0], error)


def test_a_fit_that_goes_on_knows_its_beginning(data, tmp_path):
    settings = {"solver": "fista", "tol": 1e-10}
    keeping = {"checkpoint": tmp_path / "fit", "checkpoint_every": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Lasso(0.05, max_passes=4, **settings).fit(*data, **keeping)
    model = Lasso(0.05, **settings).fit(*data, resume=True, **keeping)
    whole = Lasso(0.05, **settings).fit(*data)
    known, expected = model.fit_report_.iterations, whole.fit_report_.iterations
    assert known["gap"] == expected["gap"]
    assert known["n_pass"] == expected["n_pass"]


def test_an_interrupted_fit_has_a_report(data):
    class Interrupts:
        def on_iteration(self, event):
            if event.n_passes == 2:
                raise KeyboardInterrupt

    model = Lasso(0.05, solver="fista", callbacks=[Interrupts()])
    with pytest.raises(KeyboardInterrupt), pytest.warns(match="did not converge"):
        model.fit(*data)
    assert model.fit_report_.status == "interrupted"


def test_a_report_is_made_when_somebody_asks(data, monkeypatch):
    made = []
    monkeypatch.setattr(
        "daskreg.linear_model._reported.fit_report",
        lambda *args: made.append(1) or fit_report(*args),
    )
    model = Lasso(0.05)
    with pytest.raises(AttributeError, match="Lasso has no fit_report_: call fit first"):
        model.fit_report_  # noqa: B018
    assert not hasattr(model, "events_")
    fitted(model, data)
    assert made == []
    tol = model.tol
    model.set_params(tol=0.5)
    assert model.fit_report_.tol == tol
    assert model.fit_report_ is model.fit_report_
    assert len(made) == 1
    again = fitted(model, data)
    assert len(made) == 1
    assert again.fit_report_.tol == 0.5


def test_copies_have_the_report_and_not_what_it_is_made_of(data):
    model = fitted(Lasso(0.05), data)
    pickled = pickle.dumps(model)
    assert vars(pickle.loads(pickled)).keys() == vars(model).keys()
    assert "_untold" not in vars(model)
    assert copy.deepcopy(model).fit_report_ == model.fit_report_
    assert not hasattr(clone(model), "fit_report_")


def test_events_are_those_of_the_report(data, tmp_path):
    model = fitted(Lasso(0.05), data)
    X, y = data
    model.fit(X, y, checkpoint=tmp_path / "kept", checkpoint_every=0)
    assert {event.kind for event in model.events_} == {"checkpoint"}
    assert [vars(event) for event in model.events_] == model.fit_report_.events
    model.save(tmp_path / "model.zarr.zip")
    assert load(tmp_path / "model.zarr.zip").events_ == model.events_
