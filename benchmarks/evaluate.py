"""The judge: objective and dual bound of any coefficients, in float64, block by block.

It shares no code with the library. For theta, the negative gradient of the losses by eta with the
intercept made optimal (so that theta sums to zero), s * theta is dual feasible for
s = min(1, alpha / max|X'theta / n|), and its dual value is a lower bound of the objective whatever
the coefficients were. The bound of a case is the best one seen from any coefficients, so that a
library is judged by how far its own coefficients are from the optimum, not by its dual point.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cases import Problem
from data import blocks, indicator
from scipy import special

Array = np.ndarray[Any, Any]


class Loss(ABC):
    """A loss of y (n, q, 1) and eta (n, q, K); every method returns one number per column."""

    @abstractmethod
    def value(self, y: Array, eta: Array) -> Array:
        """Return the mean loss (K,)."""

    @abstractmethod
    def mean(self, eta: Array) -> Array:
        """Return the mean of y for eta, in the shape of eta."""

    @abstractmethod
    def dual(self, y: Array, theta: Array, limit: Array) -> Array:
        """Return the dual value (K,) of ``s * theta`` for a good s with ``abs(s) <= limit``."""

    def null_intercept(self, y: Array) -> Array:
        """Return the best intercept (q, 1) without coefficients."""
        return best_intercept(self, y, np.zeros((len(y), y.shape[1], 1)))


class Squared(Loss):
    """Half the square."""

    def value(self, y: Array, eta: Array) -> Array:
        return 0.5 * np.square(eta - y).mean(axis=0).sum(axis=0)

    def mean(self, eta: Array) -> Array:
        return eta

    def dual(self, y: Array, theta: Array, limit: Array) -> Array:
        product = (y * theta).mean(axis=0).sum(axis=0)
        square = np.square(theta).mean(axis=0).sum(axis=0)
        s = np.clip(product / np.maximum(square, np.finfo(float).tiny), -limit, limit)
        return s * product - 0.5 * s**2 * square


class Logistic(Loss):
    """Logarithmic loss of y in {0, 1}."""

    def value(self, y: Array, eta: Array) -> Array:
        return (np.logaddexp(0.0, eta) - y * eta).mean(axis=0).sum(axis=0)

    def mean(self, eta: Array) -> Array:
        return special.expit(eta)

    def dual(self, y: Array, theta: Array, limit: Array) -> Array:
        mu = np.clip(y - np.minimum(limit, 1.0) * theta, 0.0, 1.0)
        return (special.entr(mu) + special.entr(1.0 - mu)).mean(axis=0).sum(axis=0)


class Multinomial(Loss):
    """Logarithmic loss of one-hot y and a softmax over the q columns of eta."""

    def value(self, y: Array, eta: Array) -> Array:
        return (special.logsumexp(eta, axis=1) - (y * eta).sum(axis=1)).mean(axis=0)

    def mean(self, eta: Array) -> Array:
        return special.softmax(eta, axis=1)

    def dual(self, y: Array, theta: Array, limit: Array) -> Array:
        mu = np.clip(y - np.minimum(limit, 1.0) * theta, 0.0, 1.0)
        return special.entr(mu).sum(axis=1).mean(axis=0)


LOSSES = {"squared": Squared(), "logistic": Logistic(), "multinomial": Multinomial()}


@dataclass(frozen=True)
class Judgement:
    """Objectives and bounds of coefficients.

    Parameters
    ----------
    primal, dual
        Shape (n_alphas,); mean loss plus penalty, and a lower bound of its minimum.
    null
        The objective without coefficients.
    """

    primal: Array
    dual: Array
    null: float

    def gap(self, bound: Array) -> float:
        """Return the largest relative gap over the alphas, for given lower bounds (n_alphas,)."""
        return float(np.max(self.primal - bound) / self.null)


def best_intercept(loss: Loss, y: Array, eta: Array) -> Array:
    """Return what to add to eta (n, q, K) so that its mean response is that of y; (q, K).

    Squared: one step. Else steps in log odds, which settle fast near a solution, up to 100.
    """
    target = y.mean(axis=0)
    shift = np.zeros((eta.shape[1], eta.shape[2]))
    for _ in range(100):
        found = loss.mean(eta + shift).mean(axis=0)
        if isinstance(loss, Squared):
            return target - found
        if np.abs(found - target).max() < 1e-15:
            break
        tiny = np.finfo(float).tiny
        if isinstance(loss, Logistic):
            mu = loss.mean(eta + shift)
            shift += (target - found) / np.maximum((mu * (1.0 - mu)).mean(axis=0), tiny)
        else:
            shift += np.log(np.maximum(target, tiny) / np.maximum(found, tiny))
    return shift


def judge(problem: Problem, coef: Array, intercept: Array, alphas: Array) -> Judgement:
    """Evaluate coefficients in two passes over the files.

    Parameters
    ----------
    coef
        Shape (n_columns, n_outputs, K).
    intercept
        Shape (n_outputs, K).
    alphas
        Shape (K,).

    Raises
    ------
    ValueError
        Shapes do not match the problem, or a number is not finite.
    """
    K, q = len(alphas), problem.n_outputs
    coef, intercept = np.asarray(coef, float), np.asarray(intercept, float)
    if coef.shape != (problem.n_columns, q, K) or intercept.shape != (q, K):
        raise ValueError(
            f"coefficients {coef.shape} and intercepts {intercept.shape} came, "
            f"{(problem.n_columns, q, K)} and {(q, K)} were expected"
        )
    if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
        raise ValueError("coefficients are not finite")
    loss, y = LOSSES[problem.loss], response(problem)
    folder, flat = Path(problem.folder), coef.reshape(problem.n_columns, q * K)
    eta = np.empty((problem.n_rows, q, K))
    for rows, X in blocks(folder, problem.storage):
        eta[rows] = (wide(X) @ flat).reshape(-1, q, K)
    eta += intercept
    penalty = np.asarray(alphas) * np.abs(coef).sum(axis=(0, 1))
    primal = loss.value(y, eta) + penalty
    if problem.intercept:
        eta += best_intercept(loss, y, eta)
    theta = y - loss.mean(eta)
    proven = np.ones(K, bool)
    if problem.intercept:  # far from any solution the intercept may not settle: no bound then
        proven = np.abs(theta.mean(axis=0)).max(axis=0) < 1e-9
        theta -= theta.mean(axis=0)
    grad = np.zeros_like(flat)
    for rows, X in blocks(folder, problem.storage):
        grad += wide(X).T @ theta[rows].reshape(-1, q * K)
    steepest = np.abs(grad / problem.n_rows).reshape(-1, q, K).max(axis=(0, 1))
    limit = np.asarray(alphas) / np.maximum(steepest, np.finfo(float).tiny)
    dual = np.where(proven, loss.dual(y, theta, limit), -np.inf)
    return Judgement(primal, dual, null_value(problem))


def null_value(problem: Problem) -> float:
    """Return the objective without coefficients, at the best intercept."""
    loss, y = LOSSES[problem.loss], response(problem)
    eta = np.zeros((len(y), problem.n_outputs, 1))
    if problem.intercept:
        eta += loss.null_intercept(y)
    return float(loss.value(y, eta)[0])


def response(problem: Problem) -> Array:
    """Return y as (n_rows, n_outputs, 1)."""
    y = np.load(Path(problem.folder) / "y.npy")
    Y = indicator(y, problem.n_classes) if problem.loss == "multinomial" else y[:, None]
    return Y[:, :, None]


def wide(X: Any) -> Any:
    """Return a block in float64, dense or sparse as it came."""
    return X if hasattr(X, "tocsr") else np.asarray(X, float)


def unsound(problem: Problem, seed: int = 0) -> str:
    """Return what is wrong with the judge on a problem, or an empty text.

    Whatever the coefficients, no lower bound may exceed any objective at the same alpha; at zero
    coefficients the objective is known, and is the minimum where alpha is large enough.
    """
    rng = np.random.default_rng(seed)
    sizes = np.array([0.0, 1e-3, 1e-2, 0.1, 1.0])
    shape = (problem.n_columns, problem.n_outputs, len(sizes))
    coef = rng.standard_normal(shape) * (rng.random(shape) < 0.2) * sizes
    intercept = rng.standard_normal(shape[1:]) * sizes * problem.intercept
    for alpha in (problem.alphas[0], problem.alphas[-1], 1e3 * problem.alphas[0]):
        judged = judge(problem, coef, intercept, np.full(len(sizes), alpha))
        if judged.dual.max() > min(judged.primal.min(), judged.null) * (1.0 + 1e-12):
            return f"alpha {alpha:g}: bound {judged.dual.max()} above {judged.primal.min()}"
    if abs(judged.dual.max() / judged.null - 1.0) > 1e-9:
        return f"alpha {alpha:g}: bound {judged.dual.max()} of a minimum of {judged.null}"
    return ""


class Bounds:
    """Best lower bounds of a case's objectives seen so far, kept beside its data."""

    def __init__(self, problem: Problem) -> None:
        self.path = Path(problem.folder) / f"bounds-{problem.case}.json"
        self.alphas = list(problem.alphas)
        self.best = np.full(len(problem.alphas), -np.inf)
        if self.path.exists():
            kept = json.loads(self.path.read_text())
            if kept["alphas"] == self.alphas:
                self.best = np.array(kept["best"])

    @property
    def known(self) -> bool:
        """True once every alpha has a bound."""
        return bool(np.isfinite(self.best).all())

    def raise_to(self, dual: Array, places: Array) -> None:
        """Take in lower bounds (K,) of the alphas at `places` (K,)."""
        np.maximum.at(self.best, places, dual)
        if self.known:
            self.path.write_text(json.dumps({"alphas": self.alphas, "best": self.best.tolist()}))
