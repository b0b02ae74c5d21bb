r"""What a mean Hessian by eta misses of coupled outputs: rows are not bent alike.

The Hessian of the loss over the coefficients is the mean of :math:`x x^T \otimes H(\eta)`, which is
:math:`G \otimes W`, with G and W the means of both factors, only where H does not depend on x.  It
depends on x through :math:`\eta = B^T x` alone.  For normal rows the mean is exactly

.. math:: G \otimes W + \sum_{ab} (G b_a)(G b_b)^T \otimes
    E\left[\frac{\partial^2 H}{\partial \eta_a \partial \eta_b}\right]

(Stein's identity, twice): what is missing lives on the images of the q predictors.  For other rows
the same term is chosen so that the curvature along the predictors themselves is exact, whatever the
classes do: along all steps :math:`B A` with A (q, q), and of the intercepts.

References
----------
Stein (1981), Estimation of the mean of a multivariate normal distribution, lemma 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from daskreg._typing import AnyArray, Float

#: Directions of predictors that are shorter than this share of the longest are rounding.
SHORT = 1e-6
#: Share of W that is left wherever something is taken away.
LEFT = 1e-3


@dataclass(frozen=True)
class Missing:
    r""":math:`E C E^T` with :math:`E = F \otimes I` for coefficients and I for intercepts.

    Its vectors would be q times as many as F has columns, and as long as all coefficients.

    Attributes
    ----------
    ways : array of shape (p, k)
        F: the images of k directions of the predictors.
    core : array of shape ((k + 1) q, (k + 1) q)
        C, symmetric, the intercepts last: zero there where none are fitted.
    """

    ways: Float
    core: Float

    @property
    def n_outputs(self) -> int:
        """q."""
        return len(self.core) // (self.ways.shape[1] + 1)

    def times(self, v: Float) -> Float:
        """The product with v of shape (p q + q, r)."""
        (p, k), q = self.ways.shape, self.n_outputs
        inside = (self.ways.T @ v[:-q].reshape(p, -1)).reshape(k * q, -1)
        turned = self.core @ np.concatenate([inside, v[-q:]])
        outside = self.ways @ turned[: k * q].reshape(k, -1)
        return np.concatenate([outside.reshape(p * q, -1), turned[k * q :]])

    def rows(self, active: AnyArray) -> Float:
        """Rows of E of the coefficients ``active``, (n_active, k q)."""
        k, q = self.ways.shape[1], self.n_outputs
        feature, output = np.divmod(active, q)
        rows = np.zeros((len(active), k, q))
        rows[np.arange(len(active)), :, output] = self.ways[feature]
        return rows.reshape(len(active), k * q)


@dataclass(frozen=True)
class Bent:
    """What a pass has told of the loss's Hessian along the predictors of one problem.

    Attributes
    ----------
    coef : array of shape (p, q)
    intercept : array of shape (q,)
    means : array of shape (q + 1, q + 1, q, q)
        Weighted means of ``t_a t_b H_cd``, t being eta with a 1 behind it.
    fit_intercept : bool
    """

    coef: Float
    intercept: Float
    means: Float
    fit_intercept: bool = True

    def missing(self, images: Float, whole: Float) -> Missing:
        """What ``G kron W`` lacks.

        Parameters
        ----------
        images : array of shape (p, q)
            ``G @ coef``.
        whole : array of shape (q, q)
            W as it is used, positive definite: so is the sum, then.
        """
        q = self.coef.shape[1]
        length, basis = np.linalg.eigh(self.coef.T @ images)
        kept = length > SHORT * max(float(length[-1]), np.finfo(np.float64).tiny)
        root = basis[:, kept] / np.sqrt(length[kept])
        k = root.shape[1]
        place = self._place(root)
        own = np.einsum("ae,bf,efcd->acbd", place, place, self.means, optimize=True)
        own -= np.multiply.outer(np.eye(len(place)), self.means[q, q]).transpose(0, 2, 1, 3)
        matrix = own.reshape(q * len(place), q * len(place))
        matrix = 0.5 * (matrix + matrix.T)
        core = np.zeros(((k + 1) * q, (k + 1) * q))
        core[: len(matrix), : len(matrix)] = _share_that_leaves(matrix, whole) * matrix
        return Missing(images @ root, core)

    def _place(self, root: Float) -> Float:
        """From eta and a 1 to predictors of unit length without intercepts, and to the 1."""
        q, k = root.shape
        place = np.zeros((k + self.fit_intercept, q + 1))
        place[:k, :q], place[:k, q] = root.T, -self.intercept @ root
        place[k:, q] = 1.0
        return place


def _share_that_leaves(matrix: Float, whole: Float) -> float:
    """Return the largest t up to 1 for which ``I x W + t matrix`` is no less than ``LEFT I x W``.

    Parameters
    ----------
    matrix : array of shape (k q, k q)
    whole : array of shape (q, q)
        W.
    """
    q = len(whole)
    if not len(matrix):
        return 1.0
    own, basis = np.linalg.eigh(whole)
    outer = basis / np.sqrt(np.maximum(own, np.finfo(np.float64).tiny))
    blocks = matrix.reshape(-1, q, len(matrix) // q, q)
    scaled = np.einsum("ce,acbd,df->aebf", outer, blocks, outer, optimize=True)
    least = float(np.linalg.eigvalsh(scaled.reshape(matrix.shape))[0])
    return min(1.0, (1.0 - LEFT) / -least) if least < 0 else 1.0
