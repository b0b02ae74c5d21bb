"""Half the squared error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from daskreg._array import namespace
from daskreg._typing import Float

from .base import PointwiseLoss


@dataclass(frozen=True)
class Squared(PointwiseLoss):
    r"""Half the squared error, :math:`(y - \eta)^2 / 2`."""

    name: ClassVar[str] = "squared"
    is_classifier: ClassVar[bool] = False
    max_curvature: ClassVar[float] = 1.0
    cuda: ClassVar[str | None] = r"""
struct Loss {
    double value, gradient;
    __device__ Loss(double y, double eta) : gradient(eta - y) { value = 0.5 * gradient * gradient; }
};
"""

    def value(self, y: Float, eta: Float) -> Float:
        return 0.5 * namespace(eta).square(eta - y)

    def gradient(self, y: Float, eta: Float) -> Float:
        xp = namespace(eta)
        return xp.asarray(eta - y, dtype=xp.float64)

    def curvature(self, y: Float, eta: Float) -> Float:
        xp = namespace(eta)
        return xp.ones_like(eta - y, dtype=xp.float64)

    def inverse_link(self, eta: Float) -> Float:
        return eta

    def link(self, mu: Float) -> Float:
        return mu

    def conjugate(self, y: Float, t: Float) -> Float:
        return namespace(t).asarray(t * (y + 0.5 * t))

    def value_and_gradient(self, y: Float, eta: Float) -> tuple[Float, Float]:
        gradient = self.gradient(y, eta)
        return 0.5 * namespace(gradient).square(gradient), gradient
