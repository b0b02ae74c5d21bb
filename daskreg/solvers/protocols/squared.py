"""A squared loss, all of which is in its sums: a Gram matrix, or few rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float

from .smooth import Datafit


class SquaredSums(Protocol):
    """Sums of squares and products in solver coordinates, weights summing to one.

    Attributes
    ----------
    c : array of shape (n_features, n_targets)
        ``X' S y``, y centred where an intercept is fitted (and less its offset).
    yy : array of shape (n_targets,)
        ``y' S y`` of the same y.
    rounding : float
        Bound of ``|error of G_ij| / sqrt(G_ii G_jj)`` (about 1e-7 for float32 products).
    """

    @property
    def c(self) -> Float: ...
    @property
    def yy(self) -> Float: ...
    @property
    def rounding(self) -> float: ...


class GramData(SquaredSums, Protocol):
    """The same with the Gram matrix.

    Attributes
    ----------
    G : array of shape (n_features, n_features)
        ``X' S X``; rows and columns of constant features are exactly 0.
    """

    @property
    def G(self) -> Float: ...


class FactoredData(SquaredSums, Protocol):
    """The same with rows of which the Gram matrix is the product.

    Attributes
    ----------
    rows : array of shape (n_rows, n_features), Fortran-contiguous
        ``rows' rows`` is ``X' S X``.
    """

    @property
    def rows(self) -> Float: ...


class QuadraticDatafit(Datafit, Protocol):
    """A datafit that is a quadratic: ``quadratic`` is true and ``grams()`` is one pass.

    Attributes
    ----------
    quadratic : bool
    output : array of int, shape (n_problems,)
        Target that each problem explains: a column of ``GramData.c``.
    weighting : array of int, shape (n_problems,)
        How each problem counts the rows: the key of its sums in ``grams()``.
    """

    @property
    def quadratic(self) -> bool: ...
    @property
    def output(self) -> npt.NDArray[np.intp]: ...

    @property
    def weighting(self) -> npt.NDArray[np.intp]: ...

    def grams(self) -> Mapping[int, GramData]: ...

    def factored_grams(self) -> Mapping[int, FactoredData]:
        """The same sums with the rows in memory instead of their product."""
