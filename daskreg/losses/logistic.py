"""Log loss of two classes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from daskreg._array import namespace
from daskreg._typing import Float

from .base import PointwiseLoss


@dataclass(frozen=True)
class Logistic(PointwiseLoss):
    r"""Log loss of a label in {0, 1}, :math:`\log(1 + e^\eta) - y \eta`.

    Everything is written in ``wrong = (1 - 2 y) eta``, the margin by which a row lies on the
    wrong side, so that neither overflow nor cancellation occurs at margins of any size:
    the loss is softplus(wrong) and ``|mu - y|`` is sigmoid(wrong).
    """

    name: ClassVar[str] = "logistic"
    is_classifier: ClassVar[bool] = True
    max_curvature: ClassVar[float] = 0.25
    # `missed` is -miss log miss; at scale one the rest of the entropy is that of the mean itself.
    cuda: ClassVar[str | None] = r"""
struct Loss {
    double value, gradient, curvature, miss, missed, hit;
    __device__ Loss(double y, double eta) {
        double side = 1.0 - 2.0 * y, wrong = side * eta, small = exp(-fabs(wrong));
        double inverse = 1.0 / (1.0 + small), softplus = log1p(small);
        miss = wrong >= 0.0 ? inverse : small * inverse;
        hit = wrong >= 0.0 ? small * inverse : inverse;
        value = fmax(wrong, 0.0) + softplus;
        missed = miss * (fmax(-wrong, 0.0) + softplus);
        gradient = side * miss;
        curvature = miss * hit;
    }
    __device__ double entropy(double scale, double log_scale) const {
        if (scale == 1.0) return missed + hit * value;
        double rest = 1.0 - scale * miss;
        return scale * (missed - log_scale * miss) - rest * log(rest);
    }
};
"""

    def value(self, y: Float, eta: Float) -> Float:
        return self.value_and_gradient(y, eta)[0]

    def gradient(self, y: Float, eta: Float) -> Float:
        return self.value_and_gradient(y, eta)[1]

    def value_and_gradient(self, y: Float, eta: Float) -> tuple[Float, Float]:
        xp = namespace(eta)
        side = 1.0 - 2.0 * xp.asarray(y)
        wrong = side * eta
        small = xp.exp(-xp.abs(wrong))
        value = xp.maximum(wrong, 0.0) + xp.log1p(small)
        gradient = side * _sigmoid(wrong)
        return value, gradient

    def curvature(self, y: Float, eta: Float) -> Float:
        xp = namespace(eta)
        small = xp.exp(-xp.abs(eta))
        curvature = xp.asarray(small / xp.square(1.0 + small))
        shapes = getattr(y, "shape", ()), curvature.shape
        if shapes[0] == shapes[1]:
            return curvature
        return xp.broadcast_to(curvature, np.broadcast_shapes(*shapes))

    def inverse_link(self, eta: Float) -> Float:
        return _sigmoid(1.0 * namespace(eta).asarray(eta))  # whole numbers too

    def link(self, mu: Float) -> Float:
        xp = namespace(mu)
        mu = xp.asarray(mu)
        return xp.log(mu) - xp.log1p(-mu)

    def conjugate(self, y: Float, t: Float) -> Float:
        xp = namespace(t)
        u = xp.asarray(y + t)
        inside = (u >= 0.0) & (u <= 1.0)
        return xp.where(inside, -binary_entropy(xp.where(inside, u, 0.5)), np.inf)

    def path_entropies(self, y: Float, eta: Float, scales: Sequence[float]) -> Iterator[Float]:
        """Yield, for each scale s in (0, 1], the entropy of ``(1 - s) y + s mu``.

        Along this line from the label to the mean the conjugate of the loss is minus the entropy,
        in nats, and it stays in its domain: the dual points of a logistic problem lie there.
        """
        xp = namespace(eta)
        wrong = (1.0 - 2.0 * xp.asarray(y)) * eta
        small = xp.exp(-xp.abs(wrong))
        log1p_small = xp.log1p(small)
        miss = _sigmoid(wrong)
        miss_log_miss = miss * -(xp.maximum(-wrong, 0.0) + log1p_small)
        for scale in scales:
            if scale == 1.0:
                rest = _sigmoid(-wrong)
                rest_log_rest = rest * -(xp.maximum(wrong, 0.0) + log1p_small)
                yield -(miss_log_miss + rest_log_rest)
            else:
                rest = 1.0 - scale * miss
                rest_log_rest = rest * xp.log(rest)
                yield -(scale * (miss_log_miss + float(np.log(scale)) * miss) + rest_log_rest)


def binary_entropy(u: Float) -> Float:
    """Return the entropy of a coin that falls heads with probability ``u``, in nats."""
    xp = namespace(u)
    u = xp.asarray(u, dtype=xp.float64)
    rest = 1.0 - u
    logs = [xp.log(xp.where(x > 0.0, x, 1.0)) for x in (u, rest)]
    return -(u * logs[0] + rest * logs[1])


def _sigmoid(x: Float) -> Float:
    """Return ``1 / (1 + exp(-x))``: a choice between two forms takes longer than to divide."""
    xp = namespace(x)
    # Beyond the margin whose exponential is almost the largest there is, means change no more.
    return xp.asarray(1.0 / (1.0 + xp.exp(xp.minimum(-x, _largest(xp, x.dtype)))))


@cache
def _largest(xp: Any, dtype: Any) -> float:
    return float(math.floor(math.log(float(xp.finfo(dtype).max))))
