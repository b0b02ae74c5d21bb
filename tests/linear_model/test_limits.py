"""Passes, time and held-out rows that end a fit before its tolerance does."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, mean_squared_error

import daskreg
from daskreg.exceptions import DataError, MemoryPlanError
from daskreg.fitting.held_apart import HoldOut
from daskreg.linear_model import (
    BootstrapPaths,
    ElasticNet,
    Lasso,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
)
from daskreg.splits import RowKeys


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(200, 120))
    X[:, 1:] += 0.9 * X[:, :1]
    y = X[:, 0] - X[:, 3] + rng.normal(size=200)
    return X, y, np.where(y > 0, "b", "a")


def fit(model, data):
    X, y, labels = data
    return model.fit(X, labels if isinstance(model, LogisticRegression) else y)


# -------------------------------------------------------------------------------- limits


@pytest.mark.parametrize("kind", [Lasso, ElasticNet, Ridge, LogisticRegression])
@pytest.mark.parametrize("most", [3, 6])
def test_passes_end_a_fit_with_a_certificate(kind, most, data):
    name = "C" if kind is LogisticRegression else "alpha"
    model = kind(solver="fista", tol=1e-12, max_passes=most).set_params(**{name: 0.1})
    with pytest.warns(ConvergenceWarning, match="max_passes"):
        fit(model, data)
    assert model.status_ == "max_passes"
    assert model.n_passes_ == most
    # The gap still bounds how far the objective is from its minimum.
    best = fit(kind(tol=1e-12, **{name: model.get_params()[name]}), data)
    assert model.relative_gap_ > best.relative_gap_
    assert _objective(model, data) - _objective(best, data) <= model.dual_gap_ * (1 + 1e-9)


def _objective(model, data):
    """Per unit of weight, from the definition of each estimator."""
    X, y, labels = data
    n, b = len(labels), np.ravel(model.coef_)
    if isinstance(model, LogisticRegression):
        loss, alpha, ratio = log_loss(labels, model.predict_proba(X)), 1 / (model.C * n), 0.0
    else:
        loss = 0.5 * mean_squared_error(y, model.predict(X))
        ratio = {Lasso: 1.0, ElasticNet: 0.5, Ridge: 0.0}[type(model)]
        alpha = model.alpha / n if isinstance(model, Ridge) else model.alpha
    return loss + alpha * (ratio * np.abs(b).sum() + 0.5 * (1 - ratio) * b @ b)


def test_no_time_at_all_still_gives_a_model(data):
    model = LogisticRegression(10.0, deadline=0.0)
    with pytest.warns(ConvergenceWarning, match="time ran out"):
        fit(model, data)
    assert model.status_ == "deadline"
    assert np.isfinite(model.coef_).all()
    assert model.relative_gap_ > 1e-6


def test_limits_that_are_not_reached_change_nothing(data):
    plain = fit(LogisticRegression(0.1), data)
    limited = fit(LogisticRegression(0.1, max_passes=1000, deadline=1e6), data)
    assert_array_equal(limited.coef_, plain.coef_)
    assert limited.n_passes_ == plain.n_passes_


def test_what_was_stopped_goes_on_from_there(data):
    model = LogisticRegression(1.0, max_passes=3, warm_start=True)
    with pytest.warns(ConvergenceWarning):
        fit(model, data)
    rest = fit(model.set_params(max_passes=None), data)
    whole = fit(LogisticRegression(1.0), data)
    assert rest.status_ == "converged"
    assert_allclose(rest.coef_, whole.coef_, atol=2e-2)
    assert rest.relative_gap_ <= 1e-6


def test_a_callback_ends_a_fit(data):
    class Enough:
        def on_iteration(self, event):
            return event.n_iter == 2

    with pytest.warns(ConvergenceWarning, match="callback"):
        model = fit(LogisticRegression(10.0, callbacks=[Enough()], tol=1e-12), data)
    assert model.status_ == "stopped"
    assert model.n_iter_[0] == 2


def test_limits_of_batches(data):
    X, y, labels = data
    model = LogisticRegressionCV(Cs=3, cv=2, max_passes=3, tol=1e-12)
    with pytest.warns(ConvergenceWarning, match="max_passes"):
        model.fit(X, labels)
    assert model.n_passes_ == 3 + 1  # and the pass that scores
    paths = BootstrapPaths(n_replicates=3, alphas=4, solver="fista", max_passes=3, tol=1e-12)
    with pytest.warns(ConvergenceWarning, match="max_passes"):
        paths.fit(X, y)
    assert paths.n_passes_ == 3
    assert paths.status_ == "max_passes"
    assert paths.coefs_.shape[1] == len(paths.alphas_) == 4


@pytest.mark.parametrize("wrong", [{"max_passes": 0}, {"max_passes": 1.5}, {"deadline": -1.0}])
def test_limits_out_of_range(wrong):
    for kind in (Lasso, LogisticRegressionCV, BootstrapPaths):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            kind(**wrong).fit("no-such-file.npy", "y")


# ------------------------------------------------------------------------- held-out rows


@pytest.mark.parametrize("solver", ["fista", "quasi_newton"])
def test_the_kept_iterate_is_the_best_on_held_out_rows(data, solver):
    X, _, labels = data
    held = HoldOut(0.3).codes(RowKeys(0, len(X))) == 1
    assert 0.2 < held.mean() < 0.4
    model = LogisticRegression(1e5, solver=solver).fit(X, labels, validation=0.3, patience=3)
    scores = model.validation_scores_
    assert model.status_ == "stopped"
    assert np.nanargmin(scores) == model.best_iteration_ == len(scores) - 1 - 3
    loss = log_loss(labels[held], model.predict_proba(X[held]))
    assert loss == pytest.approx(scores[model.best_iteration_])
    # Its gap bounds how far it is from the minimum on the training rows.
    train = X[~held], None, labels[~held]
    least = LogisticRegression(1e5, solver=solver, tol=1e-9).fit(X[~held], labels[~held])
    excess = _objective(model, train) - _objective(least, train)
    assert 1e-3 < excess <= model.dual_gap_ * (1 + 1e-9)


def test_few_rows_have_iterates_to_stop_between():
    """Newton's method on all rows in memory would leave none but the minimum."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(260, 100))
    labels = 0.5 * X[:, :3].sum(axis=1) + rng.logistic(size=260) > 0
    model = LogisticRegression(C=1e4).fit(X, labels, validation=0.3, patience=2)
    assert model.solver_ == "quasi_newton"
    assert np.nanmin(model.validation_scores_) < 1.0
    least = LogisticRegression(C=1e4, solver="sampled_newton")
    scores = least.fit(X, labels, validation=0.3, patience=2).validation_scores_
    assert np.nanmin(scores) < 2.0  # 4.06 at the minimum
    three = (X[:, 0] > 0.5).astype(int) + (X[:, 1] > 0.5)
    model = LogisticRegression(C=1e4).fit(X, three, validation=0.3, patience=2)
    assert model.solver_ == "quasi_newton"


