"""The squared loss in memory: once the Gram matrix is known, no pass is needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float

from .dual import SquaredDual
from .evaluation import Evaluation
from .first import FirstPass


@dataclass(frozen=True, eq=False)
class GramData:
    r"""Sums of the squared loss in solver coordinates, per unit of weight.

    .. math:: f(b, c_0) = \tfrac12 (y'y - 2 b'c + b'Gb) + \tfrac12 (c_0 - \bar y)^2

    with y less the offset, everything centred and :math:`\bar y` its mean where there is an
    intercept (the last term is dropped without one).

    Attributes
    ----------
    G : ndarray, shape (p, p)
    c : ndarray, shape (p, n_targets)
    yy : ndarray, shape (n_targets,)
    total_weight : float
    rounding : float
        Error of an entry of G, relative to the root of the product of its diagonal entries:
        machine precision, or what the diagonal of a float32 matrix shows.
    first : FirstPass
    output : ndarray of int, shape (K,)
        Target column of each problem.
    fit_intercept : bool
    """

    G: Float
    c: Float
    yy: Float
    total_weight: float
    rounding: float
    first: FirstPass
    output: AnyArray
    fit_intercept: bool

    def take(self, columns: npt.ArrayLike) -> GramData:
        """Return the same sums for some of the problems."""
        return GramData(
            *(self.G, self.c, self.yy, self.total_weight, self.rounding, self.first),
            self.output[np.asarray(columns)],
            self.fit_intercept,
        )

    def value_and_grad(
        self, coef: Float, intercept: Float, columns: npt.ArrayLike | None = None
    ) -> Evaluation:
        """Evaluate without a pass; arguments and result are those of ``Datafit``."""
        target = self.output if columns is None else self.output[np.asarray(columns)]
        b = coef[:, 0]
        product = self.G @ b
        c = self.c[:, target]
        square = self.yy[target] + (b * (product - 2.0 * c)).sum(axis=0)
        square = np.maximum(square, 0.0)
        slope = np.zeros_like(intercept)
        if self.fit_intercept:
            slope = intercept - self.first.target_mean[target]
        value = 0.5 * square + 0.5 * np.square(slope[0])
        grad = (product - c)[:, None]
        point = SquaredDual(square, None, self.G)
        return Evaluation(value, grad, slope, point, np.ones_like(square))

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return int(self.G.nbytes + self.c.nbytes + self.yy.nbytes)
