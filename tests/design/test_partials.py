"""Partials are added by name; those that nobody else knows in their own memory."""

from operator import add

import numpy as np
import pytest

from daskreg.design.partials import LARGE, Sums, absorbed
from daskreg.design.passes.dyadic import DyadicSum


def sums(seed):
    rng = np.random.default_rng(seed)
    return Sums({"grad": rng.normal(size=LARGE // 8), "value": rng.normal(size=3), "n": seed})


def test_a_sum_is_the_same_in_its_own_memory():
    plain = sums(1) + sums(2)
    first = sums(1)
    large, small = first["grad"], first["value"]
    found = absorbed(first, sums(2))
    assert found["grad"] is large
    assert found["value"] is not small
    assert found["n"] == 3
    for name in plain:
        np.testing.assert_array_equal(found[name], plain[name])


@pytest.mark.parametrize("own", [False, True])
def test_only_a_tree_that_owns_its_nodes_writes_to_them(own):
    parts = [sums(seed) for seed in range(5)]
    before = [part["grad"].copy() for part in parts]
    total = DyadicSum(5, plus=absorbed if own else add)
    for number, part in enumerate(parts):
        total.add((0, number), part)
    changed = [not np.array_equal(a, b["grad"]) for a, b in zip(before, parts, strict=True)]
    assert any(changed) == own
    tree = (before[0] + before[1]) + (before[2] + before[3]) + before[4]
    np.testing.assert_array_equal(total.root()["grad"], tree)


def test_what_cannot_be_written_to_is_added_elsewhere():
    first = sums(1)
    fixed = first["grad"]
    fixed.flags.writeable = False
    found = absorbed(first, sums(2))
    assert found["grad"] is not fixed
    np.testing.assert_array_equal(fixed, sums(1)["grad"])
    with pytest.raises(KeyError, match="names differ"):
        absorbed(first, Sums({"other": 1.0}))
    assert absorbed(np.float64(1.0), np.float64(2.0)) == 3.0


def test_a_segment_that_was_added_to_the_one_before_is_a_node_of_the_same_tree():
    parts = [np.full(3, 0.1 * number) for number in range(6)]
    plain, grown = DyadicSum(6), DyadicSum(6)
    for number, part in enumerate(parts):
        plain.add((0, number), part)
        waiting = grown.waiting(number)
        assert (waiting is not None) == (number % 2 == 1)
        if waiting is None:
            grown.add((0, number), part)
        else:
            waiting += part
            grown.grown(number)
    np.testing.assert_array_equal(grown.root(), plain.root())
    assert DyadicSum(6).waiting(3) is None  # another shard has it
