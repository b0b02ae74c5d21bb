"""Batches that end early: what was solved by then is kept, and the choice is among it."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from daskreg import lasso_path, logistic_path
from daskreg.exceptions import DaskregError
from daskreg.fitting import solve as loop
from daskreg.fitting.cross_validation import CUT
from daskreg.fitting.resampled import ResampledPath
from daskreg.fitting.slices import cut
from daskreg.linear_model import (
    BootstrapPaths,
    ElasticNetCV,
    LassoCV,
    LogisticRegressionCV,
    StabilitySelection,
)
from daskreg.solvers import Status


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 12)) @ (np.eye(12) + 0.3)
    return X, X[:, 0] - X[:, 3] + rng.normal(size=150)


class Stop:
    """Ctrl-C after so many iterations, or after so many problems have ended."""

    def __init__(self, n_iter=None, n_ended=None, of=None, why=KeyboardInterrupt):
        self.n_iter, self.n_ended, self.of, self.why = n_iter, n_ended, of, why

    def on_iteration(self, progress):
        if self.n_iter is not None and progress.n_iter >= self.n_iter:
            raise self.why
        if self.n_ended is not None and self.of - progress.n_active >= self.n_ended:
            raise self.why


SETTINGS = {"alphas": [1.0, 0.3, 1e-3, 1e-4], "cv": 3, "solver": "fista", "tol": 1e-9}


def interrupted(model, X, y, match="interrupted"):
    with pytest.warns(ConvergenceWarning, match=match), pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    return model


@pytest.mark.parametrize("targets", [1, 2])
def test_the_choice_is_among_what_was_solved_on_all_rows_and_folds(data, targets):
    X, y = data
    y = y if targets == 1 else np.column_stack([y, X[:, 1] + y[::-1]])
    # Everything of the two large alphas and some of the small ones.
    stop = Stop(n_ended=8 * targets + 1, of=16 * targets)
    model = interrupted(LassoCV(**SETTINGS, callbacks=[stop]), X, y)
    whole = LassoCV(**SETTINGS | {"max_iter": 20_000}).fit(X, y)
    path = model.solution_
    known = np.isfinite(path.scores.values).all(axis=0)
    assert known.any()
    assert not known.all()
    assert (path.status.values[known] == "converged").all()
    assert (path.status.values == "interrupted").any()
    expected = whole.solution_.scores.values[:, known]
    assert_allclose(path.scores.values[:, known], expected, rtol=1e-5)
    for target, alpha in enumerate(np.atleast_1d(model.alpha_)):
        mean = np.reshape(path.scores.mean("fold").values, (targets, -1))[target]
        assert alpha == SETTINGS["alphas"][np.nanargmin(mean)]
    assert set(np.ravel(model.status_)) == {"interrupted"}
    assert (np.ravel(model.relative_gap_) <= 1e-9).all()  # that of the model that was kept
    assert np.shape(model.predict(X)) == np.shape(y)


def test_nothing_is_kept_where_nothing_was_solved(data):
    X, y = data
    model = LassoCV(**SETTINGS | {"alphas": [1e-4]}, callbacks=[Stop(n_iter=1)])
    with pytest.raises(KeyboardInterrupt, match="nothing was chosen"):
        model.fit(X, y)
    assert not hasattr(model, "coef_")


def test_a_mean_over_folds_takes_what_each_has_solved(data):
    X, y = data
    settings = {"Cs": [1e-3, 1e-2, 1e4], "cv": 3, "solver": "fista", "refit": False}
    stop = Stop(n_ended=8, of=12)
    model = interrupted(LogisticRegressionCV(**settings, callbacks=[stop]), X, y > 0)
    assert model.C_ in (1e-3, 1e-2)
    assert np.isnan(model.scores_[..., 2]).all()


@pytest.mark.parametrize("limit", ["max_passes", "deadline"])
def test_limits_leave_the_choice_among_what_was_solved(data, limit, monkeypatch):
    X, y = data
    passes = LassoCV(**SETTINGS | {"alphas": [1.0, 0.3]}).fit(X, y).n_passes_
    if limit == "deadline":
        # The clock of the solver goes on by a second with every look at it, and nobody else's.
        now = iter(range(10**6))
        own = SimpleNamespace(monotonic=lambda: float(next(now)))
        monkeypatch.setattr("daskreg.solvers.budget.time", own)
    model = LassoCV(**SETTINGS, **{limit: passes + 2}, max_iter=20_000)
    with pytest.warns(ConvergenceWarning, match=rf"{limit} ended the fit: .* 2 of 4"):
        model.fit(X, y)
    monkeypatch.undo()
    assert model.alpha_ in (1.0, 0.3)
    assert model.status_ == limit
    assert_array_equal(np.isnan(model.mse_path_).any(axis=1), [False, False, True, True])


def test_best_iterates_are_chosen_among_where_nothing_was_solved(data):
    X, y = data
    model = LassoCV(**SETTINGS | {"alphas": [1e-2, 1e-4]}, max_passes=2)
    with pytest.warns(ConvergenceWarning, match="did not converge"):
        model.fit(X, y)
    assert model.status_ == "max_passes"
    assert np.isfinite(model.mse_path_).all()


# ------------------------------------------------------------------ slices


def sliced(monkeypatch, size):
    """Cut every batch as if only so many problems had fitted."""
    monkeypatch.setattr(loop, "cut", lambda problems, _: cut(problems, size))
    fits = loop.plan_for_classes

    def planned(*arguments):
        choice, granted = fits(*arguments)
        return choice, type(granted)(size, granted.scored)

    monkeypatch.setattr(loop, "plan_for_classes", planned)


@pytest.mark.parametrize("stop_in_first_pass", [False, True])
def test_slices_after_an_interruption_are_not_begun(data, monkeypatch, stop_in_first_pass):
    X, y = data
    sliced(monkeypatch, 8)  # two alphas on three folds and all rows
    seen = []

    class Second:
        def on_iteration(self, progress):
            seen.append(progress.n_iter)
            if seen.count(0) == 2 and not stop_in_first_pass:
                raise KeyboardInterrupt

    if stop_in_first_pass:
        solve, calls = loop.solve, []

        def stopped(*arguments, **settings):
            calls.append(1)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return solve(*arguments, **settings)

        monkeypatch.setattr(loop, "solve", stopped)
    settings = SETTINGS | {"alphas": [1.0, 0.3, 0.1, 0.01, 1e-3, 1e-4]}
    model = interrupted(LassoCV(**settings, callbacks=[Second()]), X, y, match="2 of 6")
    assert model.alpha_ in (1.0, 0.3)
    path = model.solution_
    expected = ["converged"] * 2 + ["interrupted"] * 4
    assert path.status.values.tolist() == expected
    assert np.isnan(path.dual_gap.values[4:]).all()
    assert_array_equal(path.n_passes.values[4:], 0)


def test_slices_after_the_last_pass_are_not_begun(data, monkeypatch):
    X, y = data
    whole = LassoCV(**SETTINGS | {"alphas": [1.0, 0.3]}).fit(X, y)
    sliced(monkeypatch, 8)
    model = LassoCV(**SETTINGS, max_passes=whole.n_passes_)
    with pytest.warns(ConvergenceWarning, match="max_passes ended the fit: .* 2 of 4"):
        model.fit(X, y)
    assert model.n_passes_ <= whole.n_passes_ + 1
    sliced(monkeypatch, 1)  # not even all folds of the largest alpha
    with pytest.raises(DaskregError, match="before any alpha was looked at"):
        LassoCV(**SETTINGS, max_passes=1).fit(X, y)


# ------------------------------------------------------------------ paths and resamples


def test_a_path_returns_its_best_iterates(data):
    X, y = data
    settings = {"alphas": [1.0, 1e-3, 1e-4], "solver": "fista", "tol": 1e-12}
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        alphas, coefs, gaps = lasso_path(X, y, **settings, callbacks=[Stop(n_iter=5)])
    exact = lasso_path(X, y, **settings | {"solver": "gram", "tol": 1e-13})[1]
    for place, alpha in enumerate(alphas):
        excess = [
            np.square(y - X @ c[:, place]).mean() / 2 + alpha * np.abs(c[:, place]).sum()
            for c in (coefs, exact)
        ]
        assert excess[0] - excess[1] <= gaps[place] * (1 + 1e-9) + 1e-12
    settings = {"Cs": [1e3], "solver": "quasi_newton", "tol": 1e-12}
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        logistic_path(X, y > 0, **settings, callbacks=[Stop(n_iter=2)])


def all_at_once(monkeypatch, width):
    """Solve so many problems of a path at a time."""
    make = ResampledPath.__init__

    def made(self, *arguments, **settings):
        make(self, *arguments, **settings)
        self._width = width

    monkeypatch.setattr(ResampledPath, "__init__", made)


@pytest.mark.parametrize(("width", "part"), [(5, 6), (10, 3), (40, 1)])
def test_bootstrap_keeps_the_alphas_that_all_samples_have(data, monkeypatch, width, part):
    X, y = data
    all_at_once(monkeypatch, width)
    settings = {"n_replicates": 10, "alphas": [1.0, 0.5, 1e-3, 1e-4], "solver": "fista"}
    settings |= {"tol": 1e-8, "max_iter": 20_000}
    whole = BootstrapPaths(**settings).fit(X, y)
    parts = []

    class Late:
        def on_iteration(self, progress):
            parts.append(progress.n_iter == 0)
            if sum(parts) == part and progress.n_active <= width // 2:
                raise KeyboardInterrupt

    model = BootstrapPaths(**settings, callbacks=[Late()])
    with pytest.raises(KeyboardInterrupt, match="of 4 alphas"):
        model.fit(X, y)
    n = len(model.alphas_)
    assert 0 < n < 4
    assert model.status_ == "interrupted"
    assert_array_equal(model.alphas_, whole.alphas_[:n])
    assert_allclose(model.coefs_, whole.coefs_[:, :n], atol=1e-3)
    assert model.paths_.inclusion.shape == (n, 12)


def test_stability_selection_ends_its_path_where_it_was_stopped(data):
    X, y = data
    settings = {"n_pairs": 5, "alphas": [1.0, 0.5, 1e-3, 1e-4], "solver": "fista", "tol": 1e-8}
    model = StabilitySelection(**settings, callbacks=[Stop(n_ended=20, of=40)])
    with pytest.raises(KeyboardInterrupt, match="of 4 alphas"):
        model.fit(X, y)
    n = len(model.alphas_)
    whole = StabilitySelection(**settings | {"alphas": [1.0, 0.5, 1e-3, 1e-4][:n]}).fit(X, y)
    assert_array_equal(model.selection_probabilities_, whole.selection_probabilities_)
    assert model.error_bound_ == pytest.approx(whole.error_bound_)


@pytest.mark.parametrize("kind", [BootstrapPaths, StabilitySelection])
def test_no_resample_is_kept_where_no_alpha_was_solved(data, kind):
    X, y = data
    model = kind(alphas=[1e-4], solver="fista", callbacks=[Stop(n_iter=1)])
    with warnings.catch_warnings(), pytest.raises(KeyboardInterrupt, match="nothing is kept"):
        model.fit(X, y)
    assert not hasattr(model, "alphas_")


def test_ends_that_are_no_one_s_own_are_all_known():
    own = {Status.CONVERGED, Status.STALLED, Status.MAX_ITER}
    assert set(CUT) | own == set(Status)
    assert not set(CUT) & own


def test_ratios_are_cut_alike(data):
    X, y = data
    settings = SETTINGS | {"alphas": [0.5, 1e-4]}
    stop = Stop(n_ended=8, of=16)
    model = interrupted(ElasticNetCV(l1_ratio=[0.5, 1.0], **settings, callbacks=[stop]), X, y)
    assert model.alpha_ == 0.5
