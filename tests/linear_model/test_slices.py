"""A batch that does not fit the memory is solved in slices, with the same answer."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from daskreg.exceptions import MemoryPlanError
from daskreg.linear_model import LassoCV, LogisticRegression
from daskreg.linear_model._slices import cut, largest_slice, path_numbers, solve_slices
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
    monkeypatch.setattr("daskreg.linear_model._slices.Solution.joined", lambda parts, columns: None)

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


def test_halves_until_it_fits_and_tells_the_first_reason():
    asked = []

    def plan(size):
        asked.append(size)
        if size > 13:
            raise MemoryPlanError(f"{size} problems")

    assert largest_slice(plan, 100) == 13
    assert asked == [100, 50, 25, 13]

    def never(size):
        raise MemoryPlanError(f"{size} problems")

    with pytest.raises(MemoryPlanError, match="100 problems"):
        largest_slice(never, 100)


def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 20))
    return X, X[:, :5] @ rng.normal(size=5) + rng.normal(size=200)


def limit_for(plan, kernel_bytes):
    """A memory limit that leaves so much to kernels and solver."""
    fixed = plan.memory["process as it stands"] + plan.memory["libraries and threads to come"]
    return int((fixed + kernel_bytes) * plan.memory_limit / plan.usable)


def test_same_answer_with_more_passes_inside_the_limit():
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
