"""The elastic net against its definitions: prox, subdifferential, conjugate, alpha_max."""

from __future__ import annotations

import numpy as np
import pytest

from daskreg.penalties import L1, L2, ElasticNet, alpha_max

P, K = 4, 5
ALPHA = np.array([0.7, 0.3, 1.1, 0.5, 0.0])
L1_RATIO = np.array([1.0, 0.5, 0.0, 0.9, 0.4])
WEIGHT = np.array([1.0, 0.0, 2.5, 0.6])


def penalty(positive=False, weight=WEIGHT):
    return ElasticNet(ALPHA, L1_RATIO, weight, positive)


def coefs(rng, positive=False):
    b = np.round(rng.standard_normal((P, 1, K)), 1) * (rng.random((P, 1, K)) < 0.7)
    return np.abs(b) if positive else b


def terms(pen, grid):
    """g of every coordinate on a grid of values, shape (len(grid), P, 1, K)."""
    b = grid[:, None, None, None]
    value = pen.l1 * np.abs(b) + 0.5 * pen.l2 * b**2 + np.zeros((P, 1, K))
    return np.where((b < 0) & pen.positive, np.inf, value)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("positive", [False, True])
def test_value_is_the_sum_of_its_terms(rng, positive):
    b, pen = coefs(rng, positive), penalty(positive)
    expected = np.zeros(K)
    for k in range(K):
        for j in range(P):
            x = b[j, 0, k]
            share = L1_RATIO[k] * abs(x) + (1 - L1_RATIO[k]) / 2 * x**2
            expected[k] += ALPHA[k] * WEIGHT[j] * share
    np.testing.assert_allclose(pen.value(b), expected, rtol=1e-14)


def test_negative_coefficients_cost_infinity_where_positive_is_asked():
    assert np.isinf(penalty(positive=True).value(np.full((P, 1, K), -1e-300))).all()


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("step", [0.3, "array"])
def test_prox_minimises_its_definition(rng, positive, step):
    pen, z = penalty(positive), rng.standard_normal((P, 1, K))
    step = rng.uniform(0.1, 2.0, (P, 1, K)) if step == "array" else step
    b = pen.prox(z, step)
    grid = np.linspace(-4, 4, 8001)
    moreau = terms(pen, grid) + (grid[:, None, None, None] - z) ** 2 / (2 * step)
    own = pen.l1 * np.abs(b) + 0.5 * pen.l2 * b**2 + (b - z) ** 2 / (2 * step)
    assert (own <= moreau.min(axis=0) + 1e-12).all()
    assert not np.signbit(b[b == 0]).any()


@pytest.mark.parametrize("positive", [False, True])
def test_prox_is_firmly_nonexpansive(rng, positive):
    pen = penalty(positive)
    x, z = rng.standard_normal((2, P, 1, K))
    d = pen.prox(x, 0.4) - pen.prox(z, 0.4)
    assert ((d * d).sum() <= (d * (x - z)).sum() + 1e-14).all()


@pytest.mark.parametrize("positive", [False, True])
def test_violation_vanishes_exactly_at_the_minimum_of_each_coordinate(rng, positive):
    """b minimises g(b) + (b - z)^2 / 2, whose smooth gradient is b - z: only the prox has 0."""
    pen, z = penalty(positive), rng.standard_normal((P, 1, K))
    best = pen.prox(z, 1.0)
    assert pen.violation(best, best - z).max() < 1e-15
    off = best + rng.choice([-1, 1], best.shape) * 0.05
    off = np.where(positive & (off < 0), best + 0.05, off)
    assert (pen.violation(off, off - z) > 0.01).all()


