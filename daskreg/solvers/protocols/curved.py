"""A datafit whose curvature is known: as one mean, of a sample of the rows, or of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float

from .smooth import Datafit, Evaluation


class CurvedEvaluation(Evaluation, Protocol):
    """An evaluation that knows how bent the loss is there.

    Attributes
    ----------
    mean_curvature : array of shape (C,), or (q, q, C) for q outputs
        Weighted mean of the loss's second derivative by eta.
    bends : array of shape (q + 1, q + 1, q, q, C) or None, optional
        Weighted means of ``t_a t_b H_cd``, where ``bends=True`` has asked for them: t is eta with
        a 1 behind it, H the Hessian of the loss by eta.
    """

    @property
    def mean_curvature(self) -> Float: ...


class CurvedDatafit(Datafit, Protocol):
    """A datafit whose evaluations know how bent the loss is.

    Attributes
    ----------
    curvature : float
        Upper bound of the loss's second derivative by eta.
    tells_bends : bool, optional
        Whether ``value_and_grad`` takes ``bends=True``.  Default: it does not.
    """

    @property
    def curvature(self) -> float: ...

    def value_and_grad(
        self,
        coef: Float,
        intercept: Float,
        columns: npt.NDArray[np.intp],
        *,
        precise: bool = False,
    ) -> CurvedEvaluation:
        """As in :class:`Datafit`; ``precise`` asks for products in float64."""


class MetricDatafit(CurvedDatafit, Protocol):
    """A datafit with a Gram matrix for the metric of second-order steps.

    Attributes
    ----------
    metric_scale : array of shape (n_features, n_problems) or None, optional
        Factor for rows and columns of that matrix to be in the coordinates of each problem;
        0 marks a column that is constant for that problem.  Default: ones.
    """

    def metric(self) -> Float:
        """``X' S X`` in solver coordinates, (n_features, n_features): part of the first pass."""


class SampleView(Protocol):
    """Rows in memory in the solver coordinates Z of one problem.

    Attributes
    ----------
    weight : array of shape (n_rows,)
        Sums to one over the rows that the problem is fitted on; 0 for the others.
    fit_intercept : bool
    whole : bool
        There are no other rows.
    """

    @property
    def weight(self) -> Float: ...
    @property
    def fit_intercept(self) -> bool: ...
    @property
    def whole(self) -> bool: ...

    def columns(self, chosen: AnyArray) -> Float:
        """Some columns of Z, (n_rows, n_chosen)."""

    def gram(self, chosen: AnyArray, bend: Float) -> Float:
        """``Z.T @ diag(bend) @ Z`` of some columns, to about 1e-6; bend (n_rows,) >= 0."""

    def product(self, coef: Float) -> Float:
        """``Z @ coef``, (n_rows, m), for coef of shape (n_features, m)."""

    def pullback(self, turned: Float) -> Float:
        """``Z.T @ turned``, (n_features, m), for an array of shape (n_rows, m)."""

    def squares(self, bend: Float) -> Float:
        """``(Z * Z).T @ bend``, (n_features, m), for an array of shape (n_rows, m)."""

    def hessian(self, coef: Float, intercept: Float) -> Float:
        """The Hessian of the loss by eta in every row, (n_rows,), or (n_rows, q, q)."""

    def value_and_grad(self, coef: Float, intercept: Float) -> tuple[float, Float, Float]:
        """Weighted mean loss of these rows, its gradient (n_features, q) and (q,)."""


class RowSample(Protocol):
    """Rows kept in memory, the same for all problems.

    Attributes
    ----------
    n_rows : int
    whole : bool
        There are no other rows.
    """

    @property
    def n_rows(self) -> int: ...
    @property
    def whole(self) -> bool: ...

    def view(
        self,
        center: Float,
        inverse_scale: Float,
        output: int = 0,
        weighting: int = 0,
    ) -> SampleView:
        """The sample as one problem sees it: its columns are ``(X - center) * inverse_scale``."""


class SampledDatafit(CurvedDatafit, Protocol):
    """A datafit that can keep a sample of its rows.

    Attributes
    ----------
    center, inverse_scale : arrays of shape (n_features, n_problems) or (n_features, 1)
        From the columns of X to those of each problem's solver coordinates.
    output : array of int, shape (n_problems,), optional
        Target column of each problem, where there is one output.
    weighting : array of int, shape (n_problems,), optional
        Column of the sample's multiplicities that belongs to each problem.
    """

    @property
    def center(self) -> Float: ...
    @property
    def inverse_scale(self) -> Float: ...

    def sample(self, n_rows: int, seed: int = 0) -> RowSample:
        """About ``n_rows`` rows, or fewer where memory is short.

        At most one pass when first asked; remembered, also by what ``take`` returns.
        """


class HessianDatafit(SampledDatafit, Protocol):
    """A datafit that can sum the Hessian of each problem over some features.

    Attributes
    ----------
    n_samples : int
        Of many rows a sample is asked for.
    second_moment : array of shape (n_features,)
        As in :class:`SmoothDatafit`.
    """

    @property
    def n_samples(self) -> int: ...
    @property
    def second_moment(self) -> Float: ...

    def hessians(
        self,
        coef: Float,
        intercept: Float,
        columns: npt.ArrayLike,
        members: Sequence[AnyArray],
    ) -> list[Float]:
        """Hessians of C columns over their ``members`` and the intercept, which is last.  One pass.

        Each is of shape (n_members + 1, n_members + 1); members are feature numbers.
        """
