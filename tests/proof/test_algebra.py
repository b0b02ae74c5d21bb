"""Laws of the small pieces, on whatever hypothesis thinks of."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from daskreg.design.partials import Sums
from daskreg.paths import descending, fractions
from daskreg.penalties import ElasticNet, alpha_max
from daskreg.problems import Problems
from daskreg.select import choose
from daskreg.splits import (
    ArrayCensus,
    GroupedFolds,
    HalfSamples,
    PoissonBootstrap,
    RowKeys,
    stratified_folds,
)
from tests.splits.common import pieces

AXES = ("alpha", "l1_ratio", "fold", "output", "bootstrap")
numbers = st.floats(-50.0, 50.0, allow_subnormal=False)
strengths = st.one_of(st.just(0.0), st.floats(1e-3, 20.0))
ratios = st.sampled_from([0.0, 0.3, 1.0])
signs = st.booleans()


# -- problems ----------------------------------------------------------------------------------


def axes(problems):
    return np.stack([getattr(problems, name) for name in AXES])


@st.composite
def grids(draw):
    def some(values, most=3):
        return draw(st.lists(values, min_size=1, max_size=most))

    return {
        "alpha": some(st.floats(0.0, 10.0)),
        "l1_ratio": some(st.floats(0.0, 1.0)),
        "fold": some(st.integers(-1, 5)),
        "output": some(st.integers(0, 4)),
        "bootstrap": some(st.integers(-1, 3), 2),
    }


@given(grids())
def test_a_product_is_the_product_of_its_axes(given_axes):
    problems = Problems.product(**given_axes)
    expected = itertools.product(*(given_axes[name] for name in AXES))
    np.testing.assert_array_equal(axes(problems).T, list(expected))


@given(grids(), st.data())
def test_to_take_twice_is_to_take_once(given_axes, data):
    problems = Problems.product(**given_axes, alpha_unit="sum")
    index = st.integers(0, problems.n_problems - 1)
    first = np.array(data.draw(st.lists(index, min_size=1, max_size=6)))
    second = np.array(data.draw(st.lists(st.integers(0, len(first) - 1), min_size=1, max_size=6)))
    twice = problems.take(first).take(second)
    np.testing.assert_array_equal(axes(twice), axes(problems.take(first[second])))
    assert twice.alpha_unit == "sum"
    total = np.arange(1.0, problems.n_problems + 1)
    np.testing.assert_array_equal(
        problems.take(first).resolve(total[first]), problems.resolve(total)[first]
    )
    cut = len(first) // 2
    parts = [problems.take(part) for part in (first[:cut], first[cut:]) if len(part)]
    np.testing.assert_array_equal(axes(Problems.joined(*parts)), axes(problems.take(first)))


# -- penalties ---------------------------------------------------------------------------------


def one(value):
    return np.full((1, 1, 1), value)


@given(numbers, numbers, st.floats(1e-3, 10.0), strengths, ratios, strengths, signs)
def test_no_point_beats_the_prox(start, other, step, alpha, ratio, u, positive):
    penalty = ElasticNet([alpha], [ratio], [u], positive)

    def cost(point):
        return penalty.value(one(point))[0] + (point - start) ** 2 / (2.0 * step)

    found = float(penalty.prox(one(start), step)[0, 0, 0])
    other = abs(other) if positive else other
    for share in (1.0, 1e-3):  # far away, and in the neighbourhood
        rival = found + share * (other - found)
        assert cost(found) <= cost(rival) + 1e-12 * (1.0 + abs(cost(rival)))


@given(numbers, numbers, strengths, ratios, strengths, signs)
def test_a_violation_is_the_distance_to_the_subgradients(point, grad, alpha, ratio, u, positive):
    penalty = ElasticNet([alpha], [ratio], [u], positive)
    point = abs(point) if positive else point
    smooth, kink = grad + alpha * (1 - ratio) * u * point, alpha * ratio * u
    if point == 0.0:
        low, high = (-np.inf if positive else -kink), kink
    else:
        low = high = kink * np.sign(point)
    distance = max(low - -smooth, -smooth - high, 0.0)
    found = penalty.violation(one(point), one(grad))[0, 0, 0]
    assert found == pytest.approx(distance, rel=1e-12, abs=1e-12)


@given(numbers, numbers, st.floats(1e-2, 10.0), strengths, ratios, strengths, signs)
def test_nothing_is_violated_exactly_where_a_prox_step_stands_still(
    point, grad, step, alpha, ratio, u, positive
):
    penalty = ElasticNet([alpha], [ratio], [u], positive)
    point = abs(point) if positive else point
    moved = penalty.prox(one(point - step * grad), step)[0, 0, 0] - point
    violated = penalty.violation(one(point), one(grad))[0, 0, 0]
    # A step is at most as long as the violation asks for, and at least a share of it.
    assert abs(moved) <= step * violated * (1 + 1e-9) + 1e-12
    least = step * violated / (1 + step * alpha * (1 - ratio) * u)
    assert abs(moved) >= min(least, abs(point)) * (1 - 1e-9) - 1e-12


@given(numbers, numbers, strengths, ratios, strengths, signs)
def test_fenchel_and_young(point, slope, alpha, ratio, u, positive):
    penalty = ElasticNet([alpha], [ratio], [u], positive)
    point = abs(point) if positive else point
    together = penalty.value(one(point)) + penalty.conjugate(one(slope))
    assert together[0] >= point * slope - 1e-9 * (1.0 + abs(point * slope))


@given(st.lists(numbers, min_size=1, max_size=5), st.sampled_from([0.3, 1.0]), signs)
def test_alpha_max_divides_null_models_from_others(grads, ratio, positive):
    grad = np.array(grads)[:, None, None]
    largest = float(alpha_max(grad, ratio, positive=positive)[0])
    assume(largest > 1e-6)
    coef = np.zeros_like(grad)
    for alpha, still in ((largest * (1 + 1e-9), True), (largest * (1 - 1e-6), False)):
        violation = ElasticNet([alpha], [ratio], positive=positive).violation(coef, grad)
        assert bool(violation.max() == 0.0) is still


# -- grids and choices -------------------------------------------------------------------------


@given(st.integers(2, 60), st.floats(1e-6, 0.999))
def test_grids_have_equal_ratios(n, eps):
    grid = fractions(n, eps)
    assert grid[0] == 1.0
    assert grid[-1] == pytest.approx(eps)
    np.testing.assert_allclose(grid[1:] / grid[:-1], eps ** (1 / (n - 1)))


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=20), st.randoms())
def test_the_order_of_given_alphas_does_not_matter(alphas, random):
    mixed = list(alphas)
    random.shuffle(mixed)
    grid = descending(mixed)
    np.testing.assert_array_equal(grid, descending(alphas))
    np.testing.assert_array_equal(descending(grid), grid)
    assert (np.diff(grid) <= 0).all()


@given(
    st.integers(2, 6).flatmap(
        lambda n: st.lists(
            st.lists(st.floats(-1e3, 1e3), min_size=n, max_size=n), min_size=2, max_size=5
        )
    ),
    st.floats(-100.0, 100.0),
    st.floats(0.1, 10.0),
)
def test_one_standard_error_never_chooses_a_smaller_alpha(scores, shift, factor):
    scores = np.round(np.array(scores), 3)
    alphas = np.geomspace(1.0, 1e-2, scores.shape[1])
    best = choose(scores, alphas, greater_is_better=False)
    sparser = choose(scores, alphas, rule="one_standard_error", greater_is_better=False)
    assert alphas[sparser.index] >= alphas[best.index]
    allowed = best.mean[best.index] + best.standard_error[best.index]
    assert best.mean[sparser.index] <= allowed + 1e-9
    # Nothing with a larger alpha is within one standard error.
    larger = alphas > alphas[sparser.index]
    assert (best.mean[larger] > allowed - 1e-9).all()


# -- rows --------------------------------------------------------------------------------------

borders = st.lists(st.integers(0, 1000), max_size=6)


@pytest.mark.filterwarnings("ignore:The least populated class")
@given(st.data(), st.integers(2, 6), st.integers(0, 2**64 - 1), borders, signs)
def test_strata_are_parted_evenly_however_rows_are_cut(data, n_splits, seed, cuts, shuffle):
    labels = st.lists(st.integers(0, 3), min_size=n_splits, max_size=60)
    y = np.array(data.draw(labels)) * 5 - 3
    assume(np.unique(y, return_counts=True)[1].max() >= n_splits)
    folds = stratified_folds(ArrayCensus(y), n_splits, shuffle=shuffle, seed=seed)
    codes = np.concatenate([folds.codes(keys) for keys in pieces(len(y), cuts, y)])
    np.testing.assert_array_equal(codes, folds.codes(RowKeys(0, len(y), y)))
    assert ((codes >= 0) & (codes < n_splits)).all()
    for label in np.unique(y):
        counts = np.bincount(codes[y == label], minlength=n_splits)
        assert counts.max() - counts.min() <= 1
    sizes = np.bincount(codes, minlength=n_splits)
    assert sizes.max() - sizes.min() <= 1


@given(
    st.lists(st.sampled_from(["a", "b", "käse", "", "42"]), min_size=1, max_size=40),
    st.integers(2, 6), st.integers(0, 2**64 - 1), borders,
)  # fmt: skip
def test_no_group_is_in_two_folds_however_rows_are_cut(groups, n_splits, seed, cuts):
    groups = np.array(groups)
    folds = GroupedFolds(n_splits, seed)
    codes = np.concatenate([folds.codes(keys) for keys in pieces(len(groups), cuts, groups=groups)])
    np.testing.assert_array_equal(codes, folds.codes(RowKeys(0, len(groups), groups=groups)))
    for group in np.unique(groups):
        assert len(np.unique(codes[groups == group])) == 1


@given(st.integers(1, 80), st.integers(1, 4), st.integers(0, 2**64 - 1), borders)
def test_resamples_are_the_same_however_rows_are_cut(n, size, seed, cuts):
    for rule in (PoissonBootstrap(size, seed), HalfSamples(size, seed)):
        whole = rule.factors(RowKeys(0, n))
        parts = [rule.factors(keys) for keys in pieces(n, cuts)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
        some = np.arange(rule.n)[::-2]
        np.testing.assert_array_equal(rule.factors(RowKeys(0, n), some), whole[:, some])
        np.testing.assert_array_equal(whole, np.floor(np.abs(whole)))
    np.testing.assert_array_equal(whole[:, 0::2] + whole[:, 1::2], 1.0)


# -- sums --------------------------------------------------------------------------------------

whole_numbers = st.lists(st.integers(-(2**40), 2**40), min_size=3, max_size=3)


@given(st.lists(whole_numbers, min_size=3, max_size=3))
def test_sums_form_a_commutative_monoid_that_changes_no_operand(values):
    a, b, c = (Sums(value=float(v[0]), grad=np.array(v, dtype=float)) for v in values)
    before = a["grad"].copy()
    for left, right in (((a + b) + c, a + (b + c)), (a + b, b + a)):
        assert left["value"] == right["value"]
        np.testing.assert_array_equal(left["grad"], right["grad"])
    np.testing.assert_array_equal(a["grad"], before)
    with pytest.raises(KeyError):
        a + Sums(value=1.0)
