"""A penalty of host numbers takes coefficients of any library, on any device."""

import numpy as np
import pytest

from daskreg.penalties import ElasticNet, alpha_max
from tests.stand_in import KINDS


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, [1.0, 0.3, 0.0]])
@pytest.mark.parametrize("weighted", [False, True])
def test_elastic_net(kind, positive, l1_ratio, weighted):
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 3, 7).astype(float) if weighted else None
    penalty = ElasticNet([0.1, 0.2, 0.3], l1_ratio, weight, positive)
    coef, grad = rng.normal(size=(2, 7, 2, 3))
    coef[rng.random(coef.shape) < 0.4] = 0.0
    grad[0] = 0.0
    if positive:
        coef = abs(coef)

    def everything(coef, grad, linear, quadratic):
        return [
            penalty.value(coef),
            penalty.prox(coef, 0.7),
            penalty.prox(coef, linear),
            penalty.violation(coef, grad),
            penalty.conjugate(0.1 * grad),
            penalty.conjugate(0.0 * grad),
            penalty.dual_scale(grad),
            penalty.best_dual(linear, quadratic, grad),
            alpha_max(grad, 0.5, weight, positive),
        ]

    arrays = coef, grad, rng.random(3), rng.random(3)
    expected = everything(*arrays)
    with kind.pure():
        found = everything(*map(kind.put, arrays))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(kind.fetch(one), other, rtol=1e-13, atol=1e-15)
