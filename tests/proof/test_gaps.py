"""A gap is a proof: no lower bound of any point lies above what some point reaches."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from .world import World

EACH = 25
#: What sums of some hundred numbers may lose, relative.
ROUNDING = 1e-12


KINDS = [
    kind
    for kind in itertools.product(
        ("squared", "logistic", "multinomial"), (True, False), (False, True), (False, True), (0, 2)
    )
    if kind[0] != "multinomial" or not kind[-1]  # no bound exists there
]


@pytest.mark.parametrize(("loss", "intercept", "standardize", "positive", "free"), KINDS)
def test_no_bound_is_above_the_best_known_objective(loss, intercept, standardize, positive, free):
    world = World(loss, intercept, standardize, positive, free)
    best = world.best()
    scale = np.maximum(world.fit.null_value, np.abs(best))
    coef, intercepts, columns = world.points(EACH)
    penalty = world.penalty.take(columns)
    if free and loss == "logistic":
        fit = world.fit.take(columns)
        bound = fit.closing_dual(penalty, coef, intercepts)
        at_best = world.fit.closing_dual(
            world.penalty, world.solution.coef, world.solution.intercept
        )
        bound = np.where(np.isnan(bound), -np.inf, bound)
    else:
        evaluation = world.fit.value_and_grad(coef, intercepts, columns)
        bound = evaluation.dual(penalty, coef)
        assert np.isfinite(bound).all()
        reached = evaluation.value + penalty.value(coef)
        assert (reached >= (best - ROUNDING * scale)[columns]).all()
        found = world.fit.value_and_grad(world.solution.coef, world.solution.intercept)
        at_best = found.dual(world.penalty, world.solution.coef)
    assert (bound <= (best + ROUNDING * scale)[columns]).all()
    # The bounds are no platitude: at the solutions they meet the objective.
    assert (best - at_best <= 1e-6 * scale).all()


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("intercept", [True, False])
def test_products_in_float32_keep_the_promise(loss, intercept):
    """What low precision may hide is taken off the bounds."""
    world = World(loss, intercept, alphas=(0.3, 0.03), dtype=np.float32)
    rough = world.datafit((17, 40), tol=1e-2)
    assert rough.dtype == np.float32
    best = world.best()
    coef, intercepts, columns = world.points(EACH, seed=5)
    evaluation = rough.value_and_grad(coef, intercepts, columns)
    bound = evaluation.dual(world.penalty.take(columns), coef)
    assert (bound <= (best + ROUNDING * np.abs(best))[columns]).all()
    at_best = rough.value_and_grad(world.solution.coef, world.solution.intercept)
    assert at_best.rounding.max() > 0.0
    gap = best - at_best.dual(world.penalty, world.solution.coef)
    assert (gap <= 1e-3 * np.maximum(world.fit.null_value, best)).all()
