"""Half the squared error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from daskreg._typing import Float

from .base import PointwiseLoss


@dataclass(frozen=True)
class Squared(PointwiseLoss):
    r"""Half the squared error, :math:`(y - \eta)^2 / 2`."""

    name: ClassVar[str] = "squared"
    is_classifier: ClassVar[bool] = False
    max_curvature: ClassVar[float] = 1.0

    def value(self, y: Float, eta: Float) -> Float:
        return 0.5 * np.square(eta - y)

    def gradient(self, y: Float, eta: Float) -> Float:
        return np.asarray(eta - y, dtype=np.float64)

    def curvature(self, y: Float, eta: Float) -> Float:
        return np.ones(np.broadcast_shapes(np.shape(y), np.shape(eta)))

    def inverse_link(self, eta: Float) -> Float:
        return eta

    def link(self, mu: Float) -> Float:
        return mu

    def conjugate(self, y: Float, t: Float) -> Float:
        return np.asarray(t * (y + 0.5 * t))

    def value_and_gradient(self, y: Float, eta: Float) -> tuple[Float, Float]:
        gradient = self.gradient(y, eta)
        return 0.5 * np.square(gradient), gradient
