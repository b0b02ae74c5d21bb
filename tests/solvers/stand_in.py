"""A datafit in memory, exact and countable: what solvers may ask of one, and no more."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import expit, xlogy


@dataclass
class Counter:
    """How often the data were looked at, and with how many columns."""

    columns: list = field(default_factory=list)
    problems: list = field(default_factory=list)


@dataclass(frozen=True)
class Evaluation:
    value: np.ndarray
    grad: np.ndarray
    intercept_grad: np.ndarray
    bound: object

    def dual(self, penalty, coef):
        return self.bound(penalty, coef, self.grad)


@dataclass(frozen=True)
class GramData:
    G: np.ndarray
    c: np.ndarray
    yy: np.ndarray
    rounding: float


@dataclass(frozen=True)
class Memory:
    """Rows in memory; columns are centred with an intercept; weights s sum to one."""

    X: np.ndarray
    Y: np.ndarray
    output: np.ndarray
    sample_weight: np.ndarray | None = None
    fit_intercept: bool = True
    single: bool = False
    counter: Counter = field(default_factory=Counter)

    n_outputs = 1

    @property
    def s(self):
        weight = np.ones(len(self.X)) if self.sample_weight is None else self.sample_weight
        return weight / weight.sum()

    @property
    def Z(self):
        return self.X - self.fit_intercept * (self.s @ self.X)

    @property
    def y(self):
        return self.Y[:, self.output]

    @property
    def n_features(self):
        return self.X.shape[1]

    @property
    def n_problems(self):
        return len(self.output)

    @property
    def n_passes(self):
        return len(self.counter.columns)

    @property
    def second_moment(self):
        return self.s @ self.Z**2

    @property
    def null_grad(self):
        zero = np.zeros((self.n_features, 1, self.n_problems))
        return self.evaluate(zero, self.null_intercept, np.arange(self.n_problems)).grad

    @property
    def null_value(self):
        zero = np.zeros((self.n_features, 1, self.n_problems))
        return self.evaluate(zero, self.null_intercept, np.arange(self.n_problems)).value

    def take(self, columns):
        return replace(self, output=self.output[columns])

    def value_and_grad(self, coef, intercept, columns, *, precise=False):
        self.counter.columns.append(len(columns))
        self.counter.problems.append(self.n_problems)
        return self.evaluate(coef, intercept, columns)


class Squared(Memory):
    curvature = 1.0
    quadratic = True

    @property
    def null_intercept(self):
        return (self.fit_intercept * (self.s @ self.y))[None, :]

    def evaluate(self, coef, intercept, columns):
        s, y = self.s[:, None], self.y[:, columns]
        r = y - self.Z @ coef[:, 0, :] - intercept
        mean = (s * r).sum(axis=0) * self.fit_intercept
        centred, target = r - mean, y - self.fit_intercept * (s * y).sum(axis=0)

        def bound(penalty, coef, grad):
            linear = (s * target * centred).sum(axis=0)
            return penalty.best_dual(linear, (s * centred**2).sum(axis=0), -grad)

        grad = -(self.Z.T @ (s * r))[:, None, :]
        return Evaluation(0.5 * (s * r * r).sum(axis=0), grad, -mean[None, :], bound)

    @property
    def weighting(self):
        return np.zeros(self.n_problems, dtype=int)

    def grams(self):
        return {0: self.gram()}

    def gram(self):
        if not self.counter.columns:
            self.counter.columns.append(0)
        s = self.s[:, None]
        y = self.Y - self.fit_intercept * (s * self.Y).sum(axis=0)
        kind = np.float32 if self.single else np.float64
        Z = (np.sqrt(s) * self.Z).astype(kind)
        G = (Z.T @ Z).astype(np.float64)
        rounding = 3e-7 if self.single else 1e-16
        return GramData(G, self.Z.T @ (s * y), (s * y * y).sum(axis=0), rounding)


class Logistic(Memory):
    """Labels 0 and 1; the dual point is scaled, and shifted to sum to zero with an intercept."""

    curvature = 0.25

    @property
    def null_intercept(self):
        mean = self.s @ self.y
        return (self.fit_intercept * np.log(mean / (1 - mean)))[None, :]

    def evaluate(self, coef, intercept, columns):
        s, y = self.s[:, None], self.y[:, columns]
        with np.errstate(over="ignore", invalid="ignore"):
            eta = self.Z @ coef[:, 0, :] + intercept
            value = (s * (np.logaddexp(0, eta) - y * eta)).sum(axis=0)
            mu = expit(eta)
            grad = (self.Z.T @ (s * (mu - y)))[:, None, :]
        intercept_grad = self.fit_intercept * (s * (mu - y)).sum(axis=0)

        def bound(penalty, coef, grad):
            q = mu
            if self.fit_intercept:
                a, m = (s * y).sum(axis=0), (s * mu).sum(axis=0)
                part = np.maximum(0, 1 - np.minimum(a / m, (1 - a) / (1 - m)))
                with np.errstate(invalid="ignore", divide="ignore"):
                    constant = np.where(part > 0, (a - (1 - part) * m) / part, 0)
                q = (1 - part) * mu + part * np.clip(constant, 0, 1)
            v = -(self.Z.T @ (s * (q - y)))[:, None, :]
            scale = np.minimum(penalty.dual_scale(v), 1.0)
            u = y + scale * (q - y)
            entropy = (s * (xlogy(u, u) + xlogy(1 - u, 1 - u))).sum(axis=0)
            usable = (scale > 0) & (penalty.has_l1 | penalty.has_l2)
            return np.where(usable, -entropy - penalty.conjugate(scale * v), np.nan)

        return Evaluation(value, grad, intercept_grad[None, :], bound)


def design(n_samples=200, n_features=12, rho=0.5, seed=0, n_targets=1):
    """Columns of an autoregressive process, a sparse truth, and targets with noise."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, n_features))
    for j in range(1, n_features):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * X[:, j]
    truth = rng.standard_normal((n_features, n_targets)) * (rng.random((n_features, 1)) < 0.5)
    return X + 1.0, X @ truth + 0.5 * rng.standard_normal((n_samples, n_targets)) + 3.0
