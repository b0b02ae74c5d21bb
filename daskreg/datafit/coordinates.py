"""From the columns of X to those that solvers see, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from daskreg._pages import scaled
from daskreg._typing import AnyArray, Float

from .first import FirstPass


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Centres and scales of C columns of coefficients.

    Attributes
    ----------
    center, inverse_scale : ndarray, shape (p, 1) or (p, C)
        As in ``FirstPass``; one column where all problems count the rows alike.
    total_weight : ndarray, shape (1,) or (C,)
    """

    center: Float
    inverse_scale: Float
    total_weight: Float

    @classmethod
    def of(cls, firsts: Sequence[FirstPass], which: AnyArray) -> Coordinates:
        """Return the coordinates of columns under the weightings ``which``, shape (C,)."""
        if len(which) == 0 or (which == which[0]).all():
            which = which[:1] if len(which) else np.zeros(1, dtype=np.intp)
        chosen = [firsts[number] for number in which.tolist()]
        return cls(
            _side_by_side([first.center for first in chosen]),
            _side_by_side([first.inverse_scale for first in chosen]),
            np.array([first.total_weight for first in chosen]),
        )

    def only(self, column: int) -> Coordinates:
        """Return the coordinates of one column."""
        part = slice(column, column + 1) if len(self.total_weight) > 1 else slice(None)
        return Coordinates(
            self.center[:, part], self.inverse_scale[:, part], self.total_weight[part]
        )

    def centred_grad(self, grad: Float, residual: Float, shift: Float | float = 0.0) -> Float:
        """Return gradients (p, q, C) in solver coordinates, from sums over shifted columns.

        ``residual`` are the sums of the residuals, (q, C).
        """
        moved = self.center - np.reshape(shift, (-1, 1))
        grad = grad - moved[:, None] * residual
        grad /= self.total_weight
        grad *= self.inverse_scale[:, None]
        return np.asarray(grad)

    def centred_hessian(self, upper: Float, members: AnyArray) -> Float:
        """Return a Hessian (m + 1, m + 1) in the coordinates of one column, the intercept last.

        ``upper`` is the upper triangle of that over columns as they are in X and a one.
        """
        hessian = (upper + np.triu(upper, 1).T) / self.total_weight[0]
        center = self.center[members, 0]
        coupling, size = hessian[:-1, -1], hessian[-1, -1]
        lost = np.outer(coupling - 0.5 * size * center, center)
        hessian[:-1, :-1] -= lost + lost.T
        hessian[:-1, -1] = hessian[-1, :-1] = coupling - size * center
        scale = np.append(self.inverse_scale[members, 0], 1.0)
        return np.asarray(hessian * np.outer(scale, scale))

    def to_original(self, coef: Float, intercept: Float) -> tuple[Float, Float]:
        """Return coef (p, q, C) and intercept (q, C) for the columns as they are in X."""
        coef = scaled(coef, self.inverse_scale[:, None])
        return coef, intercept - self._times_center(coef)

    def to_solver(self, coef: Float, intercept: Float) -> tuple[Float, Float]:
        """Return coef (p, q, C) and intercept (q, C) for centred, scaled columns.

        A column that is constant after centring gives its share to the intercept.
        """
        factor = np.broadcast_to(self.inverse_scale[:, None], coef.shape)
        moved = intercept + self._times_center(coef)
        return np.divide(coef, factor, out=np.zeros_like(coef), where=factor > 0.0), moved

    def _times_center(self, coef: Float) -> Float:
        if self.center.shape[1] == 1:
            product = self.center[:, 0] @ coef.reshape(len(coef), math.prod(coef.shape[1:]))
            return np.asarray(product.reshape(coef.shape[1:]))
        return np.asarray(np.einsum("pc,pqc->qc", self.center, coef))


def _side_by_side(columns: Sequence[Float]) -> Float:
    """Return columns as an array (p, C), of a lone one the same memory."""
    return columns[0][:, None] if len(columns) == 1 else np.stack(columns, axis=1)
