"""What coupled classes have in common in a feature, and fits whose penalty is weak beside it."""

from __future__ import annotations

import numpy as np
import pytest

from daskreg import LogisticRegression
from daskreg.penalties import ElasticNet
from daskreg.solvers.common_shift import without_common


@pytest.mark.parametrize("q", [2, 3, 6, 7])
@pytest.mark.parametrize("ratio", [1.0, 0.6, 0.0])
def test_no_common_number_makes_the_penalty_smaller(q, ratio):
    rng = np.random.default_rng(0)
    coef = rng.standard_normal((5, q, 2))
    coef[0] = 0.0
    penalty = ElasticNet([0.3, 2.0], ratio, np.array([1.0, 0.5, 2.0, 0.0, 1.0]))
    found = without_common(penalty, coef)
    apart = found - coef
    np.testing.assert_allclose(apart, np.broadcast_to(apart[:, :1], apart.shape), atol=1e-15)
    np.testing.assert_array_equal(apart[3], 0.0)  # not penalised
    least = penalty.value(found)
    for feature in (0, 1, 2, 4):
        for size in (-1.0, -0.1, -1e-3, 1e-3, 0.1, 1.0):
            moved = found.copy()
            moved[feature] += size
            assert (penalty.value(moved) >= (1.0 - 1e-14) * least).all()


@pytest.mark.parametrize("q", [4, 5])
def test_of_an_l1_part_alone_half_of_the_classes_are_left_out_and_what_is_best_stays(q):
    rng = np.random.default_rng(1)
    coef = rng.standard_normal((9, q, 1))
    once = without_common(ElasticNet([0.1], 1.0), coef)
    assert (once == 0.0).any(axis=1).all()
    np.testing.assert_array_equal(without_common(ElasticNet([0.1], 1.0), once), once)


def test_signs_are_kept_where_they_must_be():
    coef = np.abs(np.random.default_rng(2).standard_normal((9, 4, 1)))
    found = without_common(ElasticNet([0.1], 0.5, None, True), coef)
    np.testing.assert_array_equal(found.min(axis=1), 0.0)


def test_one_output_has_nothing_in_common():
    coef = np.ones((3, 1, 2))
    assert without_common(ElasticNet([0.1, 0.2], 1.0), coef) is coef


@pytest.mark.parametrize(
    ("n", "p", "q", "noise", "C", "passes"),
    [
        (2000, 10, 10, 0.3, 1e4, 14),
        (2000, 10, 10, 1.0, 1e4, 10),
        (1000, 10, 4, 0.05, 1e6, 45),
        (5000, 10, 3, 0.02, 1e6, 25),
        (1000, 8, 2, 0.05, 1e6, 25),
    ],
)
def test_weak_penalties_of_nearly_separable_classes_take_newtons_steps(n, p, q, noise, C, passes):
    """The first three took 26, 26 and 86 passes."""
    rng = np.random.default_rng(0)
    X, B = rng.standard_normal((n, p)), rng.standard_normal((p, q))
    y = np.argmax(X @ B + noise * rng.gumbel(size=(n, q)), axis=1)
    model = LogisticRegression(C, l1_ratio=1.0, max_passes=passes).fit(X, y)
    assert model.status_ == "converged"
