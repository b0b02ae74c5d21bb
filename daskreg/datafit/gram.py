"""The squared loss in memory: once the Gram matrix is known, no pass is needed."""

from __future__ import annotations

from dataclasses import dataclass

from daskreg._typing import Float

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
    rounding : float
        Error of an entry of G, relative to the root of the product of its diagonal entries:
        machine precision, or what the diagonal of a float32 matrix shows.
    first : FirstPass
        Of the same weighting.
    """

    G: Float
    c: Float
    yy: Float
    rounding: float
    first: FirstPass

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return int(self.G.nbytes + self.c.nbytes + self.yy.nbytes)
