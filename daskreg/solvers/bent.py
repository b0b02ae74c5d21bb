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

from daskreg._typing import Float

#: Directions of predictors that are shorter than this share of the longest are rounding.
SHORT = 1e-6
#: Eigenvalues of what is missing that are worth a vector, as a share of the size of W.
WORTH = 1e-3
#: Share of W that is left wherever something is taken away: what was dropped is no vector's.
LEFT = 1e-3


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

    def missing(self, images: Float, whole: Float) -> tuple[Float, Float]:
        r"""Return vectors U (p q + q, r) and signs (r,) for :math:`U\,diag(sign)\,U^T`.

        Parameters
        ----------
        images : array of shape (p, q)
            ``G @ coef``.
        whole : array of shape (q, q)
            W as it is used, positive definite: so is the sum, then.
        """
        p, q = self.coef.shape
        mean = self.means[q, q]
        length, basis = np.linalg.eigh(self.coef.T @ images)
        kept = length > SHORT * max(float(length[-1]), np.finfo(np.float64).tiny)
        root = basis[:, kept] / np.sqrt(length[kept])
        k = root.shape[1]
        place = self._place(root)
        own = np.einsum("ae,bf,efcd->acbd", place, place, self.means, optimize=True)
        own -= np.multiply.outer(np.eye(len(place)), mean).transpose(0, 2, 1, 3)
        matrix = own.reshape(q * len(place), q * len(place))
        size, turn = np.linalg.eigh(0.5 * (matrix + matrix.T))
        worth = np.abs(size) > WORTH * np.trace(mean) / q
        size, turn = size[worth], turn[:, worth]
        size = size * _share_that_leaves(turn, size, whole)
        ways = turn.reshape(len(place), q, -1)
        low = ways[k] if self.fit_intercept else np.zeros((q, len(size)))
        high = (images @ root) @ ways[:k].reshape(k, -1)
        vectors = np.concatenate([high.reshape(p * q, -1), low])
        return vectors * np.sqrt(np.abs(size)), np.sign(size)

    def _place(self, root: Float) -> Float:
        """From eta and a 1 to predictors of unit length without intercepts, and to the 1."""
        q, k = root.shape
        place = np.zeros((k + self.fit_intercept, q + 1))
        place[:k, :q], place[:k, q] = root.T, -self.intercept @ root
        place[k:, q] = 1.0
        return place


def _share_that_leaves(turn: Float, size: Float, whole: Float) -> float:
    """Return the largest t up to 1 that leaves ``LEFT`` of W everywhere.

    For it ``I x W + t V diag(size) V'`` is no smaller than ``LEFT`` times ``I x W``.

    Parameters
    ----------
    turn : array of shape (k q, r)
        V, orthonormal.
    size : array of shape (r,)
    whole : array of shape (q, q)
        W.
    """
    if not (size < 0).any():
        return 1.0
    own, basis = np.linalg.eigh(whole)
    outer = basis / np.sqrt(np.maximum(own, np.finfo(np.float64).tiny))
    scaled = np.einsum("cd,acr->adr", outer, turn.reshape(-1, len(whole), len(size)))
    flat = scaled.reshape(-1, len(size))
    least = float(np.linalg.eigvalsh((flat * size) @ flat.T)[0])
    return min(1.0, (1.0 - LEFT) / -least) if least < 0 else 1.0
