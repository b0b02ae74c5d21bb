"""The metric of a quasi-Newton step: a model of the curvature and the turns of the gradients."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from daskreg._typing import AnyArray, Float

from .bent import Missing
from .cholesky import factor_of, solved
from .curvature import Curvature

#: A pair whose curvature is below this share of the metric's own along the step tells nothing.
LEAST_TURN = 1e-8


@dataclass(frozen=True)
class Metric:
    r"""``B = factor (C + M) + U diag(sign) U'`` over flattened coordinates; never held as a matrix.

    C is the model of the curvature, M what it knows itself to miss.  U holds the BFGS updates of
    the pairs, two vectors for each: with B the metric so far,

    .. math:: B_+ = B + \frac{y y^T}{s^T y} - \frac{B s\, s^T B}{s^T B s}.

    Attributes
    ----------
    curvature : Curvature
    vectors : array of shape (n, r)
    sign : array of shape (r,)
    factor : float
    missing : Missing or None

    References
    ----------
    Byrd, Nocedal and Schnabel (1994), Representations of quasi-Newton matrices and their use in
    limited memory methods, section 2 (eq. 2.4, here unrolled: the sum of rank-one terms lets a
    pair be judged by the metric that it meets).
    """

    curvature: Curvature
    vectors: Float
    sign: Float
    factor: float = 1.0
    missing: Missing | None = None

    @classmethod
    def of(cls, curvature: Curvature, steps: Float, turns: Float) -> Metric:
        """The curvature, updated by pairs (n_pairs, n), oldest first."""
        none = np.zeros((len(curvature.diagonal), 0)), np.zeros(0)
        plain = cls(curvature, *none, missing=curvature.missing)
        if not len(steps):
            return plain
        images = plain.times(steps.T)
        vectors: list[Float] = []
        signs: list[float] = []
        for step, turn, image in zip(steps, turns, images.T, strict=True):
            for vector, sign in zip(vectors, signs, strict=True):
                image = image + sign * (vector @ step) * vector
            own, met = step @ image, step @ turn
            if not (own > 0.0 and met > LEAST_TURN * own):
                continue
            vectors += [turn / np.sqrt(met), image / np.sqrt(own)]
            signs += [1.0, -1.0]
        if not vectors:
            return plain
        return replace(plain, vectors=np.stack(vectors, axis=1), sign=np.array(signs))

    @property
    def n_outputs(self) -> int:
        return self.curvature.n_outputs

    @property
    def plain(self) -> Metric:
        """Without the pairs, and what the curvature misses."""
        return replace(self, vectors=self.vectors[:, :0], sign=self.sign[:0], missing=None)

    def ridged(self, factor: float) -> Metric:
        """With ``factor`` times the ridge of its curvature, and no pairs."""
        return replace(self.plain, curvature=self.curvature.ridged(factor))

    def stiffened(self, factor: float) -> Metric:
        """``factor`` times this metric."""
        return replace(self, factor=self.factor * factor, vectors=self.vectors * np.sqrt(factor))

    @property
    def diagonal(self) -> Float:
        """Diagonal of the first term, (n,)."""
        return self.factor * self.curvature.diagonal

    def times(self, v: Float) -> Float:
        """``B v`` for v of shape (n, ...)."""
        product = self.curvature.times(v)
        if self.missing is not None:
            product += self.missing.times(v.reshape(len(v), -1)).reshape(v.shape)
        product *= self.factor
        return np.asarray(product + self.vectors @ (self.sign * (self.vectors.T @ v).T).T)

    def reduced(self, active: AnyArray) -> Reduced:
        """The active coefficients once the intercepts follow them at their optimum."""
        q = self.n_outputs
        block = self.curvature.block(active)
        block *= self.factor
        coupling = self.factor * self.curvature.coupling(active)
        own = self.factor * self.curvature.own
        if len(self.sign):
            signed, last = self.vectors * self.sign, self.vectors[-q:].T
            block += signed[active] @ self.vectors[active].T
            coupling += signed[active] @ last
            own += signed[-q:] @ last
        if self.missing is not None:
            rows, core = self.missing.rows(active), self.factor * self.missing.core
            k = rows.shape[1]
            block += rows @ core[:k, :k] @ rows.T
            coupling += rows @ core[:k, k:]
            own += core[k:, k:]
        factor = factor_of(own)
        block -= coupling @ solved(factor, coupling.T)
        return Reduced(np.ascontiguousarray(block), coupling, factor)


@dataclass(frozen=True)
class Reduced:
    """A quadratic over the active coefficients, its intercepts eliminated.

    Attributes
    ----------
    block : array of shape (n_active, n_active), C-contiguous
        ``B_AA - B_A0 inv(B_00) B_0A``.
    coupling : array of shape (n_active, q)
        ``B_A0``.
    factor : array of shape (q, q)
        Cholesky factor of ``B_00``.
    """

    block: Float
    coupling: Float
    factor: Float

    def slope(self, grad: Float, intercept_grad: Float) -> Float:
        """Gradient by the active coefficients, (n_active,), the intercepts at their optimum."""
        return grad - self.coupling @ solved(self.factor, intercept_grad)

    def intercept_step(self, move: Float, intercept_grad: Float) -> Float:
        """Where the intercepts go, (q,), when the active coefficients move."""
        return -solved(self.factor, intercept_grad + self.coupling.T @ move)
