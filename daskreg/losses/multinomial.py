"""Log loss of several classes under the softmax of one linear predictor each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float

from .base import PointwiseLoss


@dataclass(frozen=True)
class Multinomial(PointwiseLoss):
    r"""Log loss of a label in {0, ..., q - 1}, :math:`\log\sum_c e^{\eta_c} - \eta_y`.

    The classes are symmetric: none is a reference, and adding a number to all predictors of a row
    changes nothing.  Targets are codes of shape (rows,) or (rows, 1); predictors, means and
    gradients have shape (rows, q) or (rows, q, C), classes on the second axis; values have that
    shape without the classes.  Differences to the largest predictor of a row are all that is ever
    exponentiated, and ``1 - mu`` is a sum of the other means, so that neither overflow nor
    cancellation occurs at margins of any size.

    References
    ----------
    Hastie, Tibshirani and Wainwright (2015), Statistical learning with sparsity, section 3.3
    (the symmetric parametrisation); Boehning (1992), Multinomial logistic regression algorithm
    (the bound 1/2 of the Hessian).
    """

    name: ClassVar[str] = "multinomial"
    is_classifier: ClassVar[bool] = True
    max_curvature: ClassVar[float] = 0.5

    def value(self, y: Float, eta: Float) -> Float:
        return self.value_and_gradient(y, eta)[0]

    def gradient(self, y: Float, eta: Float) -> Float:
        return self.value_and_gradient(y, eta)[1]

    def value_and_gradient(self, y: Float, eta: Float) -> tuple[Float, Float]:
        softmax = Softmax.of(y, eta)
        return softmax.value, softmax.residual

    def curvature(self, y: Float, eta: Float) -> Float:
        """Return the diagonal of ``hessian``, in the shape of eta."""
        mu = self.inverse_link(eta)
        return np.asarray(mu * (mu.sum(axis=1, keepdims=True) - mu))

    def hessian(self, y: Float, eta: Float) -> Float:
        """Return the second derivatives by eta, shape (rows, q, q) or (rows, q, q, C)."""
        mu = self.inverse_link(eta)
        hessian = -mu[:, :, None] * mu[:, None]
        own = np.arange(mu.shape[1])
        hessian[:, own, own] = 0.0
        hessian[:, own, own] = -hessian.sum(axis=2)
        return np.asarray(hessian)

    def inverse_link(self, eta: Float) -> Float:
        size = np.exp(eta - eta.max(axis=1, keepdims=True))
        return np.asarray(size / size.sum(axis=1, keepdims=True))

    def link(self, mu: Float) -> Float:
        """Return the predictors, of mean 0 over the classes (axis 1)."""
        logs = np.log(mu)
        return np.asarray(logs - logs.mean(axis=1, keepdims=True))

    def null_eta(self, mean: Float) -> Float:
        """Return the constant predictors (q,) that suit class shares (q,) best, of mean 0."""
        return self.link(np.asarray(mean)[None])[0]

    def conjugate(self, y: Float, t: Float) -> Float:
        """Return minus the entropy of ``t`` plus the label; infinity outside the simplex."""
        u = np.array(t, dtype=np.float64)
        np.add.at(u, _own(y, u), 1.0)
        inside = (u >= 0.0).all(axis=1) & (np.abs(u.sum(axis=1) - 1.0) <= SIMPLEX)
        return np.where(inside, -entropy(u, axis=1), np.inf)

    def path_entropies(self, y: Float, eta: Float, scales: Sequence[float]) -> Iterator[Float]:
        """Yield, for each scale s in (0, 1], the entropy of ``(1 - s) y + s mu``, in nats.

        As for two classes, the dual points lie on this line.
        """
        yield from Softmax.of(y, eta).path_entropies(scales)


#: How far the sum of probabilities may be from one by rounding.
SIMPLEX = 1e-12


@dataclass(frozen=True, eq=False)
class Softmax:
    """What value, gradient and entropies of some rows have in common.

    Attributes
    ----------
    residual : ndarray, shape (rows, q, ...)
        Gradient of the loss by eta: mu less the label.
    mu : ndarray, shape (rows, q, ...)
    value, miss : ndarray, shape (rows, ...)
        Minus the logarithm of the mean of the row's own class, and one less that mean.
    other_logs : ndarray, shape (rows, ...)
        ``sum mu_c log mu_c`` over the other classes.
    """

    residual: Float
    mu: Float
    value: Float
    miss: Float
    other_logs: Float

    @classmethod
    def of(cls, y: Float, eta: Float) -> Softmax:
        """Return them for codes y, (rows,) or (rows, 1), and eta, (rows, q, ...)."""
        own = _own(y, eta)
        below = eta - eta.max(axis=1, keepdims=True)
        size = np.exp(below)
        behind = -below[own]
        own_size = size[own]
        size[own] = 0.0
        rest = size.sum(axis=1)
        total = rest + own_size
        residual = size / total[:, None]
        below *= residual
        miss = rest / total
        other_logs = below.sum(axis=1) - np.log(total) * miss
        mu = residual.copy(order="K")
        mu[own] = own_size / total
        residual[own] = -miss
        # Where the own class is the largest, behind is 0 and this is log1p(rest).
        value = behind + np.log1p(rest + np.expm1(-behind))
        return cls(residual, mu, value, miss, other_logs)

    def path_entropies(self, scales: Sequence[float]) -> Iterator[Float]:
        """Yield the entropies of ``(1 - s) y + s mu``, never below zero."""
        for scale in scales:
            if scale == 1.0:
                own = np.exp(-self.value) * -self.value
            else:
                rest = 1.0 - scale * self.miss
                own = rest * np.log(rest)
            others = scale * (self.other_logs + np.log(scale) * self.miss)
            yield np.maximum(-(own + others), 0.0)


def entropy(u: Float, axis: int = -1) -> Float:
    """Return the entropy of probabilities along an axis, in nats."""
    u = np.asarray(u, dtype=np.float64)
    logs = np.log(np.where(u > 0.0, u, 1.0))
    return np.asarray(-(u * logs).sum(axis=axis))


def _own(y: Float, eta: Float) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the index of each row's own class in arrays of shape (rows, q, ...)."""
    rows = np.arange(len(eta))
    return rows, np.asarray(y).reshape(len(eta)).astype(np.intp)
