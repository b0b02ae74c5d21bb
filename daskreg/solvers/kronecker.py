"""A Kronecker product and what is added to it: no matrix of all coordinates is made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from daskreg._typing import Float

from .cholesky import factor_of, solved

#: Products that the largest eigenvalue takes, and the share that is added: it is met from below.
POWERS, MARGIN = 8, 1.1


@dataclass(frozen=True)
class Kronecker:
    r""":math:`B = G \otimes W + E C E^T`, positive definite, over m features and q outputs.

    :math:`E = (F \otimes I, V)`.

    Attributes
    ----------
    G : array of shape (m, m), C-contiguous
    W : array of shape (q, q)
    ways : array of shape (m, k)
        F.
    vectors : array of shape (m q, r)
        V.
    core : array of shape (k q + r, k q + r)
        C, symmetric.
    """

    G: Float
    W: Float
    ways: Float
    vectors: Float
    core: Float

    def times(self, v: Float) -> Float:
        """``B v`` for v of shape (m, q)."""
        return np.asarray(self.G @ v @ self.W + self.outside(self.core @ self.inside(v)))

    def inside(self, v: Float) -> Float:
        """``E' v``, (k q + r,), for v of shape (m, q)."""
        return np.concatenate([(self.ways.T @ v).ravel(), self.vectors.T @ v.ravel()])

    def outside(self, z: Float) -> Float:
        """``E z``, (m, q), for z of shape (k q + r,)."""
        q = len(self.W)
        n = self.ways.shape[1] * q
        own = self.ways @ z[:n].reshape(-1, q)
        return np.asarray(own + (self.vectors @ z[n:]).reshape(own.shape))

    @cached_property
    def diagonal(self) -> Float:
        """Shape (m, q).

        Raises
        ------
        LinAlgError
            Where rounding of the low rank has left nothing positive.
        """
        (m, k), q = self.ways.shape, len(self.W)
        diagonal = np.outer(np.diag(self.G), np.diag(self.W))
        vectors = self.vectors.reshape(m, q, -1)
        rest = np.arange(k * q, len(self.core))
        for c in range(q):
            rows = np.hstack([self.ways, vectors[:, c]])
            places = np.concatenate([np.arange(k) * q + c, rest])
            diagonal[:, c] += ((rows @ self.core[np.ix_(places, places)]) * rows).sum(axis=1)
        if not (diagonal > 0.0).all():
            raise np.linalg.LinAlgError("a diagonal entry is not positive")
        return diagonal

    @cached_property
    def _factors(self) -> tuple[Float, Float]:
        return factor_of(self.G), np.asarray(np.linalg.inv(self.W))

    def plainly_solved(self, v: Float) -> Float:
        """``inv(G kron W) v`` for v of shape (m, q)."""
        factor, inverse = self._factors
        return solved(factor, v @ inverse)

    @cached_property
    def stretch(self) -> float:
        """How many times its diagonal B is at most, about: the largest eigenvalue of the scaled."""
        root = 1.0 / np.sqrt(self.diagonal)
        v = np.random.default_rng(0).standard_normal(root.shape)
        length = 1.0
        for _ in range(POWERS):
            v = root * self.times(root * (v / length))
            length = float(np.linalg.norm(v))
        return MARGIN * length

    @cached_property
    def low(self) -> tuple[Float, Float]:
        """E, shape (m q, k q + r), and ``E C``: large, where those of F and V are not."""
        (m, k), q = self.ways.shape, len(self.W)
        own = np.einsum("ja,cd->jcad", self.ways, np.eye(q)).reshape(m * q, k * q)
        E = np.hstack([own, self.vectors])
        return E, E @ self.core
