"""What solvers need from a datafit, said as small protocols; checked before the first pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.exceptions import CompatibilityError
from daskreg.penalties import ElasticNet


class Evaluation(Protocol):
    """What one pass tells about C columns of coefficients, in solver coordinates.

    Attributes
    ----------
    value : array of shape (C,)
        Weighted mean loss; not finite where the columns leave the domain of the loss.
    grad : array of shape (n_features, n_outputs, C)
        Gradient of ``value`` by the coefficients.
    intercept_grad : array of shape (n_outputs, C)
        Gradient by the intercept; zeros where none is fitted.
    """

    @property
    def value(self) -> Float: ...
    @property
    def grad(self) -> Float: ...
    @property
    def intercept_grad(self) -> Float: ...

    def dual(self, penalty: ElasticNet, coef: Float) -> Float:
        """A lower bound of each optimum, shape (C,); -inf or NaN where no useful one exists.

        ``penalty`` and ``coef`` have the columns of this evaluation.
        """


class Datafit(Protocol):
    """The smooth half of K problems, seen through whole passes over the data.

    Attributes
    ----------
    n_features, n_outputs, n_problems : int
    n_passes : int
        Passes over X so far.
    null_value : array of shape (n_problems,)
        P(null): the objective with coefficients 0 and the optimal intercept.
    null_intercept : array of shape (n_outputs, n_problems)
    null_grad : array of shape (n_features, n_outputs, n_problems)
    """

    @property
    def n_features(self) -> int: ...
    @property
    def n_outputs(self) -> int: ...
    @property
    def n_problems(self) -> int: ...
    @property
    def n_passes(self) -> int: ...
    @property
    def null_value(self) -> Float: ...
    @property
    def null_intercept(self) -> Float: ...
    @property
    def null_grad(self) -> Float: ...

    def value_and_grad(
        self,
        coef: Float,
        intercept: Float,
        columns: npt.NDArray[np.intp],
        *,
        precise: bool = False,
    ) -> Evaluation:
        """Evaluate C columns; column c belongs to problem ``columns[c]``.  One pass.

        ``precise`` asks for products in float64; without, they may be as rough as the bounds say.
        """

    def take(self, columns: AnyArray) -> Datafit:
        """The datafit of some of the problems, on the same data.  No pass."""


class SmoothDatafit(Datafit, Protocol):
    """A datafit whose curvature is bounded: what a first-order method needs.

    Attributes
    ----------
    curvature : float
        Upper bound of the loss's second derivative by eta (1 squared, 1/4 logistic).
    second_moment : array of shape (n_features,)
        ``sum_i s_i x_ij^2`` of the columns in solver coordinates; 0 for constant columns.
    null_evaluation : Evaluation or None, optional
        Evaluation at the null model where the first pass already holds it.
    """

    @property
    def curvature(self) -> float: ...
    @property
    def second_moment(self) -> Float: ...


class CurvedEvaluation(Evaluation, Protocol):
    """An evaluation that knows how bent the loss is there.

    Attributes
    ----------
    mean_curvature : array of shape (C,), or (q, q, C) for q outputs
        Weighted mean of the loss's second derivative by eta.
    """

    @property
    def mean_curvature(self) -> Float: ...


class CurvedDatafit(Datafit, Protocol):
    """A datafit whose evaluations know how bent the loss is.

    Attributes
    ----------
    curvature : float
        Upper bound of the loss's second derivative by eta.
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
    """

    @property
    def weight(self) -> Float: ...
    @property
    def fit_intercept(self) -> bool: ...

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
    """

    @property
    def n_rows(self) -> int: ...

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


class SelectiveDatafit(Datafit, Protocol):
    """A datafit of which some columns can be held in memory.

    Attributes
    ----------
    n_samples : int
    output, weighting : arrays of int, shape (n_problems,)
        Target of each problem, and how it counts the rows.
    reads_columns : bool
        Whether columns can be read alone; else ``restricted`` is one pass.
    most_columns : int
        How many of them memory holds.
    second_moment : array of shape (n_features,)
        As in :class:`SmoothDatafit`.
    """

    @property
    def n_samples(self) -> int: ...
    @property
    def output(self) -> npt.NDArray[np.intp]: ...
    @property
    def weighting(self) -> npt.NDArray[np.intp]: ...
    @property
    def reads_columns(self) -> bool: ...
    @property
    def most_columns(self) -> int: ...
    @property
    def second_moment(self) -> Float: ...

    def restricted(self, columns: npt.NDArray[np.intp]) -> Any:
        """The same problems on some columns, gathered in memory, in the same coordinates."""


def require(solver: str, owner: Any, names: Sequence[str], hint: str = "") -> None:
    """Raise ``CompatibilityError`` naming what ``owner`` lacks of ``names``.

    Attributes are looked up on the class first, so that asking starts no pass.
    """
    absent = object()
    missing = [
        name
        for name in names
        if getattr(type(owner), name, absent) is absent
        and name not in getattr(owner, "__dict__", {})
        and name not in getattr(type(owner), "__annotations__", {})
    ]
    if missing:
        what = type(owner).__name__
        needs = ", ".join(f"{what}.{name}" for name in missing)
        tail = f"; {hint}" if hint else ""
        raise CompatibilityError(f"{solver} cannot use {what}: it needs {needs}{tail}")
