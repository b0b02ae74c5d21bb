"""Log loss of two classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

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

    def value(self, y: Float, eta: Float) -> Float:
        return self.value_and_gradient(y, eta)[0]

    def gradient(self, y: Float, eta: Float) -> Float:
        return self.value_and_gradient(y, eta)[1]

    def value_and_gradient(self, y: Float, eta: Float) -> tuple[Float, Float]:
        side = 1.0 - 2.0 * np.asarray(y)
        wrong = side * eta
        small = np.exp(-np.abs(wrong))
        value = np.maximum(wrong, 0.0) + np.log1p(small)
        gradient = side * _sigmoid(wrong, small)
        return value, gradient

    def curvature(self, y: Float, eta: Float) -> Float:
        small = np.exp(-np.abs(eta))
        curvature = small / np.square(1.0 + small)
        if np.shape(y) == curvature.shape:
            return np.asarray(curvature)
        return np.broadcast_to(curvature, np.broadcast_shapes(np.shape(y), np.shape(eta)))

    def inverse_link(self, eta: Float) -> Float:
        return _sigmoid(np.asarray(eta), np.exp(-np.abs(eta)))

    def link(self, mu: Float) -> Float:
        mu = np.asarray(mu)
        return np.log(mu) - np.log1p(-mu)

    def conjugate(self, y: Float, t: Float) -> Float:
        u = np.asarray(y + t)
        inside = (u >= 0.0) & (u <= 1.0)
        return np.where(inside, -binary_entropy(np.where(inside, u, 0.5)), np.inf)

    def path_entropies(self, y: Float, eta: Float, scales: Sequence[float]) -> Iterator[Float]:
        """Yield, for each scale s in (0, 1], the entropy of ``(1 - s) y + s mu``.

        Along this line from the label to the mean the conjugate of the loss is minus the entropy,
        in nats, and it stays in its domain: the dual points of a logistic problem lie there.
        """
        wrong = (1.0 - 2.0 * np.asarray(y)) * eta
        small = np.exp(-np.abs(wrong))
        log1p_small = np.log1p(small)
        miss = _sigmoid(wrong, small)
        miss_log_miss = miss * -(np.maximum(-wrong, 0.0) + log1p_small)
        for scale in scales:
            if scale == 1.0:
                rest = _sigmoid(-wrong, small)
                rest_log_rest = rest * -(np.maximum(wrong, 0.0) + log1p_small)
                yield -(miss_log_miss + rest_log_rest)
            else:
                rest = 1.0 - scale * miss
                rest_log_rest = rest * np.log(rest)
                yield -(scale * (miss_log_miss + np.log(scale) * miss) + rest_log_rest)


def binary_entropy(u: Float) -> Float:
    """Return the entropy of a coin that falls heads with probability ``u``, in nats."""
    u = np.asarray(u, dtype=np.float64)
    rest = 1.0 - u
    logs = [np.log(np.where(x > 0.0, x, 1.0)) for x in (u, rest)]
    return -(u * logs[0] + rest * logs[1])


def _sigmoid(x: Float, small: Float) -> Float:
    """``1 / (1 + exp(-x))`` where ``small = exp(-|x|)`` is at hand."""
    return np.asarray(np.where(x >= 0.0, 1.0, small) / (1.0 + small))
