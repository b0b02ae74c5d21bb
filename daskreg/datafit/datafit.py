"""The smooth half of K problems, seen through whole passes over the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.exceptions import CompatibilityError, DataError
from daskreg.losses import PointwiseLoss, Squared
from daskreg.splits import Folds, RowWeights

from .closing import closing_bound
from .coordinates import Coordinates
from .evaluated import evaluation_of, null_evaluation
from .evaluation import Evaluation, free_columns
from .first import FirstPass
from .footprint import Footprint
from .gram import GramData
from .held_out import held_out_error, held_out_scores
from .kernels.closing import ClosingKernel
from .kernels.gradient import GradientKernel
from .kernels.tiles import compute_dtype
from .scores import Scores
from .state import ROUGH, pass_state, rounding
from .survey import Survey
from .weightings import Weightings


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
        With ``output``, the target column of each problem, ``fold`` and ``bootstrap``, which rows
        it counts, and ``take``.
    folds : Folds, optional
        What the numbers of ``problems.fold`` leave out.
    resamples : RowWeights, optional
        How the numbers of ``problems.bootstrap`` count the rows.
    fit_intercept, standardize : bool
    classes : array of shape (2,), optional
        Labels that y may hold; found in the first pass if not given.
    class_weight : mapping, "balanced" or None
        Factor of the weight of the rows of each class.  "balanced" is inverse to the weighted
        class frequencies, with mean 1.
    tol : float
        Relative gap asked for; decides whether small storage types are multiplied in float32.
    plain_gram : bool
        Sum no Gram matrices of resamples: ``metric()`` is there, ``grams()`` is not.

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
        folds: Folds | None = None,
        resamples: RowWeights | None = None,
        fit_intercept: bool = True,
        standardize: bool = False,
        classes: npt.ArrayLike | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        tol: float = 1e-6,
        plain_gram: bool = False,
    ) -> None:
        self.design = design
        self.loss = loss
        self.problems = problems
        self.fit_intercept = fit_intercept
        self.tol = tol
        known = None if classes is None else np.asarray(classes)
        weightings, self.weighting = Weightings.of(problems, folds, resamples)
        self._survey = Survey(
            *(design, loss, fit_intercept, standardize, known, class_weight, weightings, plain_gram)
        )
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
    def folds(self) -> Folds | None:
        """What the numbers of ``problems.fold`` leave out."""
        return self._survey.weightings.folds

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
        other.weighting = self.weighting[np.asarray(columns)]
        other.__dict__.pop("coordinates", None)
        return other

    def on_all_rows(self) -> Datafit:
        """Return the datafit of the same problems with nothing left out and nothing resampled."""
        other = self.take(np.arange(self.n_problems))
        other.weighting = np.zeros_like(self.weighting)
        return other

    # -- some of the columns -------------------------------------------------------------------

    @property
    def n_samples(self) -> int:
        """Rows, whatever they weigh."""
        return int(self.design.n_samples)

    @property
    def reads_columns(self) -> bool:
        """Whether some columns can be read alone; else ``restricted`` costs a pass."""
        return bool(self.design.reads_columns)

    @property
    def most_columns(self) -> int:
        """Columns that memory holds beside what is held already."""
        return int(self.design.most_columns)

    def restricted(self, columns: npt.NDArray[np.intp]) -> Datafit:
        """Return the same problems on some columns, which are gathered in memory.

        One pass where storage cannot read columns alone, else none.  Centres and scales are those
        of the same columns here.  The last restriction is kept: asked for again, it costs nothing.
        """
        other = self.take(np.arange(self.n_problems))
        other._survey = self._survey.restricted(columns)
        other.design = other._survey.design
        return other

    # -- the first pass ----------------------------------------------------------------------

    def first(self, free: npt.ArrayLike | None = None) -> FirstPass:
        """Return means, scales, classes and the null model of all rows: one pass, remembered.

        The same pass sums those of every fold and resample.

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
        return self._survey.firsts(() if free is None else free)[0]

    def gram(self) -> GramData:
        """Return the Gram matrix of all rows and all of ``first()``: one pass, remembered.

        Raises
        ------
        CompatibilityError
            If the loss is not the squared one.
        """
        return self._gram(0)

    def grams(self) -> dict[int, GramData]:
        """Return the same for every ``weighting`` of the problems, by its number: no other pass."""
        return {number: self._gram(number) for number in np.unique(self.weighting).tolist()}

    def _gram(self, number: int) -> GramData:
        if not isinstance(self.loss, Squared):
            raise CompatibilityError(
                f"the Gram matrix holds all of a squared loss, not of a {self.loss.name} one"
            )
        gram, rounding = self._survey.gram(self.tol, number)
        first = self._survey.firsts()[number]
        return GramData(gram, first.cross, first.target_square, rounding, first)

    def free_gram(self, free: AnyArray, number: int) -> Float:
        """Return Gram columns (p, f) of a weighting, summed for ``first(free)`` or ``grams()``."""
        known, gram = self._survey.free_gram(number)
        assert gram is not None
        return gram[:, free] if known is None else gram[:, np.searchsorted(known, free)]

    def metric(self) -> Float:
        """Return ``X' S X`` in solver coordinates, (p, p), for any loss: the pass of ``first()``.

        Weights are those of the objective, class weights included.  Small storage types are
        multiplied in float32: a metric steers steps, and what it lacks costs no accuracy.
        """
        return self._survey.gram(1.0 if self.loss.is_classifier else self.tol)[0]

    @property
    def metric_scale(self) -> Float | None:
        """Factor of rows and columns of ``metric()`` in the coordinates of each problem, (p, K).

        0: the problem's rows have one value there.  None: the factor is 1 everywhere.
        """
        own = self.coordinates.inverse_scale
        plain = self.first().inverse_scale[:, None]
        ratio = np.divide(own, plain, out=np.zeros_like(own), where=plain > 0.0)
        if (own == plain).all():
            return None
        return np.broadcast_to(ratio, (len(ratio), self.n_problems))

    @cached_property
    def coordinates(self) -> Coordinates:
        """Centres, scales and sums of weights of the K problems."""
        return Coordinates.of(self._survey.firsts(), self.weighting)

    @property
    def total_weight(self) -> Float:
        """Sum of the weights of the rows that each problem counts, shape (K,)."""
        return np.broadcast_to(self.coordinates.total_weight, (self.n_problems,))

    # -- the null model ----------------------------------------------------------------------

    @property
    def null_evaluation(self) -> Evaluation:
        """Evaluation at coef 0 with the optimal intercept: part of the first pass.

        A logistic loss with an offset takes one pass more, remembered.
        """
        if self._survey.null is None:
            known = null_evaluation(self._survey)
            self._survey.null = self._null_pass() if known is None else known
        return self._survey.null.take(self._own)

    def _null_pass(self) -> Evaluation:
        """Look at X once for the gradients that an offset leaves, one target a weighting."""
        firsts = self._survey.firsts()
        one_each = self.take(np.zeros(len(firsts), dtype=np.intp))
        one_each.weighting = np.arange(len(firsts))
        coef = np.zeros((self.n_features, 1, len(firsts)))
        intercept = np.concatenate([first.null_intercept for first in firsts], axis=1)
        return one_each.value_and_grad(coef, intercept, precise=True)

    @property
    def _own(self) -> npt.NDArray[np.intp]:
        """Place of each problem among the null models: by weighting, then by target."""
        n_targets = len(self.first().null_value)
        return np.asarray(self.weighting * n_targets + self.output, dtype=np.intp)

    @property
    def null_value(self) -> Float:
        """Objective at coef 0 with the optimal intercept, shape (K,)."""
        values = [first.null_value for first in self._survey.firsts()]
        return np.concatenate(values)[self._own]

    @property
    def null_intercept(self) -> Float:
        """Optimal intercept at coef 0, shape (1, K)."""
        values = [first.null_intercept for first in self._survey.firsts()]
        return np.concatenate(values, axis=1)[:, self._own]

    @property
    def null_grad(self) -> Float:
        """Gradient at coef 0, in solver coordinates, shape (p, 1, K); see ``null_evaluation``."""
        return self.null_evaluation.grad

    @property
    def second_moment(self) -> Float:
        """``sum s x^2`` of each column in the solver coordinates of all rows, shape (p,)."""
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
        dtype = np.dtype(np.float64) if precise else self.dtype
        part = self if columns is None else self.take(columns)
        state = part._state(coef, intercept, dtype)
        null_value = part.null_value
        hidden = rounding(self.first(), state, null_value, dtype)
        if (hidden > ROUGH * null_value).any():
            return self.value_and_grad(coef, intercept, columns, precise=True)
        weightings = self._survey.weightings
        kernel = GradientKernel(self.loss, dtype.name, self.first().labels, weightings)
        sums = self.design.sum_over_rows(kernel, state)
        return evaluation_of(sums, self._survey, part.weighting, part.coordinates, state, hidden)

    def _state(self, coef: Float, intercept: Float, dtype: Any) -> dict[str, AnyArray]:
        place = self.coordinates
        state = pass_state(self.first(), place, coef, intercept, dtype, self.design.sparse)
        return {**state, "target": self.output, "weighting": self.weighting}

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
        state = self._state(coef, intercept, np.dtype(np.float64))
        # The free columns are those of all rows: any centre and scale span the same space.
        place = {"center": first.center[free], "scale": first.inverse_scale[free]}
        kernel = ClosingKernel(first.labels, self.fit_intercept, self._survey.weightings)
        sums = self.design.sum_over_rows(kernel, {**state, **place, "columns": free})
        shift = state.get("shift", 0.0)
        return closing_bound(sums, self.coordinates, free, shift, penalty, self.fit_intercept)

    def held_out_error(self, coef: Float, intercept: Float) -> Float | None:
        """Return the weighted mean squared error of each problem on the test rows of its fold.

        Without a pass, from the moments that ``grams()`` has summed of the test rows.

        Parameters
        ----------
        coef : ndarray, shape (p, 1, K)
            In the units of X.
        intercept : ndarray, shape (1, K)

        Returns
        -------
        ndarray, shape (K,), or None
            NaN for problems of no fold and where rounding of the sums leaves too few digits; None
            where no sums of the test rows are at hand.
        """
        atoms, folds = self._survey.atoms, self.folds
        if atoms is None or folds is None:
            return None
        rounding = max(data.rounding for data in self.grams().values())
        fold = np.asarray(self.problems.fold, dtype=np.intp)
        columns = coef[:, 0], intercept[0]
        return held_out_error(atoms, folds, fold, self.output, *columns, rounding)

    def held_out_scores(self, coef: Float, intercept: Float, metrics: Sequence[str]) -> Scores:
        """Score each problem on the test rows of its fold: one pass; see ``held_out_scores``."""
        return held_out_scores(self, coef, intercept, metrics)

    # -- coordinates and cost ----------------------------------------------------------------

    def to_original(self, coef: Float, intercept: Float) -> tuple[Float, Float]:
        """Return coef (p, 1, C) and intercept (1, C) for the columns as they are in X."""
        return self.coordinates.to_original(coef, intercept)

    def to_solver(self, coef: Float, intercept: Float) -> tuple[Float, Float]:
        """Return coef (p, 1, C) and intercept (1, C) for centred, scaled columns."""
        return self.coordinates.to_solver(coef, intercept)

    def footprint(self, n_columns: int, gram: bool = False) -> Footprint:
        """Return the bytes that the largest pass over C columns needs, before the first one."""
        kernel = GradientKernel(self.loss, weightings=self._survey.weightings)
        return Footprint.of(self.design, self._survey.kernel(gram, self.tol), kernel, n_columns)
