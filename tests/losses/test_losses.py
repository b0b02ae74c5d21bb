import pickle

import numpy as np
import pytest

from daskreg.losses import Logistic, Squared, binary_entropy

LOSSES = [Squared(), Logistic()]
SCALES = (0.5, 0.9, 0.99, 0.999, 1.0)


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return rng.integers(0, 2, (200, 1)).astype(float), 3.0 * rng.normal(size=(200, 4))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_gradient_and_curvature_are_derivatives(loss, rows):
    y, eta = rows
    h = 1e-5
    slope = (loss.value(y, eta + h) - loss.value(y, eta - h)) / (2 * h)
    np.testing.assert_allclose(loss.gradient(y, eta), slope, atol=1e-9)
    bend = (loss.gradient(y, eta + h) - loss.gradient(y, eta - h)) / (2 * h)
    np.testing.assert_allclose(loss.curvature(y, eta), bend, atol=1e-9)
    assert (loss.curvature(y, eta) <= loss.max_curvature).all()
    both = loss.value_and_gradient(y, eta)
    np.testing.assert_array_equal(both[0], loss.value(y, eta))
    np.testing.assert_array_equal(both[1], loss.gradient(y, eta))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_gradient_is_mean_less_target(loss, rows):
    y, eta = rows
    np.testing.assert_allclose(loss.gradient(y, eta), loss.inverse_link(eta) - y, atol=1e-15)
    np.testing.assert_allclose(loss.link(loss.inverse_link(eta)), eta, rtol=1e-9)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_null_eta_minimises_the_mean_loss(loss):
    y = np.array([0.0, 1.0, 1.0, 1.0])
    best = loss.value(y, loss.null_eta(y.mean())).mean()
    for eta in np.linspace(-2, 3, 101):
        assert loss.value(y, eta).mean() >= best - 1e-15


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_conjugate_meets_fenchel_young_with_equality(loss, rows):
    y, eta = rows
    t = loss.gradient(y, eta)
    np.testing.assert_allclose(
        loss.value(y, eta) + loss.conjugate(y, t), t * eta, rtol=1e-9, atol=1e-12
    )
    other = loss.gradient(y, eta[:, ::-1])
    assert (loss.value(y, eta) + loss.conjugate(y, other) >= other * eta - 1e-12).all()


def test_logistic_conjugate_is_infinite_outside_its_domain():
    assert Logistic().conjugate(np.array(1.0), np.array(0.1)) == np.inf
    assert Logistic().conjugate(np.array(1.0), np.array(-1.1)) == np.inf
    assert Logistic().conjugate(np.array(1.0), np.array(0.0)) == 0.0


@pytest.mark.parametrize("eta", [-1000.0, -40.0, 0.0, 40.0, 1000.0])
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_logistic_survives_large_margins(y, eta):
    loss = Logistic()
    y, eta = np.array([[y]]), np.array([[eta]])
    wrong = ((1 - 2 * y) * eta).item()
    value = loss.value(y, eta).item()
    if wrong <= -40:
        assert value == pytest.approx(np.exp(wrong), rel=1e-12)
    if wrong >= 40:
        assert value == pytest.approx(wrong, rel=1e-12)
    assert abs(loss.gradient(y, eta)).item() <= 1.0
    assert loss.curvature(y, eta).item() >= 0.0
    for entropy in loss.path_entropies(y, eta, SCALES):
        assert 0.0 <= entropy.item() <= np.log(2) + 1e-15


def test_path_entropies_are_those_of_the_points_between(rows):
    y, eta = rows
    loss = Logistic()
    mu = loss.inverse_link(eta)
    for scale, entropy in zip(SCALES, loss.path_entropies(y, eta, SCALES), strict=True):
        expected = binary_entropy((1 - scale) * y + scale * mu)
        np.testing.assert_allclose(entropy, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_losses_travel(loss):
    assert pickle.loads(pickle.dumps(loss)) == loss


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_margins_of_any_size_have_means_without_overflow(dtype):
    eta = np.array([[-1e30, -800.0, -100.0, 0.0, 100.0, 800.0, 1e30]], dtype=dtype)
    with np.errstate(over="raise"):
        mu = Logistic().inverse_link(eta)
    np.testing.assert_allclose(mu[0, 3:], [0.5, 1.0, 1.0, 1.0], rtol=1e-6)
    assert ((mu[0, :3] >= 0.0) & (mu[0, :3] < 1e-38)).all()


def test_means_of_whole_numbers():
    expected = [0.5, 1 / (1 + np.exp(-1.0)), 1 / (1 + np.exp(2.0))]
    np.testing.assert_allclose(Logistic().inverse_link(np.array([0, 1, -2])), expected)
    assert Logistic().inverse_link(0) == 0.5
    assert Logistic().inverse_link(np.zeros(2, np.float32)).dtype == np.float32
