"""Log loss of several classes under the softmax of one linear predictor each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from daskreg._array import beside, namespace
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
        return mu * (namespace(mu).sum(mu, axis=1, keepdims=True) - mu)

    def hessian(self, y: Float, eta: Float) -> Float:
        """Return the second derivatives by eta, shape (rows, q, q) or (rows, q, q, C)."""
        mu = self.inverse_link(eta)
        xp = namespace(mu)
        hessian = -mu[:, :, None, ...] * mu[:, None, ...]
        q = mu.shape[1]
        own = beside(mu, np.eye(q, dtype=bool).reshape((1, q, q) + (1,) * (mu.ndim - 2)))
        hessian = xp.where(own, 0.0, hessian)
        rest = xp.sum(hessian, axis=2)
        return xp.where(own, -rest[:, :, None, ...], hessian)

    def inverse_link(self, eta: Float) -> Float:
        xp = namespace(eta)
        size = xp.exp(eta - xp.max(eta, axis=1, keepdims=True))
        return size / xp.sum(size, axis=1, keepdims=True)

    def link(self, mu: Float) -> Float:
        """Return the predictors, of mean 0 over the classes (axis 1)."""
        xp = namespace(mu)
        logs = xp.log(mu)
        return logs - xp.mean(logs, axis=1, keepdims=True)

    def null_eta(self, mean: Float) -> Float:
        """Return the constant predictors (q,) that suit class shares (q,) best, of mean 0."""
        return self.link(namespace(mean).asarray(mean)[None, ...])[0, ...]

    def conjugate(self, y: Float, t: Float) -> Float:
        """Return minus the entropy of ``t`` plus the label; infinity outside the simplex."""
        xp = namespace(t)
        u = xp.asarray(t, dtype=xp.float64, copy=True)
        own = _own(y, u)
        u = own.put(u, own.pick(u) + 1.0)
        inside = xp.all(u >= 0.0, axis=1) & (xp.abs(xp.sum(u, axis=1) - 1.0) <= SIMPLEX)
        return xp.where(inside, -entropy(u, axis=1), np.inf)

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
        xp, own = namespace(eta), _own(y, eta)
        below = eta - xp.max(eta, axis=1, keepdims=True)
        size = xp.exp(below)
        behind = -own.pick(below)
        own_size = own.pick(size)
        size = own.put(size, 0.0)
        rest = xp.sum(size, axis=1)
        total = rest + own_size
        residual = size / total[:, None, ...]
        below *= residual
        miss = rest / total
        other_logs = xp.sum(below, axis=1) - xp.log(total) * miss
        mu = own.put(own.copy(residual), own_size / total)
        residual = own.put(residual, -miss)
        # Where the own class is the largest, behind is 0 and this is log1p(rest).
        value = behind + xp.log1p(rest + xp.expm1(-behind))
        return cls(residual, mu, value, miss, other_logs)

    def path_entropies(self, scales: Sequence[float]) -> Iterator[Float]:
        """Yield the entropies of ``(1 - s) y + s mu``, never below zero."""
        xp = namespace(self.miss)
        for scale in scales:
            if scale == 1.0:
                own = xp.exp(-self.value) * -self.value
            else:
                rest = 1.0 - scale * self.miss
                own = rest * xp.log(rest)
            others = scale * (self.other_logs + float(np.log(scale)) * self.miss)
            yield xp.maximum(-(own + others), 0.0)


def entropy(u: Float, axis: int = -1) -> Float:
    """Return the entropy of probabilities along an axis, in nats."""
    xp = namespace(u)
    u = xp.asarray(u, dtype=xp.float64)
    logs = xp.log(xp.where(u > 0.0, u, 1.0))
    return xp.asarray(-xp.sum(u * logs, axis=axis))


class _OwnIndex:
    """Each row's own class in arrays of shape (rows, q, ...), by its number.

    One number a row is touched.
    """

    def __init__(self, y: Float, eta: Float) -> None:
        self.index = np.arange(len(eta)), np.asarray(y).reshape(len(eta)).astype(np.intp)

    def pick(self, x: Float) -> Float:
        """Return the numbers of the own classes, shape (rows, ...)."""
        return np.asarray(x[self.index])

    def put(self, x: Float, values: Float | float) -> Float:
        """Return x, which may change, with other numbers there."""
        x[self.index] = values
        return x

    def copy(self, x: Float) -> Float:
        """Return a copy for ``put`` to change."""
        return x.copy(order="K")


class _OwnMask:
    """The same where arrays may not be indexed by arrays, or lie on a device."""

    def __init__(self, y: Float, eta: Float) -> None:
        self.xp = namespace(eta)
        classes = beside(eta, np.arange(eta.shape[1], dtype=np.float64))
        codes = self.xp.reshape(beside(eta, y), (eta.shape[0], 1))
        mask = self.xp.astype(codes, self.xp.float64) == classes
        self.mask = self.xp.reshape(mask, mask.shape + (1,) * (eta.ndim - 2))

    def pick(self, x: Float) -> Float:
        return self.xp.sum(self.xp.where(self.mask, x, 0.0), axis=1)

    def put(self, x: Float, values: Float | float) -> Float:
        return self.xp.where(
            self.mask, values if isinstance(values, float) else values[:, None, ...], x
        )

    def copy(self, x: Float) -> Float:
        return x


def _own(y: Float, eta: Float) -> _OwnIndex | _OwnMask:
    return (_OwnIndex if namespace(eta) is np else _OwnMask)(y, eta)
