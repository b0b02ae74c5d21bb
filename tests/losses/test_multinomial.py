"""The log loss under a softmax: its calculus, and that no margin is too large for it."""

import pickle

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from daskreg.losses import Logistic, LogLoss, Multinomial, Squared, binary_entropy, entropy

SCALES = (0.5, 0.9, 0.99, 0.999, 1.0)
LOSS = Multinomial()


@pytest.fixture(params=[2, 3, 7])
def rows(request):
    rng = np.random.default_rng(0)
    q = request.param
    return rng.integers(0, q, (60, 1)).astype(float), 3.0 * rng.normal(size=(60, q, 4))


def one_hot(y, q):
    return np.eye(q)[y[:, 0].astype(int)][:, :, None]


def test_value_is_minus_the_log_probability(rows):
    y, eta = rows
    expected = -(one_hot(y, eta.shape[1]) * log_softmax(eta, axis=1)).sum(axis=1)
    np.testing.assert_allclose(LOSS.value(y, eta), expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(LOSS.value(y, eta[..., 0]), LOSS.value(y, eta)[:, 0])
    np.testing.assert_allclose(LOSS.inverse_link(eta), softmax(eta, axis=1), rtol=1e-13)


def test_derivatives_are_differences(rows):
    y, eta = rows
    h, gradient, hessian = 1e-5, LOSS.gradient(y, eta), LOSS.hessian(y, eta)
    for c in range(eta.shape[1]):
        step = np.zeros_like(eta)
        step[:, c] = h
        slope = (LOSS.value(y, eta + step) - LOSS.value(y, eta - step)) / (2 * h)
        np.testing.assert_allclose(gradient[:, c], slope, atol=1e-9)
        bend = (LOSS.gradient(y, eta + step) - LOSS.gradient(y, eta - step)) / (2 * h)
        np.testing.assert_allclose(hessian[:, c], bend, atol=1e-9)
        np.testing.assert_allclose(LOSS.curvature(y, eta)[:, c], hessian[:, c, c], atol=1e-15)
    largest = np.linalg.eigvalsh(np.moveaxis(hessian, 3, 1)).max()
    assert 0.25 < largest <= LOSS.max_curvature


def test_gradient_is_mean_less_label(rows):
    y, eta = rows
    expected = LOSS.inverse_link(eta) - one_hot(y, eta.shape[1])
    np.testing.assert_allclose(LOSS.gradient(y, eta), expected, atol=1e-15)
    centred = eta - eta.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(LOSS.link(LOSS.inverse_link(eta)), centred, atol=1e-12)


def test_adding_a_number_to_all_classes_changes_nothing(rows):
    y, eta = rows
    for number in (1e-3, -50.0, 1e6):
        np.testing.assert_allclose(LOSS.value(y, eta + number), LOSS.value(y, eta), atol=1e-9)


def test_two_classes_are_the_logistic_loss():
    rng = np.random.default_rng(1)
    y, eta = rng.integers(0, 2, (50, 1)).astype(float), 5 * rng.normal(size=(50, 2, 3))
    margin = eta[:, 1] - eta[:, 0]
    np.testing.assert_allclose(LOSS.value(y, eta), Logistic().value(y, margin), rtol=1e-12)
    gradient = Logistic().gradient(y, margin)
    np.testing.assert_allclose(LOSS.gradient(y, eta)[:, 1], gradient, rtol=1e-12)
    np.testing.assert_allclose(LOSS.gradient(y, eta)[:, 0], -gradient, rtol=1e-12)
    for mine, theirs in zip(
        LOSS.path_entropies(y, eta, SCALES),
        Logistic().path_entropies(y, margin, SCALES),
        strict=True,
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-15)


def test_null_eta_suits_the_shares_best():
    share = np.array([0.2, 0.5, 0.3])
    eta = LOSS.null_eta(share)
    np.testing.assert_allclose(LOSS.inverse_link(eta[None])[0], share)
    assert eta.sum() == pytest.approx(0.0, abs=1e-15)
    each = LOSS.value(np.arange(3), np.tile(eta, (3, 1)))
    assert share @ each == pytest.approx(entropy(share))


def test_conjugate_meets_fenchel_young_with_equality(rows):
    y, eta = rows
    t = LOSS.gradient(y, eta)
    np.testing.assert_allclose(
        LOSS.value(y, eta) + LOSS.conjugate(y, t), (t * eta).sum(axis=1), rtol=1e-9, atol=1e-12
    )
    other = LOSS.gradient(y, eta[..., ::-1])
    left = LOSS.value(y, eta) + LOSS.conjugate(y, other)
    assert (left >= (other * eta).sum(axis=1) - 1e-12).all()


def test_conjugate_is_infinite_outside_the_simplex():
    y = np.array([1.0])
    assert LOSS.conjugate(y, np.array([[0.2, 0.1, 0.0]])) == np.inf
    assert LOSS.conjugate(y, np.array([[-0.1, 0.0, 0.1]])) == np.inf
    assert LOSS.conjugate(y, np.array([[0.2, 0.2, 0.2]])) == np.inf
    assert LOSS.conjugate(y, np.zeros((1, 3))) == 0.0
    third = np.array([[1 / 3, 1 / 3 - 1, 1 / 3]])
    assert LOSS.conjugate(y, third) == pytest.approx(-np.log(3))


def test_path_entropies_are_those_of_the_points_between(rows):
    y, eta = rows
    mu, label = LOSS.inverse_link(eta), one_hot(y, eta.shape[1])
    for scale, found in zip(SCALES, LOSS.path_entropies(y, eta, SCALES), strict=True):
        expected = entropy((1 - scale) * label + scale * mu, axis=1)
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("size", [40.0, 700.0, 1e5, 1e300])
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_large_margins(size, y):
    eta = np.array([[size, 0.0, -0.5 * size]])
    value = LOSS.value([y], eta).item()
    if y == 1.0:
        assert value == pytest.approx(size)
    else:
        assert value == pytest.approx(np.exp(-size) + np.exp(-1.5 * size), rel=1e-12)
        assert LOSS.gradient([y], eta)[0, 0] == pytest.approx(-value, rel=1e-12)
    assert np.abs(LOSS.gradient([y], eta)).max() <= 1.0
    assert (LOSS.hessian([y], eta)[0].diagonal() >= 0.0).all()
    for found in LOSS.path_entropies([y], eta, SCALES):
        assert 0.0 <= found.item() <= np.log(3)


def test_entropy_of_a_coin():
    u = np.linspace(0.0, 1.0, 11)
    np.testing.assert_allclose(entropy(np.stack([u, 1 - u]), axis=0), binary_entropy(u))


def test_the_loss_of_labels_depends_on_their_number():
    assert LogLoss().of_classes(2) == Logistic()
    assert LogLoss().of_classes(3) == Multinomial()
    assert LogLoss().max_curvature >= max(Logistic.max_curvature, Multinomial.max_curvature)


@pytest.mark.parametrize("loss", [Multinomial(), LogLoss(), Squared()])
def test_losses_travel(loss):
    assert pickle.loads(pickle.dumps(loss)) == loss
