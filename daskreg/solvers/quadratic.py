"""K least-squares problems that share a Gram matrix, in memory: value, gradient, bound."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.linalg

from daskreg._typing import AnyArray, Float
from daskreg.penalties import ElasticNet

#: Gradient entries of unpenalised columns below this share of sqrt(G_jj yy) are rounding.
ROUNDING = 1e-13


@dataclass(frozen=True)
class Quadratic:
    r"""``value_k(b) = yy_k / 2 - c_k'b + b'G b / 2``.

    Attributes
    ----------
    G : array of shape (n_features, n_features), C-contiguous
    c : array of shape (n_features, n_problems)
    yy : array of shape (n_problems,)
    output : array of int, shape (n_problems,)
        Problems with equal numbers may start from each other's solutions.
    """

    G: Float
    c: Float
    yy: Float
    output: npt.NDArray[np.intp]

    def take(self, columns: npt.ArrayLike) -> Quadratic:
        index = np.asarray(columns)
        return replace(self, c=self.c[:, index], yy=self.yy[index], output=self.output[index])

    def grad(self, coef: Float) -> Float:
        """Shape (n_features, n_problems)."""
        return self.G @ coef - self.c

    def value(self, coef: Float, grad: Float) -> Float:
        """Half the mean squared residual, shape (n_problems,)."""
        return 0.5 * (self.yy - (self.c * coef).sum(axis=0) + (coef * grad).sum(axis=0))

    def recentred(self, coef: Float, value: Float, grad: Float) -> Quadratic:
        """The quadratic with this Gram matrix and the exact value and gradient at ``coef``."""
        product = self.G @ coef
        c = product - grad
        yy = 2.0 * value - (coef * product).sum(axis=0) + 2.0 * (c * coef).sum(axis=0)
        return replace(self, c=c, yy=yy)

    def gap(self, penalty: ElasticNet, coef: Float) -> Float:
        """Objective minus the bound from the residuals at ``coef``, shape (n_problems,)."""
        grad = self.grad(coef)
        objective = self.value(coef, grad) + penalty.value(coef[:, None, :])
        return objective - self.bound(penalty, coef, grad)

    def bound(self, penalty: ElasticNet, coef: Float, grad: Float) -> Float:
        """Lower bound of each optimum, shape (n_problems,).

        Residuals must be orthogonal to unpenalised columns, so those columns are refitted first:
        the residuals' projection costs a solve with their block of G.
        """
        coef, grad = self._refit_free(penalty, coef, grad)
        fit = (self.c * coef).sum(axis=0)
        linear = self.yy - fit
        quadratic = np.maximum(linear + (coef * grad).sum(axis=0), 0.0)
        return penalty.best_dual(linear, quadratic, -grad[:, None, :])

    def _refit_free(self, penalty: ElasticNet, coef: Float, grad: Float) -> tuple[Float, Float]:
        free = (penalty.l1 + penalty.l2)[:, 0, :] == 0
        if not free.any():
            return coef, grad
        free = np.broadcast_to(free, coef.shape)
        coef, grad = coef.copy(), grad.copy()
        noise = ROUNDING * np.sqrt(np.maximum(np.diag(self.G)[:, None] * self.yy, 0.0))
        for members, columns in _groups(free & (coef > 0) if penalty.positive else free):
            block = self.G[np.ix_(members, members)]
            move = _solve_semidefinite(block, -grad[np.ix_(members, columns)])
            coef[np.ix_(members, columns)] += move
            grad[:, columns] += self.G[:, members] @ move
        grad[free & (np.abs(grad) <= noise)] = 0.0
        return coef, grad


def _groups(free: npt.NDArray[np.bool_]) -> list[tuple[AnyArray, AnyArray]]:
    """Problems by their set of unpenalised columns: (members, problems)."""
    patterns, which = np.unique(free, axis=1, return_inverse=True)
    which = which.reshape(-1)
    return [
        (np.flatnonzero(patterns[:, g]), np.flatnonzero(which == g))
        for g in range(patterns.shape[1])
        if patterns[:, g].any()
    ]


def _solve_semidefinite(matrix: Float, right: Float) -> Float:
    try:
        return np.asarray(scipy.linalg.cho_solve(scipy.linalg.cho_factor(matrix), right))
    except np.linalg.LinAlgError:
        return Spectrum.of(matrix).solve(right, np.zeros(right.shape[1]))


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues and vectors of a positive semidefinite matrix.

    ``cutoff``: eigenvalues up to here are zero as far as rounding lets us see.
    """

    values: Float
    vectors: Float
    cutoff: float

    @classmethod
    def of(cls, matrix: Float, rounding: float = 0.0) -> Spectrum:
        """``rounding`` is the relative error of the entries."""
        values, vectors = scipy.linalg.eigh(matrix)
        values = np.maximum(values, 0.0)
        relative = max(rounding, float(np.finfo(float).eps)) * len(values)
        return cls(values, vectors, relative * float(values.max(initial=0.0)))

    def solve(self, right: Float, shift: Float) -> Float:
        """Solve ``(matrix + shift_k) b_k = right_k``; right is (p, K), shift (K,).

        Of least norm where the shift is 0 and the matrix singular.
        """
        divisor = self.values[:, None] + shift
        usable = (self.values[:, None] > self.cutoff) | (shift > 0)
        inside = self.vectors.T @ right
        scaled = np.divide(inside, divisor, out=np.zeros_like(inside), where=usable)
        return np.asarray(self.vectors @ scaled)


#: Up to this many different alphas a Cholesky factor each is cheaper than all eigenvectors.
FEW_ALPHAS = 6


def solve_ridge(model: Quadratic, penalty: ElasticNet, rounding: float = 0.0) -> Float:
    """Solve problems without L1 directly, shape (n_features, n_problems).

    One Cholesky factor per alpha when there are few, one eigendecomposition when there are many.
    Where alpha is 0 and columns are collinear, the solution of least norm.
    """
    coef = np.zeros_like(model.c)
    weight = np.ones(len(coef))
    if penalty.penalty_weight is not None:
        weight = np.asarray(penalty.penalty_weight, dtype=np.float64)
    alpha = penalty.alpha
    plain = np.flatnonzero(alpha == 0)
    if plain.size:
        spectrum = Spectrum.of(model.G, rounding)
        coef[:, plain] = spectrum.solve(model.c[:, plain], np.zeros(plain.size))
    ridged = np.flatnonzero(alpha > 0)
    levels = np.unique(alpha[ridged])
    if levels.size > FEW_ALPHAS and (weight > 0).all():
        root = np.sqrt(weight)[:, None]
        spectrum = Spectrum.of(model.G / (root * root.T))
        coef[:, ridged] = spectrum.solve(model.c[:, ridged] / root, alpha[ridged]) / root
        return coef
    for level in levels:
        columns = np.flatnonzero(alpha == level)
        shifted = model.G + np.diag(level * weight)
        coef[:, columns] = _solve_semidefinite(shifted, model.c[:, columns])
    return coef
