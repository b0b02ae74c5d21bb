"""The choice from scores follows its definition, blind to the order and the sign of things."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daskreg.select import choose, select_by_criterion

ALPHAS = np.array([1.0, 0.3, 0.1, 0.03])
#: Few distinct values, so that ties occur.
VALUES = st.integers(0, 3).map(float)


def grids(n_folds, n_ratios):
    size = n_folds * n_ratios * len(ALPHAS)
    shape = (n_folds, n_ratios, len(ALPHAS))
    return st.lists(VALUES, min_size=size, max_size=size).map(lambda v: np.reshape(v, shape))


@given(grids(4, 2))
def test_best_is_the_largest_mean_and_then_the_largest_alpha(scores):
    choice = choose(scores, ALPHAS)
    mean = scores.mean(axis=0)
    assert choice.index == choice.best
    assert mean[choice.index] == mean.max()
    assert ALPHAS[choice.index[1]] == max(ALPHAS[j] for _, j in np.argwhere(mean == mean.max()))


@given(grids(4, 2))
def test_one_standard_error_is_the_largest_alpha_that_is_near_enough(scores):
    choice = choose(scores, ALPHAS, rule="one_standard_error")
    mean = scores.mean(axis=0)
    ratio, best = choice.best
    assert choice.best == choose(scores, ALPHAS).index
    error = np.std(scores[:, ratio, best], ddof=1) / np.sqrt(4)
    near = [j for j in range(4) if mean[ratio, j] >= mean[ratio, best] - error]
    assert choice.index == (ratio, min(near))
    np.testing.assert_allclose(choice.standard_error[choice.best], error)


@given(grids(3, 2), st.sampled_from(["best", "one_standard_error"]))
def test_losses_are_negative_scores_and_alphas_come_in_any_order(scores, rule):
    ratio, alpha = choose(scores, ALPHAS, rule=rule).index
    assert choose(-scores, ALPHAS, rule=rule, greater_is_better=False).index == (ratio, alpha)
    backwards = choose(scores[:, :, ::-1], ALPHAS[::-1], rule=rule).index
    assert backwards == (ratio, len(ALPHAS) - 1 - alpha)


def test_alphas_of_each_l1_ratio_and_in_units_of_C():
    scores = np.ones((2, 2, 3))
    alphas = np.array([[1.0, 0.5, 0.1], [8.0, 4.0, 2.0]])
    assert choose(scores, alphas).index == (1, 0)
    C = np.array([0.01, 1.0, 100.0])
    assert choose(scores[:, 0], 1.0 / C).index == (0,)
    assert choose(scores[:, 0, ::-1], 1.0 / C[::-1]).index == (2,)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_fold_without_a_finite_score_rules_a_combination_out(bad):
    scores = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, bad]])
    for greater in (True, False):
        values = scores if greater else -scores
        choice = choose(values, ALPHAS[:3], greater_is_better=greater)
        assert choice.index == (1,)
        assert np.isnan(choice.mean[2])
    near = np.array([[bad, 2.0, 3.0], [2.0, 1.0, 0.0]])
    assert choose(near, ALPHAS[:3], rule="one_standard_error").index == (1,)
    with pytest.raises(ValueError, match="no combination has finite scores"):
        choose(np.full((2, 3), bad), ALPHAS[:3])


def test_one_fold_has_no_standard_error():
    scores = np.array([[1.0, 2.0]])
    assert choose(scores, ALPHAS[:2]).index == (1,)
    with pytest.raises(ValueError, match="no standard error"):
        choose(scores, ALPHAS[:2], rule="one_standard_error")


def test_shapes_and_names_that_are_wrong_are_refused():
    with pytest.raises(ValueError, match=r"got shape \(3,\)"):
        choose(np.ones(3), ALPHAS[:3])
    with pytest.raises(ValueError, match="do not go with scores"):
        choose(np.ones((2, 3)), ALPHAS)
    with pytest.raises(ValueError, match="rule must be"):
        choose(np.ones((2, 4)), ALPHAS, rule="1se")
    with pytest.raises(ValueError, match="alphas must be numbers"):
        choose(np.ones((2, 1)), [np.nan])


def test_the_least_criterion_and_then_the_largest_alpha():
    assert select_by_criterion([3.0, 1.0, 1.0, np.nan], ALPHAS) == (1,)
    assert select_by_criterion([[3.0, 2.0], [1.0, 5.0]], ALPHAS[:2]) == (1, 0)
