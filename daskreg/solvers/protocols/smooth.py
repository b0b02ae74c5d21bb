"""A datafit as gradient methods need it: values, gradients and a bound of the curvature."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
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
    most_gram : int
        Columns of a Gram matrix that there is memory for while it holds none.
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
    def most_gram(self) -> int: ...
    @property
    def second_moment(self) -> Float: ...

    def restricted(self, columns: npt.NDArray[np.intp]) -> Any:
        """The same problems on some columns, gathered in memory, in the same coordinates."""

    def release_columns(self) -> None:
        """Let go of the columns that ``restricted`` has gathered last."""
