"""Datafits that keep a sample of their rows: one over blocks, one with several classes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import logsumexp, softmax, xlogy

from daskreg.datafit import Datafit
from daskreg.datafit.drawing import draw, sample_of
from tests.fake_design import FakeDesign

from .stand_in import Counter, Evaluation


class SampledFit(Datafit):
    """The real datafit with a sample of its own pass, remembered by what is taken of it too."""

    def take(self, columns):
        other = super().take(columns)
        other.__class__ = type(self)
        return other

    def sample(self, n_rows, seed=0):
        memory = self._survey.__dict__.setdefault("samples", {})
        if (n_rows, seed) not in memory:
            memory[n_rows, seed] = sample_of(self._survey, n_rows, seed)
        return memory[n_rows, seed]

    @property
    def center(self):
        return self.coordinates.center

    @property
    def inverse_scale(self):
        return self.coordinates.inverse_scale


class Softmax:
    """The loss of one-hot rows."""

    def value_and_gradient(self, y, eta):
        value = logsumexp(eta, axis=1) - (y * eta).sum(axis=1)
        return value, softmax(eta, axis=1) - y

    def hessian(self, y, eta):
        mu = softmax(eta, axis=1)
        return mu[:, :, None] * np.eye(eta.shape[1]) - mu[:, :, None] * mu[:, None, :]


@dataclass(frozen=True)
class CurvedEvaluation(Evaluation):
    mean_curvature: np.ndarray


@dataclass(frozen=True)
class Multinomial:
    """Rows of one-hot Y in memory, columns centred, an unpenalised intercept for every class."""

    X: np.ndarray
    Y: np.ndarray
    n_problems: int = 1
    counter: Counter = field(default_factory=Counter)
    samples: dict = field(default_factory=dict)

    curvature = 0.5

    @property
    def n_features(self):
        return self.X.shape[1]

    @property
    def n_outputs(self):
        return self.Y.shape[1]

    @property
    def n_passes(self):
        return len(self.counter.columns)

    @property
    def Z(self):
        return self.X - self.X.mean(axis=0)

    @property
    def center(self):
        return self.X.mean(axis=0)[:, None]

    @property
    def inverse_scale(self):
        return np.ones((self.n_features, 1))

    @property
    def second_moment(self):
        return (self.Z**2).mean(axis=0)

    @property
    def null_intercept(self):
        share = self.Y.mean(axis=0)
        return np.repeat((np.log(share) - np.log(share).mean())[:, None], self.n_problems, axis=1)

    def _null(self):
        coef = np.zeros((self.n_features, self.n_outputs, self.n_problems))
        return self.evaluate(coef, self.null_intercept)

    @property
    def null_value(self):
        return self._null().value

    @property
    def null_grad(self):
        return self._null().grad

    def take(self, columns):
        return replace(self, n_problems=len(columns))

    def metric(self):
        return self.Z.T @ self.Z / len(self.X)

    def sample(self, n_rows, seed=0):
        if (n_rows, seed) not in self.samples:
            self.counter.columns.append(0)
            design = FakeDesign(self.X, self.Y)
            self.samples[n_rows, seed] = draw(
                design, Softmax(), n_rows, seed=seed, n_total=len(self.X)
            )
        return self.samples[n_rows, seed]

    def value_and_grad(self, coef, intercept, columns, *, precise=False):
        self.counter.columns.append(len(columns))
        return self.evaluate(coef, intercept)

    def evaluate(self, coef, intercept):
        parts = [self._one(coef[..., k], intercept[:, k]) for k in range(coef.shape[-1])]
        value, grad, slope, mean, mu = (
            np.stack(part, axis=-1) for part in zip(*parts, strict=True)
        )

        def bound(penalty, coef, grad):
            each = [self._bound(penalty.take([k]), mu[..., k]) for k in range(mu.shape[-1])]
            return np.array(each)

        return CurvedEvaluation(value, grad, slope, bound, mean)

    def _one(self, coef, intercept):
        n = len(self.X)
        eta = self.Z @ coef + intercept
        value, residual = Softmax().value_and_gradient(self.Y, eta)
        mean = Softmax().hessian(self.Y, eta).mean(axis=0)
        grad, slope = self.Z.T @ residual / n, residual.mean(axis=0)
        return np.array(value.mean()), grad, slope, mean, softmax(eta, axis=1)

    def _bound(self, penalty, mu):
        """Means mixed with a constant, so that those of each class are the shares of the class."""
        n, share, mean = len(self.X), self.Y.mean(axis=0), mu.mean(axis=0)
        part = max(0.0, 1.0 - (share / mean).min())
        rest = np.maximum(share - (1 - part) * mean, 0.0)
        Q = (1 - part) * mu + rest
        v = -(self.Z.T @ (Q - self.Y) / n)[..., None]
        scale = min(float(penalty.dual_scale(v)[0]), 1.0)
        U = self.Y + scale * (Q - self.Y)
        return -xlogy(U, U).sum() / n - penalty.conjugate(scale * v)[0]


def classes(n_samples=2000, n_features=60, n_classes=10, rho=0.9, seed=0):
    """Columns of an autoregressive process and one-hot classes of a sparse truth."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, n_features))
    for j in range(1, n_features):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * X[:, j]
    truth = rng.standard_normal((n_features, n_classes))
    truth *= (np.arange(n_features) % 5 == 0)[:, None]
    eta = X @ truth
    eta *= 2.0 / eta.std()
    label = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
    return X, np.eye(n_classes)[label]
