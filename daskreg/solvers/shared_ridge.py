"""Ridge steps of many problems that share a Gram matrix: one eigendecomposition for all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from daskreg._typing import Float

from .curvature import RIDGE
from .metric import Metric

#: Problems, and columns, from which one eigendecomposition is cheaper than a factor of each.
MANY, WIDE = 8, 400
#: Relative residual above which a step is refused: rounding of the low-rank correction.
RESIDUAL = 1e-8


@dataclass(frozen=True)
class SharedRidge:
    r"""Solves ``(factor w (G + ridge) + l2 I + U diag(sign) U') d = -slope`` for any w, l2 and U.

    With :math:`G + ridge = V \Lambda V^T` the first two terms are diagonal in V, and the low rank
    of the pairs is put right by the identity of Sherman, Morrison and Woodbury.

    Attributes
    ----------
    values : array of shape (p,)
    vectors : array of shape (p, p)

    References
    ----------
    Golub and Van Loan (2013), Matrix computations, eq. 2.1.4.
    """

    values: Float
    vectors: Float

    @classmethod
    def of(cls, G: Float) -> SharedRidge:
        diagonal = np.diag(G)
        ridge = np.where(diagonal > 0.0, RIDGE * diagonal, 1.0)
        return cls(*scipy.linalg.eigh(G + np.diag(ridge)))

    def step(self, metric: Metric, l2: float, mean: float, slope: Float) -> Float | None:
        """Return the step (p + 1,), the intercept last; None where rounding spoils it.

        Parameters
        ----------
        metric : Metric
            Of a Gram matrix with one output and mean curvature ``mean``, and its pairs.
        l2 : float
            Added to the diagonal of the coefficients.
        mean : float
        slope : array of shape (p + 1,)
            Gradient of everything at the current point.
        """
        scale = metric.factor * mean

        def solved(right: Float) -> Float:
            inside = self.vectors.T @ right[:-1] / (scale * self.values + l2)[:, None]
            return np.concatenate([self.vectors @ inside, right[-1:] / scale])

        U, sign = metric.vectors, metric.sign
        plain = solved(np.column_stack([-slope, U]))
        step, images = plain[:, 0], plain[:, 1:]
        if len(sign):
            try:
                inner = np.linalg.solve(np.diag(sign) + U.T @ images, U.T @ step)
            except np.linalg.LinAlgError:
                return None
            step = step - images @ inner
        left = metric.times(step) + slope
        left[:-1] += l2 * step[:-1]
        size = float(np.abs(slope).max(initial=0.0))
        return step if np.abs(left).max(initial=0.0) <= RESIDUAL * size else None