@pytest.mark.parametrize("positive", [False, True])
def test_violation_is_the_distance_to_the_subdifferential(rng, positive):
    """The subdifferential at b, found as slopes that support g from below on a fine grid."""
    pen, b = penalty(positive), coefs(rng, positive)
    grad = rng.standard_normal((P, 1, K))
    grid = np.concatenate([np.linspace(-5, 5, 201), [1e-7, -1e-7]])
    slopes = np.linspace(-7, 7, 14001)
    own = pen.l1 * np.abs(b) + 0.5 * pen.l2 * b**2
    values = terms(pen, grid)
    for j in range(P):
        for k in range(K):
            lower = own[j, 0, k] + slopes[:, None] * (grid - b[j, 0, k])[None, :]
            supports = slopes[(lower <= values[:, j, 0, k] + 1e-3).all(axis=1)]
            distance = np.abs(supports + grad[j, 0, k]).min()
            assert abs(pen.violation(b, grad)[j, 0, k] - distance) < 0.09


def test_coefficients_outside_the_domain_violate_infinitely():
    b = np.full((P, 1, K), -1.0)
    assert np.isinf(penalty(positive=True).violation(b, np.zeros_like(b))).all()


@pytest.mark.parametrize("positive", [False, True])
def test_conjugate_is_the_supremum(rng, positive):
    pen = penalty(positive)
    v = rng.standard_normal((P, 1, K))
    v = np.where(pen.l2 > 0, v, np.clip(v, -pen.l1, pen.l1))
    grid = np.linspace(-60, 60, 60001)
    # Only coordinates whose best response lies on the grid: l2 above 0.05 or none.
    shown = (pen.l2 > 0.05) | (pen.l2 == 0)
    brute = np.where(shown, (grid[:, None, None, None] * v - terms(pen, grid)).max(axis=0), 0.0)
    v = np.where(shown, v, 0.0)
    np.testing.assert_allclose(pen.conjugate(v), brute.sum(axis=(0, 1)), atol=1e-3)


@pytest.mark.parametrize("positive", [False, True])
def test_fenchel_young(rng, positive):
    pen = penalty(positive)
    for _ in range(50):
        b, v = coefs(rng, positive), rng.standard_normal((P, 1, K))
        assert (pen.value(b) + pen.conjugate(v) >= (b * v).sum(axis=(0, 1)) - 1e-12).all()
    # Equality for a subgradient.
    z = rng.standard_normal((P, 1, K))
    b = pen.prox(z, 1.0)
    v = np.where((pen.l1 == 0) & (pen.l2 == 0) & ~np.bool_(positive), 0.0, z - b)
    np.testing.assert_allclose(
        pen.value(b) + pen.conjugate(v), (b * v).sum(axis=(0, 1)), atol=1e-14
    )


@pytest.mark.parametrize("positive", [False, True])
def test_dual_scale_is_feasible_and_largest(rng, positive):
    pen = penalty(positive, weight=np.array([1.0, 0.2, 2.5, 0.6]))
    for size in (1e-200, 1e-3, 1.0, 1e7):
        for _ in range(50):
            v = size * rng.standard_normal((P, 1, K))
            scale = pen.dual_scale(v)
            bounded = np.isfinite(scale)
            at = np.where(bounded, scale, 3.0 / size)
            assert np.isfinite(pen.conjugate(at * v)).all()
            beyond = pen.conjugate(np.where(bounded, scale * (1 + 1e-9), 1.0) * v)
            assert np.isinf(beyond[bounded & (scale > 0)]).all()
    assert np.isinf(scale[[1, 2, 3]]).all()  # where there is L2, every scale is feasible


def test_one_side_only_binds_where_positive_is_asked():
    pen = L1(1.0, positive=True)
    v = np.array([-100.0, 0.5])[:, None, None]
    assert pen.dual_scale(v) == 2.0
    assert pen.conjugate(2 * v) == 0.0
    assert L1(1.0).dual_scale(v) == 0.01


def test_free_columns_admit_no_dual_value():
    pen = L1(1.0, penalty_weight=[0.0, 1.0])
    v = np.array([1e-9, 0.5])[:, None, None]
    assert pen.dual_scale(v) == 0.0
    assert np.isinf(pen.conjugate(v))
    v[0] = 0.0
    assert pen.dual_scale(v) == 2.0
    assert pen.has_free
    np.testing.assert_array_equal(pen.is_free(2), [True, False])
    assert not L1(1.0).is_free(3).any()


