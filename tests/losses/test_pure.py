"""Losses are functions of arrays alone: of any library, on any device, never fetched or changed."""

import numpy as np
import pytest

from daskreg._array import is_on_host, namespace, to_host
from daskreg.losses import Logistic, Multinomial, Squared, binary_entropy, entropy
from tests.stand_in import KINDS, Fetched

SCALES = (0.5, 0.999, 1.0)
pytestmark = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def same(kind, function, *arrays):
    """Check a function against itself over numpy."""
    expected = function(*arrays)
    with kind.pure():
        found = function(*map(kind.put, arrays))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(kind.fetch(one), other, rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize("loss", [Squared(), Logistic()], ids=lambda loss: loss.name)
@pytest.mark.parametrize("n_targets", [1, 4])
def test_pointwise(kind, loss, n_targets):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (50, n_targets)).astype(float)
    eta = 10.0 * rng.normal(size=(50, 4))

    def everything(y, eta):
        value, gradient = loss.value_and_gradient(y, eta)
        mu = loss.inverse_link(eta)
        parts = [value, gradient, loss.value(y, eta), loss.gradient(y, eta), mu, loss.link(mu)]
        parts += [loss.curvature(y, eta), loss.conjugate(y, 0.5 * gradient)]
        if isinstance(loss, Logistic):
            parts += [binary_entropy(mu), *loss.path_entropies(y, eta, SCALES)]
        return parts

    same(kind, everything, y, eta)


@pytest.mark.parametrize("shape", [(40, 3), (40, 5, 2)])
def test_coupled(kind, shape):
    rng = np.random.default_rng(1)
    loss, y = Multinomial(), rng.integers(0, shape[1], (40, 1)).astype(float)

    def everything(y, eta):
        value, gradient = loss.value_and_gradient(y, eta)
        mu = loss.inverse_link(eta)
        parts = [value, gradient, mu, loss.link(mu), loss.curvature(y, eta), loss.hessian(y, eta)]
        return [
            *parts,
            loss.conjugate(y, 0.5 * gradient),
            entropy(mu, axis=1),
            *loss.path_entropies(y, eta, SCALES),
        ]

    same(kind, everything, y, 5.0 * rng.normal(size=shape))


def test_the_stand_in_would_notice(kind):
    array = kind.put([1.0])
    if kind.name == "strict":
        with kind.pure(), pytest.raises(Fetched):
            bool(array[0] > 0)
        assert not is_on_host(array)
    else:
        assert is_on_host(array)
    assert namespace(array).__name__.split(".")[0] in ("numpy", "array_api_strict")
    whole = to_host({"a": [array, 2.0], "b": None})
    assert isinstance(whole["a"][0], np.ndarray)
    assert whole["a"][0][0] == 1.0
