"""The smooth half of K problems, seen through whole passes over the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.exceptions import CompatibilityError, DataError
from daskreg.losses import PointwiseLoss, Squared

from .closing import closing_bound
from .dual import SquaredDual, logistic_dual, null_dual
from .evaluation import DualPoint, Evaluation, free_columns
from .first import FirstPass
from .footprint import Footprint
from .gram import GramData
from .kernels.closing import ClosingKernel
from .kernels.gradient import GradientKernel
from .kernels.tiles import compute_dtype
from .state import ROUGH, pass_state, rounding
from .survey import Survey


class Datafit:
    r"""Weighted mean loss of K problems: :math:`\sum_i s_i\, loss(y_i, o_i + c_0 + x_i b)`.

    Solver coordinates: columns are centred at their weighted means where there is an intercept,
    and divided by their weighted population standard deviations where ``standardize``; both are
    implicit, X is neither copied nor changed.  Each method that looks at the data says how many
    passes it costs.

    Parameters
    ----------
    design : Design
        Rows, with ``sum_over_rows(kernel, state)``.
    loss : PointwiseLoss
    problems : Problems
        With ``output``, the target column of each problem, and ``take``.
    fit_intercept, standardize : bool
    classes : array of shape (2,), optional
        Labels that y may hold; found in the first pass if not given.
    class_weight : mapping, "balanced" or None
        Factor of the weight of the rows of each class.  "balanced" is inverse to the weighted
        class frequencies, with mean 1.
    tol : float
        Relative gap asked for; decides whether small storage types are multiplied in float32.

    Attributes
    ----------
    n_outputs : int
        Always 1.
    """

    n_outputs = 1

    def __init__(
        self,
        design: Any,
        loss: PointwiseLoss,
        problems: Any,
        *,
        fit_intercept: bool = True,
        standardize: bool = False,
        classes: npt.ArrayLike | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        tol: float = 1e-6,
    ) -> None:
        self.design = design
        self.loss = loss
        self.problems = problems
        self.fit_intercept = fit_intercept
        self.tol = tol
        known = None if classes is None else np.asarray(classes)
        self._survey = Survey(design, loss, fit_intercept, standardize, known, class_weight)
        if loss.is_classifier and design.n_targets != 1:
            raise DataError(
                f"y has {design.n_targets} columns: a classification expects one column of labels"
            )

    @property
    def n_features(self) -> int:
        return int(self.design.n_features)

    @property
    def n_problems(self) -> int:
        return len(self.output)

    @property
    def output(self) -> npt.NDArray[np.intp]:
        """Target column of each problem, shape (K,)."""
        return np.asarray(self.problems.output, dtype=np.intp)

    @property
    def n_passes(self) -> int:
        """Passes over X so far, of all datafits on the same design."""
        return int(self.design.n_passes)

    @property
    def quadratic(self) -> bool:
        """Whether the loss is a quadratic, which ``gram()`` holds whole."""
        return isinstance(self.loss, Squared)

    @property
    def curvature(self) -> float:
        """Upper bound of the second derivative of the loss by eta."""
        return self.loss.max_curvature

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the products of a tile, where nobody asks for better."""
        return compute_dtype(self.design.dtype, self.tol)

    def take(self, columns: npt.ArrayLike) -> Datafit:
        """Return the datafit of some problems; the design and the first pass are shared."""
        other = object.__new__(Datafit)
        other.__dict__.update(self.__dict__)
        other.problems = self.problems.take(columns)
        return other

    # -- the first pass ----------------------------------------------------------------------

    def first(self, free: npt.ArrayLike | None = None) -> FirstPass:
        """Return means, scales, classes and the null model: one pass, remembered.

        Parameters
        ----------
        free : array of int, optional
            Unpenalised columns.  With the squared loss their Gram columns come along, without
            which no dual point is known; asked for too late they cost a second pass.

        Raises
        ------
        DataError
            If y does not suit the loss, or nothing has a weight.
        """
        return self._survey.first(() if free is None else free)

    def gram(self) -> GramData:
        """Return the Gram matrix and all of ``first()`` in the same pass: one pass, remembered.

        Raises
        ------
        CompatibilityError
            If the loss is not the squared one.
        """
        if not isinstance(self.loss, Squared):
            raise CompatibilityError(
                f"the Gram matrix holds all of a squared loss, not of a {self.loss.name} one"
            )
        gram, rounding = self._survey.gram(self.tol)
        first = self.first()
        return GramData(
            *(gram, first.cross, first.target_square, first.total_weight, rounding, first),
            self.output,
            self.fit_intercept,
        )

    def metric(self) -> Float:
        """Return ``X' S X`` in solver coordinates, (p, p), for any loss: the pass of ``first()``.

        Weights are those of the objective, class weights included.  Small storage types are
        multiplied in float32: a metric steers steps, and what it lacks costs no accuracy.
        """
        return self._survey.gram(1.0 if self.loss.is_classifier else self.tol)[0]

    # -- the null model ----------------------------------------------------------------------

    @property
    def null_evaluation(self) -> Evaluation:
        """Evaluation at coef 0 with the optimal intercept: part of the first pass.

        A logistic loss with an offset takes one pass more, remembered.
        """
        if self._survey.null is None:
            self._survey.null = self._null_evaluation()
        return self._survey.null.take(self.output)

    def _null_evaluation(self) -> Evaluation:
        first = self.first()
        if first.null_grad is None:
            coef = np.zeros((self.n_features, 1, 1))
            return self.value_and_grad(coef, first.null_intercept, [0], precise=True)
        slope = np.zeros_like(first.null_intercept)
        point: DualPoint = (
            null_dual(first, self.fit_intercept)
            if first.labels
            else (SquaredDual(first.target_square, *self._survey.free_gram()))
        )
        curvature = self.loss.curvature(np.zeros(1), first.null_intercept[0])
        return Evaluation(first.null_value, first.null_grad, slope, point, curvature)

    @property
    def null_value(self) -> Float:
        """Objective at coef 0 with the optimal intercept, shape (K,)."""
        return self.first().null_value[self.output]

    @property
    def null_intercept(self) -> Float:
        """Optimal intercept at coef 0, shape (1, K)."""
        return self.first().null_intercept[:, self.output]

    @property
    def null_grad(self) -> Float:
        """Gradient at coef 0, in solver coordinates, shape (p, 1, K); see ``null_evaluation``."""
        return self.null_evaluation.grad

    @property
    def second_moment(self) -> Float:
        """``sum s x^2`` of each column in solver coordinates, shape (p,)."""
        return self.first().second_moment

    # -- one point ---------------------------------------------------------------------------

    def value_and_grad(
        self,
        coef: Float,
        intercept: Float,
        columns: npt.ArrayLike | None = None,
        *,
        precise: bool = False,
    ) -> Evaluation:
        """Evaluate C columns: one pass (and ``first()``, if it was not called before).

        Parameters
        ----------
        coef : ndarray, shape (p, 1, C)
            In solver coordinates.
        intercept : ndarray, shape (1, C)
            Of centred columns.
        columns : array of int, shape (C,), optional
            The problem of each column, in any order, also twice; all of them if not given.
        precise : bool
            Multiply in float64 whatever the storage type.  Otherwise float32 is taken where
            storage type, ``tol`` and the size of the coefficients allow, and bounds are lower by
            what it may hide.
        """
        first = self.first()
        dtype = np.dtype(np.float64) if precise else self.dtype
        state = self._state(coef, intercept, columns, dtype)
        hidden = rounding(first, state, dtype)
        if (hidden > ROUGH * first.null_value[state["target"]]).any():
            return self.value_and_grad(coef, intercept, columns, precise=True)
        kernel = GradientKernel(self.loss, dtype.name, first.labels)
        sums = self.design.sum_over_rows(kernel, state)
        shift = state.get("shift", 0.0)
        grad = first.centred_grad(sums["grad"], sums["residual"], shift)[:, None]
        value = sums["value"] / first.total_weight
        slope = sums["residual"] / first.total_weight * self.fit_intercept
        point: DualPoint
        if self.quadratic:
            with np.errstate(over="ignore", invalid="ignore"):
                square = np.maximum(2.0 * value - np.square(slope), 0.0)
            point = SquaredDual(square, *self._survey.free_gram())
            curvature = np.ones_like(value)
        else:
            point = logistic_dual(sums, first, self.fit_intercept)
            curvature = sums["curvature"] / first.total_weight
        return Evaluation(value, grad, slope[None], point, curvature, hidden)

    def _state(
        self, coef: Float, intercept: Float, columns: npt.ArrayLike | None, dtype: Any
    ) -> dict[str, AnyArray]:
        target = self.output if columns is None else self.output[np.asarray(columns)]
        return pass_state(self.first(), coef, intercept, target, dtype, self.design.sparse)

    def closing_dual(self, penalty: Any, coef: Float, intercept: Float) -> Float:
        """Return a lower bound also for logistic problems with unpenalised columns: one pass.

        Parameters
        ----------
        penalty : ElasticNet
            Of the K problems.
        coef : ndarray, shape (p, 1, K)
        intercept : ndarray, shape (1, K)

        Returns
        -------
        ndarray, shape (K,)
            NaN where the point found is not feasible.
        """
        first = self.first()
        free = free_columns(penalty, self.n_features)
        if self.quadratic or not len(free):
            return self.value_and_grad(coef, intercept).dual(penalty, coef)
        state = self._state(coef, intercept, None, np.dtype(np.float64))
        place = {"center": first.center[free], "scale": first.inverse_scale[free]}
        kernel = ClosingKernel(first.labels, self.fit_intercept)
        sums = self.design.sum_over_rows(kernel, {**state, **place, "columns": free})
        shift = state.get("shift", 0.0)
        return closing_bound(sums, first, free, shift, penalty, self.fit_intercept)

    # -- coordinates and cost ----------------------------------------------------------------

    def to_original(self, coef: Float, intercept: Float) -> tuple[Float, Float]:
        """Return coef (p, 1, C) and intercept (1, C) for the columns as they are in X."""
        return self.first().to_original(coef, intercept)

    def to_solver(self, coef: Float, intercept: Float) -> tuple[Float, Float]:
        """Return coef (p, 1, C) and intercept (1, C) for centred, scaled columns."""
        return self.first().to_solver(coef, intercept)

    def footprint(self, n_columns: int, gram: bool = False) -> Footprint:
        """Return the bytes that the largest pass over C columns needs, before the first one."""
        kernel = GradientKernel(self.loss)
        return Footprint.of(self.design, self._survey.kernel(gram, self.tol), kernel, n_columns)