@pytest.mark.parametrize("positive", [False, True])
def test_best_dual_is_the_maximum_over_feasible_scales(rng, positive):
    pen = penalty(positive, weight=None)
    for _ in range(20):
        v = rng.standard_normal((P, 1, K))
        linear, quadratic = rng.standard_normal(K) + 1.0, rng.uniform(0.1, 2.0, K)
        best = pen.best_dual(linear, quadratic, v)
        for s in np.linspace(0, 8, 4001):
            value = s * linear - s**2 / 2 * quadratic - pen.conjugate(s * v)
            assert (value <= best + 1e-9).all()
        assert (best >= 0).all()


@pytest.mark.parametrize("positive", [False, True])
def test_alpha_max_is_where_zero_becomes_optimal(rng, positive):
    grad = rng.standard_normal((P, 1, K))
    ratio = np.array([1.0, 0.5, 0.1, 0.9, 0.4])
    largest = alpha_max(grad, ratio, WEIGHT, positive)
    zero, penalised = np.zeros_like(grad), WEIGHT > 0
    for factor, optimal in ((1 + 1e-12, True), (1 - 1e-9, False)):
        pen = ElasticNet(factor * largest, ratio, WEIGHT, positive)
        worst = pen.violation(zero, grad)[penalised].max(axis=(0, 1))
        assert ((worst == 0) == optimal).all()
    np.testing.assert_array_equal(largest, penalty(positive).alpha_max(grad, ratio))


def test_ridge_has_no_finite_alpha_max():
    assert np.isinf(alpha_max(np.ones((2, 1, 1)), 0.0))
    assert alpha_max(np.zeros((2, 1, 1)), 0.0) == 0.0
    assert alpha_max(np.ones((2, 1, 1)), 1.0, penalty_weight=[0, 0]) == 0.0


def test_take_commutes_with_everything(rng):
    pen, b, v = penalty(), coefs(rng), rng.standard_normal((P, 1, K))
    columns = np.array([3, 0, 0])
    part = pen.take(columns)
    np.testing.assert_array_equal(part.value(b[..., columns]), pen.value(b)[columns])
    np.testing.assert_array_equal(part.prox(b[..., columns], 0.5), pen.prox(b, 0.5)[..., columns])
    np.testing.assert_array_equal(part.dual_scale(v[..., columns]), pen.dual_scale(v)[columns])
    assert part.n_problems == 3


def test_parts():
    np.testing.assert_array_equal(penalty().has_l1, [True, True, False, True, False])
    np.testing.assert_array_equal(penalty().has_l2, [False, True, True, True, False])
    assert L2([1.0, 2.0]).l1_ratio.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": [1.0, -0.5]}, "alpha must be finite and >= 0, got -0.5"),
        ({"alpha": np.nan}, "alpha must be finite"),
        ({"alpha": np.inf}, "alpha must be finite"),
        ({"l1_ratio": 1.5}, "l1_ratio must be between 0 and 1, got 1.5"),
        ({"penalty_weight": [1.0, -2.0]}, "penalty_weight must be finite and >= 0, got -2"),
        ({"penalty_weight": [1.0, np.inf]}, "penalty_weight must be finite and >= 0, got inf"),
        ({"alpha": [1.0, 2.0], "l1_ratio": [0.1, 0.2, 0.3]}, "got 2 and 3 values"),
        ({"penalty_weight": np.ones((2, 2))}, r"got shape \(2, 2\)"),
    ],
)
def test_messages_say_what_came(arguments, message):
    with pytest.raises(ValueError, match=message):
        ElasticNet(**{"alpha": 1.0, "l1_ratio": 1.0, **arguments})


def test_the_wrong_number_of_weights_is_named():
    with pytest.raises(ValueError, match="each of the 3 features, got 2 values"):
        L1(1.0, penalty_weight=[1.0, 1.0]).check(3)
