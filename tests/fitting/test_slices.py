"""A batch that does not fit the memory is solved in slices, with the same answer."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from daskreg.datafit.kernels.scores import N_BINS
from daskreg.exceptions import MemoryPlanError
from daskreg.fitting.slices import cut, largest_slice, path_numbers, solve_slices
from daskreg.linear_model import LassoCV, LogisticRegression, LogisticRegressionCV
from daskreg.problems import Problems

MIB = 2**20


def problems():
    return Problems.product(
        alpha=[0.1, 3.0, 1.0, 0.5, 2.0], l1_ratio=[0.5, 1.0], fold=[-1, 0, 1], output=[0, 1]
    )


@pytest.mark.parametrize("size", [1, 7, 12, 25, 60])
def test_slices_hold_each_problem_once_and_larger_alphas_before(size):
    batch = problems()
    parts = cut(batch, size)
    assert_array_equal(np.sort(np.concatenate(parts)), np.arange(60))
    assert max(len(part) for part in parts) <= size
    assert len(parts) == -(-60 // size)
    path = path_numbers(batch)
    assert len(np.unique(path)) == 12
    number = np.empty(60, dtype=int)
    for place, part in enumerate(parts):
        number[part] = place
    for one in range(12):
        own = np.flatnonzero(path == one)
        assert (np.diff(number[own][np.argsort(-batch.alpha[own])]) >= 0).all()


class Solved:
    """What a solver leaves of some problems: their own numbers as coefficients."""

    def __init__(self, own):
        self.coef = own[None, None, :].astype(float)
        self.intercept = own[None, :].astype(float)
        self.status = np.array(["converged"] * len(own), dtype=object)


def test_each_problem_starts_from_the_nearest_larger_alpha_of_its_path(monkeypatch):
    batch, starts = problems(), {}
    monkeypatch.setattr("daskreg.fitting.slices.Solution.joined", lambda parts, columns: None)

    def run(own, start):
        for place, problem in enumerate(own):
            starts[problem] = None if start is None else start[0][0, 0, place]
        return Solved(own)

    solve_slices(run, batch, cut(batch, 12), None)
    path = path_numbers(batch)
    for problem in range(60):
        larger = np.flatnonzero((path == path[problem]) & (batch.alpha > batch.alpha[problem]))
        nearest = larger[batch.alpha[larger].argmin()] if larger.size else None
        assert starts[problem] == nearest


def test_halves_until_it_fits():
    asked = []

    def plan(size):
        asked.append(size)
        if size > 13:
            raise MemoryPlanError(f"{size} problems")
        return "room"

    assert largest_slice(plan, 100) == (13, "room")
    assert asked == [100, 50, 25, 13]


def test_what_one_problem_needs_is_the_reason_and_the_rest_a_note():
    def never(size):
        error = MemoryPlanError(f"{size} problems")
        error.limit = 7 * MIB + size * MIB
        raise error

    with pytest.raises(MemoryPlanError, match=r"^1 problems; .* all 100 together .* 107") as caught:
        largest_slice(never, 100)
    assert caught.value.limit == 8 * MIB
    with pytest.raises(MemoryPlanError, match=r"^1 problems$"):
        largest_slice(never, 1)


def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 20))
    return X, X[:, :5] @ rng.normal(size=5) + rng.normal(size=200)


def limit_for(plan, kernel_bytes):
    """A memory limit that leaves so much to kernels and solver."""
    fixed = plan.memory["process as it stands"] + plan.memory["libraries and threads to come"]
    return int((fixed + kernel_bytes) * plan.memory_limit / plan.usable)


@pytest.fixture
def large_predictors(monkeypatch):
    """Kernels that take as much for each column, however many there are, as large data do."""
    monkeypatch.setattr("daskreg.datafit.kernels.tiles.PREDICTORS", 2**30)


def test_same_answer_with_more_passes_inside_the_limit(large_predictors):
    X, y = data()
    settings = {"alphas": 100, "solver": "fista", "tol": 1e-9, "max_iter": 5000}
    whole = LassoCV(**settings).fit(X, y)
    limit = limit_for(whole.plan_, 200 * MIB)
    sliced = LassoCV(**settings, memory_limit=limit).fit(X, y)
    assert whole.plan_.peak > limit >= sliced.plan_.peak
    assert "problems do not fit together" in str(sliced.plan_)
    assert "largest alphas first" not in str(whole.plan_)
    assert sliced.n_passes_ > whole.n_passes_
    assert sliced.alpha_ == pytest.approx(whole.alpha_, rel=1e-12)
    assert_allclose(sliced.mse_path_, whole.mse_path_, rtol=1e-4)
    assert_allclose(sliced.coef_, whole.coef_, atol=1e-5)
    assert set(sliced.solution_.status.values.tolist()) == {"converged"}


def test_a_lone_problem_is_no_reason_to_cut():
    X, y = data()
    model = LogisticRegression(solver="fista").fit(X, y > 0)
    with pytest.raises(MemoryPlanError):
        LogisticRegression(solver="fista", memory_limit=limit_for(model.plan_, 0)).fit(X, y > 0)


def test_the_limit_that_an_error_asks_for_is_enough_for_one_problem_at_a_time(large_predictors):
    X, y = data()
    settings = {"alphas": 200, "solver": "fista", "max_iter": 3000}
    whole = LassoCV(**settings).fit(X, y)
    with pytest.raises(MemoryPlanError, match="all 1200 together") as caught:
        LassoCV(**settings, memory_limit=limit_for(whole.plan_, 0)).fit(X, y)
    model = LassoCV(**settings, memory_limit=caught.value.limit + 4 * MIB).fit(X, y)
    assert caught.value.limit < whole.plan_.peak
    assert_allclose(model.alpha_, whole.alpha_)


def test_histograms_of_held_out_scores_are_in_the_plan():
    X, y = data()
    settings = {"Cs": np.geomspace(0.01, 1.0, 30), "cv": 5, "tol": 1e-8}
    whole = LogisticRegressionCV(**settings, scoring="roc_auc").fit(X, y > 0)
    plain = LogisticRegressionCV(**settings).fit(X, y > 0)
    histograms = 150 * 2 * 8 * N_BINS
    sums = whole.plan_.memory["partial sums"]
    assert sums >= 2 * histograms > 10 * plain.plan_.memory["partial sums"]
    # With less room they are scored in parts, with the same result and a pass for each part.
    terms = ("kernel temporaries", "partial sums", "solver")
    left = sum(whole.plan_.memory[term] for term in terms) - sums // 2
    limit = limit_for(whole.plan_, left)
    cut = LogisticRegressionCV(**settings, scoring="roc_auc", memory_limit=limit).fit(X, y > 0)
    assert cut.plan_.peak <= limit
    assert cut.n_passes_ > whole.n_passes_
    assert "do not fit together" not in str(cut.plan_)
    assert_allclose(cut.scores_, whole.scores_, rtol=1e-9)