@pytest.mark.parametrize(("share", "hint"), [(1e-9, "larger"), (1 - 1e-9, "smaller")])
def test_a_fraction_that_leaves_nothing_is_refused(data, share, hint):
    X, _, labels = data
    with pytest.raises(DataError, match=f"pass a {hint} fraction"):
        LogisticRegression().fit(X, labels, validation=share)


@pytest.mark.parametrize("patience", [1, 4])
def test_a_fraction_costs_no_pass(data, patience):
    X, _, labels = data
    model = LogisticRegression(1e5, solver="fista").fit(
        X, labels, validation=0.3, patience=patience
    )
    assert model.n_passes_ == len(model.validation_scores_)
    assert model.validation_scores_.size == model.best_iteration_ + patience + 1


@pytest.mark.parametrize(("solver", "C"), [("fista", 0.2), ("quasi_newton", 1e3)])
def test_other_rows(data, solver, C):
    X, _, labels = data
    X, labels, other = X[:120, :10], labels[:120], (X[120:, :10], labels[120:])
    model = LogisticRegression(C, solver=solver).fit(X, labels, validation=other)
    best = model.validation_scores_[model.best_iteration_]
    assert best == model.validation_scores_.min()
    assert log_loss(other[1], model.predict_proba(other[0])) == pytest.approx(best)
    # All iterates are those of the training rows alone.
    assert model.best_iteration_ >= 1
    alone = LogisticRegression(C, solver=solver, max_iter=model.best_iteration_)
    with pytest.warns(ConvergenceWarning):
        alone.fit(X, labels)
    train = X, None, labels
    least, reached = (_objective(kept, train) for kept in (alone, model))
    if solver == "quasi_newton":  # its objective falls at every step, that of Fista does not
        assert_allclose(model.coef_, alone.coef_, rtol=1e-9)
    assert least <= reached * (1 + 1e-12)
    # Later iterates have only raised the bound.
    assert model.dual_gap_ > 0.0
    assert reached - model.dual_gap_ >= least - alone.dual_gap_ - 1e-12


