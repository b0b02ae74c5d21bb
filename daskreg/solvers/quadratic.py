"""K least-squares problems that share a Gram matrix, in memory: value, gradient, bound."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.linalg

from daskreg._typing import AnyArray, Float
from daskreg.penalties import ElasticNet

from .cholesky import factor_of, solved
from .factored import Factored

EPS = float(np.finfo(np.float64).eps)
#: Columns shorter than this share of the longest one are rounding.
SHORT = 1e-14
#: Gradient entries of unpenalised columns below this share of sqrt(G_jj yy) are rounding.
ROUNDING = 1e-13
#: A support larger than this is not refined by direct solves.
LARGEST_SUPPORT = 3000


@dataclass(frozen=True)
class Quadratic:
    r"""``value_k(b) = yy_k / 2 - c_k'b + b'G b / 2``.

    Attributes
    ----------
    G : array of shape (n_features, n_features), C-contiguous, or Factored
        The matrix, or the few rows that it is the product of.
    c : array of shape (n_features, n_problems)
    yy : array of shape (n_problems,)
    output : array of int, shape (n_problems,)
        Problems with equal numbers may start from each other's solutions.
    """

    G: Float | Factored
    c: Float
    yy: Float
    output: npt.NDArray[np.intp]

    @property
    def diagonal(self) -> Float:
        """Of G, shape (n_features,)."""
        return self.G.squares if isinstance(self.G, Factored) else self.G.diagonal()

    def matrix(self) -> Float:
        """G as an array, multiplied now if need be."""
        return self.G.matrix() if isinstance(self.G, Factored) else self.G

    def block(self, members: AnyArray) -> Float:
        """Some rows and the same columns of G."""
        if isinstance(self.G, Factored):
            return self.G.block(members)
        return self.G[np.ix_(members, members)]

    def take(self, columns: npt.ArrayLike) -> Quadratic:
        index = np.asarray(columns)
        return Quadratic(self.G, self.c[:, index], self.yy[index], self.output[index])

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
        return self.gap_at(penalty, coef, self.grad(coef))

    def gap_at(self, penalty: ElasticNet, coef: Float, grad: Float) -> Float:
        """The same where the gradient is known."""
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
        noise = ROUNDING * np.sqrt(np.maximum(self.diagonal[:, None] * self.yy, 0.0))
        for members, columns in _groups(free & (coef > 0) if penalty.positive else free):
            move = _solve_semidefinite(self.block(members), -grad[np.ix_(members, columns)])
            coef[np.ix_(members, columns)] += move
            spread = np.zeros((len(coef), len(columns)))
            spread[members] = move
            grad[:, columns] += self.G @ spread
        grad[free & (np.abs(grad) <= noise)] = 0.0
        return coef, grad


@dataclass(frozen=True)
class Quadratics:
    """K least-squares problems over several Gram matrices, one for each weighting of the rows.

    Attributes
    ----------
    parts : tuple of Quadratic
    columns : tuple of ndarray of int
        The problems of each part, in its order; every problem belongs to one part.
    """

    parts: tuple[Quadratic, ...]
    columns: tuple[npt.NDArray[np.intp], ...]

    def take(self, columns: npt.ArrayLike) -> Quadratics:
        index = np.asarray(columns)
        parts, places = [], []
        for part, own in zip(self.parts, self.columns, strict=True):
            here = np.flatnonzero(np.isin(index, own))
            if here.size:
                parts.append(part.take(np.searchsorted(own, index[here])))
                places.append(here)
        return Quadratics(tuple(parts), tuple(places))

    def recentred(self, coef: Float, value: Float, grad: Float) -> Quadratics:
        """The same Gram matrices with the exact value and gradient at ``coef``, problems last."""
        moved = [
            part.recentred(coef[:, own], value[own], grad[:, own])
            for part, own in zip(self.parts, self.columns, strict=True)
        ]
        return replace(self, parts=tuple(moved))


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
        return solved(factor_of(matrix), right)
    except np.linalg.LinAlgError:
        return least_norm(matrix, right)


def least_norm(matrix: Float, right: Float, rounding: float = 0.0) -> Float:
    """Solve ``matrix @ b = right`` for b of least norm; shape (p, K).

    What is singular is judged after scaling to a unit diagonal, so the units of columns do not
    matter.

    Parameters
    ----------
    matrix : array of shape (p, p)
        Positive semidefinite.
    right : array of shape (p, K)
        In the range of the matrix, but for rounding.
    rounding : float
        Relative error of the entries; machine precision at least.
    """
    size = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    longest = float(size.max(initial=0.0))
    scale = np.where(size > SHORT * longest, size, longest or 1.0)[:, None]
    values, vectors = scipy.linalg.eigh(matrix / (scale * scale.T))
    cutoff = max(rounding, EPS) * len(values) * float(values.max(initial=0.0))
    seen = values > cutoff
    directions = vectors[:, seen]

    def inverted(rest: Float) -> Float:
        inside = (directions.T @ (rest / scale)) / values[seen, None]
        return np.asarray(directions @ inside) / scale

    coef = inverted(right)
    if not seen.all():
        basis = np.linalg.qr(vectors[:, ~seen] / scale)[0]
        coef = coef - basis @ (basis.T @ coef)
        coef = coef + inverted(right - matrix @ coef)  # what rounding of the projection has moved
    return coef


#: Up to this many different alphas a Cholesky factor each is cheaper than all eigenvectors.
FEW_ALPHAS = 6


#: ... unless an alpha is below this share of the largest eigenvalue, which blurs the others.
BLUR = 1e-8


def solve_ridge(model: Quadratic, penalty: ElasticNet, rounding: float = 0.0) -> Float:
    """Solve problems without L1 directly, shape (n_features, n_problems).

    One Cholesky factor per alpha when there are few, one eigendecomposition when there are many.
    Where alpha is 0 and columns are collinear, the solution of least norm.
    """
    coef, G = np.zeros_like(model.c), model.matrix()
    weight = np.ones(len(coef)) if penalty.penalty_weight is None else penalty.penalty_weight
    plain = np.flatnonzero(penalty.alpha == 0)
    if plain.size:
        coef[:, plain] = least_norm(G, model.c[:, plain], rounding)
    ridged = np.flatnonzero(penalty.alpha > 0)
    levels = np.unique(penalty.alpha[ridged])
    if levels.size > FEW_ALPHAS and (weight > 0).all():
        root = np.sqrt(weight)[:, None]
        values, vectors = scipy.linalg.eigh(G / (root * root.T))
        if levels[0] >= BLUR * values.max(initial=0.0):
            inside = vectors.T @ (model.c[:, ridged] / root)
            shifted = np.maximum(values, 0.0)[:, None] + penalty.alpha[ridged]
            coef[:, ridged] = vectors @ (inside / shifted) / root
            return coef
    for level in levels:
        columns = np.flatnonzero(penalty.alpha == level)
        ridge = G + np.diag(level * weight)
        coef[:, columns] = _solve_semidefinite(ridge, model.c[:, columns])
    return coef
