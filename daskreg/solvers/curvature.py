"""How bent the smooth part of one problem is at one point: a Hessian, or what stands in for it.

Coordinates are flattened: coefficient (j, c) of feature j and output c is number ``j q + c``, and
the q intercepts come last.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float

from .bent import Bent, Missing

#: Added to the diagonal, relative to it: a matrix of few or collinear rows is singular, and so is
#: that of classes whose unpenalised intercepts may all move together.
RIDGE = 1e-6


class Curvature(ABC):
    """A symmetric matrix over the flattened coordinates of one problem; never held whole.

    Attributes
    ----------
    n_outputs : int
        q.
    lift : float
        Share of the diagonal that is added to it.
    """

    n_outputs: int
    lift: float

    def ridged(self, factor: float) -> Self:
        """Return the matrix with ``factor`` times the ridge."""
        fields: Any = self
        return cast(Self, replace(fields, lift=factor * self.lift))

    @property
    @abstractmethod
    def bare(self) -> Float:
        """Diagonal over the coefficients without any ridge, (p q,); 0: the column is constant."""

    @property
    @abstractmethod
    def own(self) -> Float:
        """The intercepts' own block, (q, q), positive definite."""

    @property
    @abstractmethod
    def scale(self) -> float:
        """Size of the loss's second derivative by eta, for whatever has no size of its own."""

    @property
    def shrinkage(self) -> float:
        """Share of ``bare`` that is still to be added to it."""
        return self.lift

    @abstractmethod
    def _image(self, v: Float) -> tuple[Float, Float]:
        """Without the ridge: coefficients (p q, r) and intercepts (q, r) of the product."""

    @abstractmethod
    def _block(self, active: AnyArray) -> Float:
        """Without the ridge: rows and columns ``active``, a fresh array."""

    @abstractmethod
    def coupling(self, active: AnyArray) -> Float:
        """Between the coefficients ``active`` and the intercepts, (n_active, q)."""

    @cached_property
    def ridge(self) -> Float:
        """What is added to the diagonal, (p q,); constant columns get a harmless size."""
        return np.where(self.bare > 0.0, self.shrinkage * self.bare, self.scale)

    @cached_property
    def diagonal(self) -> Float:
        """Shape (p q + q,), positive."""
        return np.append(self.bare + self.ridge, np.diag(self.own))

    @property
    def movable(self) -> npt.NDArray[np.bool_]:
        """Coefficients whose column varies, (p q,); the others take no step."""
        return self.bare > 0.0

    def times(self, v: Float) -> Float:
        """Product with v of shape (p q + q,) or (p q + q, r)."""
        columns = v.reshape(len(v), -1)
        coef, intercept = self._image(columns)
        coef = coef + self.ridge[:, None] * columns[: len(coef)]
        return np.concatenate([coef, intercept]).reshape(v.shape)

    def block(self, active: AnyArray) -> Float:
        """Rows and columns of the coefficients ``active``, (n_active, n_active)."""
        block = self._block(active)
        block.flat[:: len(active) + 1] += self.ridge[active]
        return block

    @property
    def missing(self) -> Missing | None:
        """What the matrix is known to lack."""
        return None

    def factors(self, features: AnyArray) -> tuple[Float, Float] | None:
        """Symmetric (m, m) and (q, q) whose Kronecker product is the block of all coefficients of
        m varying features; None: it is no such product."""
        return None


@dataclass(frozen=True)
class GramCurvature(Curvature):
    r""":math:`(D G D + ridge) \otimes W`: one Gram matrix for all, and how bent the loss is.

    Columns are centred where there is an intercept, so that intercepts stand apart.

    Attributes
    ----------
    G : array of shape (p, p)
        Shared by all problems.
    mean : array of shape (q, q)
        W, the weighted mean of the loss's Hessian by eta, positive definite.
    factor : array of shape (p,) or None
        D: from the coordinates of G to those of the problem; 0 for what is constant there.
    known : Bent or None
        What is known of the loss's Hessian beyond its mean.
    lift : float
        Share of the Gram matrix's diagonal that is added to it.
    """

    G: Float
    mean: Float
    factor: Float | None = None
    known: Bent | None = None
    lift: float = RIDGE

    @property
    def n_outputs(self) -> int:  # type: ignore[override]
        return len(self.mean)

    @property
    def missing(self) -> Missing | None:
        if self.known is None:
            return None
        return self.known.missing(self._product(self.known.coef), self.mean)

    @cached_property
    def squares(self) -> Float:
        """Diagonal of D G D, (p,)."""
        return np.diag(self.G) if self.factor is None else np.diag(self.G) * self.factor**2

    @cached_property
    def bare(self) -> Float:
        return np.outer((1.0 + self.lift) * self.squares, np.diag(self.mean)).ravel()

    @property
    def own(self) -> Float:
        return self.mean

    @property
    def scale(self) -> float:
        return float(np.trace(self.mean)) / len(self.mean)

    @property
    def shrinkage(self) -> float:
        return 0.0  # it is in the Gram matrix already

    def _image(self, v: Float) -> tuple[Float, Float]:
        q = self.n_outputs
        coef = self._product(v[:-q].reshape(len(self.G), -1))
        return times_outputs(self.mean, coef, v.shape[1]), self.mean @ v[-q:]

    def _product(self, columns: Float) -> Float:
        """The Gram matrix with its ridge times columns (p, r)."""
        if self.factor is None:
            product = self.G @ columns
        else:
            product = self.factor[:, None] * (self.G @ (self.factor[:, None] * columns))
        product += (self.lift * self.squares)[:, None] * columns
        return np.asarray(product)

    def _block(self, active: AnyArray) -> Float:
        q = self.n_outputs
        if q == 1:
            return self._gram(active) * self.mean[0, 0]
        feature, output = np.divmod(active, q)
        used, place = np.unique(feature, return_inverse=True)
        return self._gram(used)[np.ix_(place, place)] * self.mean[np.ix_(output, output)]

    def factors(self, features: AnyArray) -> tuple[Float, Float] | None:
        return self._gram(features), self.mean

    def _gram(self, features: AnyArray) -> Float:
        """Rows and columns of the Gram matrix with its ridge, a fresh array."""
        block = self.G[np.ix_(features, features)]
        if self.factor is not None:
            block *= self.factor[features]
            block *= self.factor[features, None]
        block[np.diag_indices(len(features))] += self.lift * self.squares[features]
        return block

    def coupling(self, active: AnyArray) -> Float:
        return np.zeros((len(active), self.n_outputs))


def times_outputs(mean: Float, coef: Float, n_columns: int) -> Float:
    """``(I kron mean) coef`` for coef of shape (p, q r), as (p q, r)."""
    q = len(mean)
    if q == 1:
        return np.asarray(mean[0, 0] * coef)
    bent = np.einsum("cd,jdr->jcr", mean, coef.reshape(-1, q, n_columns), optimize=True)
    return np.asarray(bent).reshape(-1, n_columns)


def definite(mean: Float, least: float) -> Float:
    """Return the symmetric (q, q) matrix with a ridge, and no smaller than ``least``.

    One output: ``max(mean, least)``.
    """
    if mean.shape == (1, 1):
        return np.fmax(mean, least)
    size = max(float(np.trace(mean)) / len(mean), least)
    return mean + max(RIDGE * size, least) * np.eye(len(mean))
