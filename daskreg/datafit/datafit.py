"""The smooth half of K problems, seen through whole passes over the data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.compiled import LIBRARIES
from daskreg.exceptions import DataError
from daskreg.losses import LogLoss, Multinomial, PointwiseLoss
from daskreg.splits import Folds, RowWeights

from .closing import closing_bound
from .evaluated import evaluation_of, null_evaluation
from .evaluation import Evaluation, free_columns
from .footprint import Footprint
from .held_out import held_out_error, held_out_scores
from .hessians import has_cheap_hessians, hessians_of
from .kernels.closing import ClosingKernel
from .kernels.coupled import MOST_BENT
from .kernels.fused import pays
from .kernels.gradient import GradientKernel
from .scores import Scores
from .state import ROUGH, pass_state, rounding, unsure_of
from .survey import Survey
from .surveyed import Surveyed
from .weightings import Weightings

#: Gram matrices at a time: the sum and what solvers make of it; and of each shard, that of a block
#: and those that wait for their neighbours.
GRAMS, GRAMS_OF_A_SHARD = 3, 2


class Datafit(Surveyed):
    r"""Weighted mean loss of K problems: :math:`\sum_i s_i\, loss(y_i, o_i + c_0 + x_i b)`.

    Solver coordinates: columns are centred at their weighted means where there is an intercept,
    and divided by their weighted population standard deviations where ``standardize``; both are
    implicit, X is neither copied nor changed.  Each method that looks at the data says how many
    passes it costs.

    Parameters
    ----------
    design : Design
        Rows, with ``sum_over_rows(kernel, state)``.
    loss : PointwiseLoss or LogLoss
        ``LogLoss``: ``Logistic`` where y holds two classes, ``Multinomial`` where it holds more.
    problems : Problems
        With ``output``, the target column of each problem, ``fold`` and ``bootstrap``, which rows
        it counts, and ``take``.
    folds : Folds, optional
        What the numbers of ``problems.fold`` leave out.
    resamples : RowWeights, optional
        How the numbers of ``problems.bootstrap`` count the rows.
    fit_intercept, standardize : bool
    classes : array of shape (n_classes,), optional
        Labels that y may hold; found in the first pass if not given.
    class_weight : mapping, "balanced" or None
        Factor of the weight of the rows of each class.  "balanced" is inverse to the weighted
        class frequencies, with mean 1.
    tol : float
        Relative gap asked for; decides whether small storage types are multiplied in float32.
    plain_gram : bool
        Sum no Gram matrices of resamples: ``metric()`` is there, ``grams()`` is not.
    """

    def __init__(
        self,
        design: Any,
        loss: PointwiseLoss | LogLoss,
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
    def resident(self) -> bool:
        """Whether X lies in the memory of this process: a pass costs no more than its products."""
        return bool(self.design.resident)

    @property
    def most_columns(self) -> int:
        """Columns that ``restricted`` may hold in what the plan has left for them."""
        return int(self.design.most_columns)

    @property
    def most_gram(self) -> int:
        """Columns of a Gram matrix that fits what the plan leaves while none are selected."""
        n_matrices = GRAMS + GRAMS_OF_A_SHARD * max(1, len(self.design.hands))
        return math.isqrt(self.design.spare_bytes // (8 * n_matrices))

    def restricted(self, columns: npt.NDArray[np.intp]) -> Datafit:
        """Return the same problems on some columns, which are gathered in memory.

        One pass where storage cannot read columns alone, else none.  Centres and scales are those
        of the same columns here.  The last restriction is kept: asked for again, it costs nothing.
        """
        other = self.take(np.arange(self.n_problems))
        other._survey = self._survey.restricted(columns)
        other.design = other._survey.design
        return other

    def release_columns(self) -> None:
        """Let go of the columns that ``restricted`` has gathered last."""
        self._survey.close_part()

    # -- the null model -----------------------------------------------------------------------

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
    def null_grad(self) -> Float:
        """Gradient at coef 0, in solver coordinates, shape (p, q, K); see ``null_evaluation``."""
        firsts = self._survey.firsts()
        if firsts[0].null_grad is None:
            return self.null_evaluation.grad
        return np.concatenate([first.null_grad for first in firsts], axis=2)[..., self._own]

    # -- one point ---------------------------------------------------------------------------

    def value_and_grad(
        self,
        coef: Float,
        intercept: Float,
        columns: npt.ArrayLike | None = None,
        *,
        precise: bool = False,
        bends: bool = False,
    ) -> Evaluation:
        """Evaluate C columns: one pass (and ``first()``, if it was not called before).

        Parameters
        ----------
        coef : ndarray, shape (p, q, C)
            In solver coordinates.
        intercept : ndarray, shape (q, C)
            Of centred columns.
        columns : array of int, shape (C,), optional
            The problem of each column, in any order, also twice; all of them if not given.
        precise : bool
            Multiply in float64 whatever the storage type.  Otherwise float32 is taken where
            storage type, ``tol`` and the size of the coefficients allow, and bounds are lower by
            what it may hide.
        bends : bool
            Tell how the Hessian changes along eta, see ``tells_bends``.
        """
        dtype = np.dtype(np.float64) if precise else self.dtype
        part = self if columns is None else self.take(columns)
        state = part._state(coef, intercept, dtype)
        if bends and self.tells_bends:
            state["bends"] = np.ones(1)
        null_value = part.null_value
        hidden = rounding(self.first(), state, null_value, dtype)
        if (hidden > ROUGH * null_value).any():
            return self.value_and_grad(coef, intercept, columns, precise=True, bends=bends)
        weightings = self._survey.weightings
        compiled = pays(self.design, len(part.weighting))
        kernel = GradientKernel(self.loss, dtype.name, self.first().labels, weightings, compiled)
        sums = self.design.sum_over_rows(kernel, state)
        unsure: Float | float = 0.0
        if dtype != np.float64:
            unsure = unsure_of(self.first(), state)[:, None] * part.coordinates.inverse_scale
        seen = sums, self._survey, part.weighting, part.coordinates, state
        return evaluation_of(*seen, hidden, unsure)

    @property
    def tells_bends(self) -> bool:
        """Whether ``value_and_grad`` can say how the Hessian changes along eta."""
        return 1 < self.n_outputs <= MOST_BENT

    def _state(self, coef: Float, intercept: Float, dtype: Any) -> dict[str, AnyArray]:
        place = self.coordinates
        state = pass_state(self.first(), place, coef, intercept, dtype, self.design.sparse)
        return {**state, "target": self.output, "weighting": self.weighting}

    @property
    def sums_hessians(self) -> bool:
        """Whether ``hessians`` is there and costs little."""
        return has_cheap_hessians(self)

    def hessians(
        self, coef: Float, intercept: Float, columns: npt.ArrayLike, members: Sequence[AnyArray]
    ) -> list[Float]:
        """Return the Hessian of each column over some features: one pass; see ``hessians_of``."""
        part = self.take(columns)
        return hessians_of(part, part._state(coef, intercept, np.dtype(np.float64)), members)

    def closing_dual(self, penalty: Any, coef: Float, intercept: Float) -> Float:
        """Return a lower bound also for logistic problems with unpenalised columns: one pass.

        Parameters
        ----------
        penalty : ElasticNet
            Of the K problems.
        coef : ndarray, shape (p, q, K)
        intercept : ndarray, shape (q, K)

        Returns
        -------
        ndarray, shape (K,)
            NaN where the point found is not feasible, and of coupled classes with such columns.
        """
        first = self.first()
        free = free_columns(penalty, self.n_features)
        if isinstance(self.loss, Multinomial) and len(free):
            return np.full(self.n_problems, np.nan)
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
        """Return coef (p, q, C) and intercept (q, C) for the columns as they are in X."""
        return self.coordinates.to_original(coef, intercept)

    def to_solver(self, coef: Float, intercept: Float) -> tuple[Float, Float]:
        """Return coef (p, q, C) and intercept (q, C) for centred, scaled columns."""
        return self.coordinates.to_solver(coef, intercept)

    def footprint(
        self, n_columns: int, gram: bool = False, n_labels: int | None = None
    ) -> Footprint:
        """Return the bytes that the largest pass over C columns needs, before the first one.

        Labels are taken for two as long as nobody has looked at them, or for ``n_labels``.
        """
        survey = self._survey
        moments = survey.kernel(gram, self.tol)
        gradient = GradientKernel(self.loss, weightings=survey.weightings)
        n_outputs, n_labels = survey.counts if n_labels is None else survey.counts_of(n_labels)
        sizes = n_columns, n_outputs, n_labels
        libraries = LIBRARIES if pays(self.design, n_columns) else ()
        return Footprint.of(self.design, moments, gradient, *sizes, libraries)
