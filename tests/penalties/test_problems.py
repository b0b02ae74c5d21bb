"""The batch axis: products, subsets and units of alpha."""

from __future__ import annotations

import numpy as np
import pytest

from daskreg.problems import Problems


def test_product_holds_every_combination_once():
    problems = Problems.product(alpha=[3.0, 2.0], l1_ratio=[0.1, 0.5, 1.0], output=[0, 1])
    assert problems.n_problems == 12
    seen = set(zip(problems.alpha, problems.l1_ratio, problems.output, strict=True))
    assert len(seen) == 12


def test_take_by_position_and_by_mask():
    problems = Problems.product(alpha=[3.0, 2.0, 1.0], alpha_unit="sum")
    assert problems.take([2, 0]).alpha.tolist() == [1.0, 3.0]
    assert problems.take(problems.alpha > 1.5).n_problems == 2
    assert problems.take([1]).alpha_unit == "sum"


def test_units_of_alpha():
    values = [2.0, 1.0]
    np.testing.assert_array_equal(Problems.product(values).resolve(10.0), values)
    np.testing.assert_array_equal(
        Problems.product(values, alpha_unit="sum").resolve(10.0), [0.2, 0.1]
    )
    fraction = Problems.product(values, alpha_unit="fraction")
    np.testing.assert_array_equal(fraction.resolve(10.0, np.array([3.0, 4.0])), [6.0, 4.0])
    with pytest.raises(ValueError, match="needs alpha_max"):
        fraction.resolve(10.0)
    with pytest.raises(ValueError, match="l1_ratio=1 has no finite alpha_max"):
        fraction.resolve(10.0, np.inf)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([-1.0], [1.0], [0]), "alpha must be finite and >= 0, got -1"),
        (([1.0], [2.0], [0]), "l1_ratio must be between 0 and 1, got 2"),
        (([1.0], [1.0], [-1]), "output must be finite and >= 0, got -1"),
        (([1.0, 2.0], [1.0], [0]), "one value per problem"),
        (([1.0], [1.0], [0], [-2]), "fold must be finite and >= -1, got -2"),
        (([1.0], [1.0], [0], None, [0, 1]), "one value per problem"),
        (([1.0], [1.0], [0], None, None, "median"), "alpha_unit must be one of"),
    ],
)
def test_messages_say_what_came(arguments, message):
    with pytest.raises(ValueError, match=message):
        Problems(*arguments)


def test_folds_and_resamples_are_axes_like_the_others():
    problems = Problems.product(alpha=[2.0, 1.0], fold=[-1, 0, 1], bootstrap=[4])
    assert problems.fold.tolist() == [-1, 0, 1] * 2
    assert problems.bootstrap.tolist() == [4] * 6
    assert problems.take([5, 1]).fold.tolist() == [1, 0]
    assert Problems.product(alpha=1.0).fold.tolist() == [-1]
    refit = Problems.product(alpha=0.5)
    both = Problems.joined(problems, refit)
    assert both.alpha.tolist() == [2.0] * 3 + [1.0] * 3 + [0.5]
    assert both.bootstrap[-1] == -1
    with pytest.raises(ValueError, match="different alpha_unit"):
        Problems.joined(problems, Problems.product(alpha_unit="sum"))