def test_a_squared_loss_and_any_chunking(data):
    X, y, _ = data
    whole = Lasso(1e-3).fit(X, y, validation=0.25)
    assert whole.solver_ == "fista"
    held = HoldOut(0.25).codes(RowKeys(0, len(X))) == 1
    half = 0.5 * mean_squared_error(y[held], whole.predict(X[held]))
    assert half == pytest.approx(whole.validation_scores_[whole.best_iteration_])
    parts = da.from_array(X, chunks=(70, 120)), da.from_array(y, chunks=70)
    cut = Lasso(1e-3).fit(*parts, validation=0.25)
    assert_allclose(cut.coef_, whole.coef_, atol=1e-8)


def test_without_overfitting_the_fit_converges(data, tmp_path):
    X, y, _ = data
    strong = Lasso(0.5, standardize=True).fit(X, y, validation=0.25, patience=50)
    assert strong.status_ == "converged"
    assert 0.0 <= strong.relative_gap_ < 0.1
    loaded = daskreg.load(strong.save(tmp_path / "early.zarr.zip"))
    assert loaded.best_iteration_ == strong.best_iteration_
    assert not hasattr(strong.fit(X, y), "best_iteration_")


@pytest.mark.parametrize(
    ("model", "settings", "words"),
    [
        (Lasso(), {"validation": 1.5}, "validation must be"),
        (Lasso(), {"validation": 20}, "validation must be"),
        (Lasso(), {"validation": 0.2, "patience": 0}, "patience"),
        (Lasso(solver="gram"), {"validation": 0.2}, "in memory"),
    ],
)
def test_what_cannot_be_watched(data, model, settings, words):
    X, y, _ = data
    with pytest.raises(ValueError, match=words):
        model.fit(X, y, **settings)
    with pytest.raises(ValueError, match="2 targets"):
        Lasso(solver="fista").fit(X, np.column_stack([y, y]), validation=0.2)


# ------------------------------------------------------------------------- one budget


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Rows to train on, 24 MB, and some to validate on, in files."""
    folder, rng = tmp_path_factory.mktemp("rows"), np.random.default_rng(0)
    X = rng.normal(size=(60_000, 50))
    y = X[:, 0] + rng.normal(size=len(X)) > 0
    named = {}
    for name, rows in (("train", slice(None)), ("some", slice(0, 5000)), ("many", slice(None))):
        np.save(folder / f"{name}.npy", X[rows])
        np.save(folder / f"{name}-y.npy", y[rows])
        named[name] = str(folder / f"{name}.npy"), str(folder / f"{name}-y.npy")
    return named


STOPPED_EARLY = {"C": 10.0, "solver": "fista", "tol": 1e-12, "block_size": "1MiB"}


def early(rows, other, **settings):
    with pytest.warns(ConvergenceWarning):
        return LogisticRegression(**STOPPED_EARLY | settings).fit(*rows, validation=other)


def test_other_rows_are_in_the_plan_of_the_fit(files):
    alone = early(files["train"], None, max_iter=3)
    assert alone.plan_.memory["other rows, read in turn"] == 0
    model = early(files["train"], files["some"], max_iter=3)
    assert model.plan_.memory["other rows, read in turn"] >= 5000 * 50 * 8
    assert model.plan_.peak <= model.plan_.usable


def test_more_other_rows_than_their_share_are_read_each_time(files, monkeypatch):
    size = 60_000 * 50 * 8
    kept = early(files["train"], files["many"], max_iter=4)
    monkeypatch.setattr("daskreg.fitting.early.MOST_KEPT", 1e-3)
    read = early(files["train"], files["many"], max_iter=4)
    assert_allclose(read.coef_, kept.coef_, rtol=1e-12)
    n_looks = len(read.validation_scores_)
    assert n_looks > 2
    assert kept.plan_.memory["other rows, read in turn"] >= size
    assert read.plan_.memory["other rows, read in turn"] < size
    assert read.bytes_read_ - kept.bytes_read_ >= (n_looks - 1) * size


def limit_of(plan, more):
    """A memory limit that leaves so many bytes more than the plan has asked for."""
    return int((plan.peak + more) * plan.memory_limit / plan.usable)


def test_rows_that_cannot_be_validated_on_are_refused_before_the_first_pass(files):
    X, y = np.load(files["train"][0])[:100], np.load(files["train"][1])[:100]
    alone = LogisticRegression(solver="fista").fit(X, y)
    calls = []

    class Log:
        def on_iteration(self, progress):
            calls.append(progress)

    model = LogisticRegression(
        solver="fista", memory_limit=limit_of(alone.plan_, 4 << 20), callbacks=[Log()]
    )
    model.set_params(block_size="64MiB")
    with pytest.raises(MemoryPlanError):
        model.fit(X, y, validation=files["many"])
    assert not calls
