"""Logistic regression of more than two classes: optimum and shapes are scikit-learn's."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn.linear_model as reference
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.datasets import load_iris

import daskreg
from daskreg.exceptions import DataError
from daskreg.fitting.settings import Settings
from daskreg.fitting.solve import fit_problems
from daskreg.linear_model import LogisticRegression
from daskreg.losses import LogLoss
from daskreg.problems import Problems
from tests.fake_design import FakeDesign

TIGHT = {"solver": "fista", "tol": 1e-13, "max_iter": 50_000}
NAMES = np.array(["alpha", "beta", "gamma", "delta"])


def data(n=300, p=6, q=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) @ (np.eye(p) + 0.3) + rng.normal(size=p)
    eta = X @ rng.normal(size=(p, q))
    y = (eta - eta.mean(axis=0) + 2 * rng.gumbel(size=(n, q))).argmax(axis=1)
    return X, y, rng.random(n)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 2.0, 3: 0.3}])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_l2_is_that_of_lbfgs(fit_intercept, weighted, class_weight, kind):
    X, y, w = data()
    w = w if weighted else None
    both = {"C": 0.5, "fit_intercept": fit_intercept, "class_weight": class_weight}
    model = LogisticRegression(**both, **TIGHT).fit(kind(X), y, w)
    exact = reference.LogisticRegression(**both, solver="lbfgs", tol=1e-12, max_iter=10_000)
    exact.fit(X, y, w)
    assert model.status_ == "converged"
    assert_allclose(model.coef_, exact.coef_, atol=1e-5)
    assert_allclose(model.intercept_, exact.intercept_, atol=1e-5)
    for name in ("coef_", "intercept_", "n_iter_", "classes_"):
        mine, theirs = getattr(model, name), getattr(exact, name)
        assert mine.shape == theirs.shape
        assert mine.dtype == theirs.dtype
    assert_allclose(model.predict_proba(X), exact.predict_proba(X), atol=1e-6)
    assert_allclose(model.decision_function(X), exact.decision_function(X), atol=1e-4)
    assert_array_equal(model.predict(X), exact.predict(X))
    assert model.score(X, y, w) == pytest.approx(exact.score(X, y, w))


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.4])
def test_l1_is_that_of_saga(fit_intercept, l1_ratio):
    X, y, _ = data(n=150, p=4, q=3)
    model = LogisticRegression(C=0.2, l1_ratio=l1_ratio, fit_intercept=fit_intercept, **TIGHT).fit(
        X, y
    )
    exact = reference.LogisticRegression(
        C=0.2, l1_ratio=l1_ratio, fit_intercept=fit_intercept, solver="saga", tol=1e-10,
        max_iter=100_000,
    ).fit(X, y)  # fmt: skip
    assert_allclose(model.coef_, exact.coef_, atol=1e-5)
    assert_allclose(model.intercept_, exact.intercept_, atol=1e-5)
    assert_array_equal(model.coef_ == 0, exact.coef_ == 0)


def test_iris():
    X, y = load_iris(return_X_y=True)
    model = LogisticRegression(C=1.0, **TIGHT).fit(X, y)
    exact = reference.LogisticRegression(C=1.0, solver="newton-cg", tol=1e-12, max_iter=1000)
    exact.fit(X, y)
    assert_allclose(model.coef_, exact.coef_, atol=1e-7)
    assert_allclose(model.intercept_, exact.intercept_, atol=1e-7)


def test_standardize_is_a_fit_on_standardised_columns():
    X, y, w = data()
    mean = np.average(X, axis=0, weights=w)
    sd = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=w))
    scaled = LogisticRegression(C=0.3, **TIGHT).fit((X - mean) / sd, y, w)
    model = LogisticRegression(C=0.3, standardize=True, **TIGHT).fit(X, y, w)
    assert_allclose(model.coef_ * sd, scaled.coef_, atol=1e-6)
    assert_allclose(model.predict_proba(X), scaled.predict_proba((X - mean) / sd), atol=1e-7)


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_gap_is_proved(l1_ratio):
    """dual_gap_ is the objective less a lower bound: no other coefficients may beat it by more."""
    X, y, _ = data()
    rough = LogisticRegression(C=0.1, l1_ratio=l1_ratio, solver="fista", tol=1e-3).fit(X, y)
    best = LogisticRegression(C=0.1, l1_ratio=l1_ratio, **TIGHT).fit(X, y)

    def objective(model):
        eta = model.decision_function(X)
        loss = -np.log(softmax(eta, axis=1)[np.arange(len(y)), y]).mean()
        coef = model.coef_
        size = l1_ratio * np.abs(coef).sum() + (1 - l1_ratio) / 2 * (coef**2).sum()
        return loss + size / (0.1 * len(y))

    excess = objective(rough) - objective(best)
    assert 0.0 <= excess <= rough.dual_gap_ <= 2e-3
    assert rough.certificate_ == "gap"


@pytest.mark.parametrize("names", [NAMES, np.array([-5, 0, 3, 9])])
def test_labels_of_any_kind(names):
    X, y, _ = data()
    model = LogisticRegression(solver="fista").fit(X, names[y])
    assert_array_equal(model.classes_, np.sort(names))
    predicted = model.predict(X)
    assert predicted.dtype == names.dtype
    assert (predicted == names[y]).mean() > 0.5
    proba = model.predict_proba(X)
    assert proba.shape == (300, 4)
    assert_allclose(proba.sum(axis=1), 1.0)
    assert_allclose(np.exp(model.predict_log_proba(X)), proba)
    assert_array_equal(model.classes_[proba.argmax(axis=1)], predicted)


def test_log_probabilities_do_not_underflow():
    X, y, _ = data()
    model = LogisticRegression(solver="fista").fit(X, y)
    log_proba = model.predict_log_proba(1e4 * np.eye(6))
    assert np.isfinite(log_proba).all()
    assert log_proba.min() < -1e3


def test_save_and_load(tmp_path):
    X, y, _ = data()
    model = LogisticRegression(C=2.0, solver="fista").fit(X, NAMES[y])
    model.save(tmp_path / "model.zarr.zip")
    again = daskreg.load(tmp_path / "model.zarr.zip")
    assert_array_equal(again.predict(X), model.predict(X))
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.classes_.tolist() == sorted(NAMES)


def test_solution_is_labelled():
    X, y, _ = data()
    solution = LogisticRegression(solver="fista").fit(X, NAMES[y]).solution_
    assert solution["coef"].dims == ("class", "feature")
    assert solution["class"].values.tolist() == sorted(NAMES)
    assert solution["intercept"].dims == ("class",)


def test_warm_start_costs_little_and_another_number_of_classes_starts_anew():
    X, y, _ = data()
    model = LogisticRegression(solver="fista", tol=1e-8, warm_start=True, max_iter=5000)
    first = model.fit(X, y).n_iter_[0]
    before = model.coef_
    assert model.fit(X, y).n_iter_[0] < first / 5
    assert_allclose(model.coef_, before, atol=1e-3)
    assert model.fit(X, y == 1).coef_.shape == (1, 6)
    assert model.fit(X, np.minimum(y, 2)).coef_.shape == (3, 6)


def test_a_frame_of_labels_and_weights():
    X, y, w = data()
    frame = pd.DataFrame(X, columns=list("abcdef")).assign(kind=NAMES[y], weight=w)
    model = LogisticRegression(solver="fista").fit(frame, "kind", "weight")
    by_hand = LogisticRegression(solver="fista").fit(X, NAMES[y], w)
    assert_array_equal(model.coef_, by_hand.coef_)
    assert model.score(frame, "kind", "weight") == by_hand.score(X, NAMES[y], w)


def test_lazy_predictions():
    import dask.array as da

    X, y, _ = data()
    model = LogisticRegression(solver="fista").fit(X, y)
    lazy = da.from_array(X, chunks=(70, 6))
    assert_array_equal(model.predict(lazy).compute(), model.predict(X))
    assert_array_equal(model.decision_function(lazy).compute(), model.decision_function(X))
    assert model.predict_proba(lazy).shape == (300, 4)


def test_an_offset_is_refused():
    X, y, _ = data()
    with pytest.raises(DataError, match="4 classes and an offset"):
        LogisticRegression(solver="fista").fit(X, y, offset=np.ones(300))
    model = LogisticRegression(solver="fista").fit(X, y)
    with pytest.raises(DataError, match="several classes"):
        model.predict(X, offset=np.ones(300))


class PlannedDesign(FakeDesign):
    """Keeps what it was asked for; ``usable`` are the bytes that a plan may grant."""

    def __init__(self, *data, usable):
        super().__init__(*data)
        self.usable, self.notes, self.plan = usable, [], None

    def prepare(self, passes, partial_bytes, temporaries, client_bytes, note, *more):
        names = ("kernel temporaries", "partial sums", "solver")
        memory = dict(zip(names, (temporaries, partial_bytes, client_bytes), strict=True))
        self.notes.append(note)
        sizes = {"peak": sum(memory.values()), "usable": self.usable, "memory_limit": self.usable}
        rows = {"n_rows": self.n_samples, "n_columns": self.n_features, "total_bytes": 0}
        work = {"bytes_streamed": 0, "n_threads": 1, "n_workers": 1}
        self.plan = SimpleNamespace(memory=memory, **sizes, **rows, **work)


def test_only_a_plan_without_room_for_the_classes_is_made_again():
    X, _, _ = data(p=400)
    y = np.arange(300) % 50
    settings = Settings(LogLoss(), Problems.product(1.0), solver="fista", tol=1.0)
    wide = PlannedDesign(X, y, usable=1 << 40)
    fit_problems(wide, settings)
    assert len(wide.notes) == 1
    tight = PlannedDesign(X, y, usable=wide.plan.peak)
    fit_problems(tight, settings)
    assert len(tight.notes) == 2
    assert tight.notes[1].endswith("planned again for the 50 classes that y holds")
    assert tight.plan.peak > wide.plan.peak
    two = PlannedDesign(X, y % 2, usable=wide.plan.peak)
    assert fit_problems(two, settings).coef.shape == (1, 400)
    assert len(two.notes) == 1


def test_auto_finds_a_solver():
    X, y, _ = data()
    model = LogisticRegression(C=0.5, tol=1e-10, max_iter=20_000).fit(X, y)
    exact = reference.LogisticRegression(C=0.5, tol=1e-12, max_iter=10_000).fit(X, y)
    assert model.status_ == "converged"
    assert_allclose(model.coef_, exact.coef_, atol=1e-4)
