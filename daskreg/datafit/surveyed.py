"""What the first pass tells of K problems: one pass, remembered, and no other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.design.device.at_hand import card_at_hand
from daskreg.exceptions import CompatibilityError
from daskreg.losses import PointwiseLoss, Squared
from daskreg.splits import Folds

from .coordinates import Coordinates
from .drawing import sample_of
from .evaluation import Evaluation
from .first import FirstPass
from .gathered import all_rows
from .gram import FactoredData, GramData
from .kernels.cuda.inner import Started, solved_on_card
from .kernels.tiles import compute_dtype
from .sample import RowSample
from .survey import Survey


class Surveyed(ABC):
    """Sizes, means, scales, Gram matrices and null models of problems that share a survey.

    Attributes
    ----------
    design : Design
    problems : Problems
    weighting : ndarray of int, shape (K,)
        How each problem counts the rows.
    tol : float
    """

    design: Any
    problems: Any
    weighting: npt.NDArray[np.intp]
    tol: float
    _survey: Survey

    @property
    @abstractmethod
    def null_evaluation(self) -> Evaluation:
        """Evaluation at coef 0 with the optimal intercept."""

    @property
    def loss(self) -> PointwiseLoss:
        """What the rows cost; a ``LogLoss`` before the first pass has counted its classes."""
        return self._survey.loss

    @property
    def n_outputs(self) -> int:
        """Coefficients of a feature: 1, or the number of coupled classes.

        Of labels it takes the first pass, which is made if it was not.
        """
        return self._survey.n_outputs

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
        return {number: self._gram(number) for number in sorted(set(self.weighting.tolist()))}

    @property
    def started(self) -> Callable[..., Started | None] | None:
        """Where a card of this process comes to on Gram matrices, ``solved_on_card``; None: no
        card is in use."""
        return None if card_at_hand() is None else solved_on_card

    def factored_grams(self) -> dict[int, FactoredData]:
        """Return the same with the rows instead of their products: two passes at most.

        Raises
        ------
        MemoryPlanError
            Where the rows do not fit the share of memory that a sample may take.
        """
        self._require_squared()
        numbers = set(self.weighting.tolist())
        rows, firsts = all_rows(self._survey, numbers), self._survey.firsts()
        return {number: FactoredData.of(rows[number], firsts[number]) for number in sorted(numbers)}

    def _gram(self, number: int) -> GramData:
        self._require_squared()
        gram, rounding = self._survey.gram(self.tol, number)
        first = self._survey.firsts()[number]
        return GramData(gram, first.cross, first.target_square, rounding, first)

    def _require_squared(self) -> None:
        if not isinstance(self.loss, Squared):
            raise CompatibilityError(
                f"the Gram matrix holds all of a squared loss, not of a {self.loss.name} one"
            )

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
    def center(self) -> Float:
        """What the columns of each problem are centred at, shape (p, 1) or (p, K)."""
        return self.coordinates.center

    @property
    def inverse_scale(self) -> Float:
        """Factor from original to solver columns, shape (p, 1) or (p, K)."""
        return self.coordinates.inverse_scale

    def sample(self, n_rows: int, seed: int = 0) -> RowSample:
        """Return about so many rows, kept in memory: one pass, remembered."""
        known = self._survey.samples
        if (n_rows, seed) not in known:
            known[n_rows, seed] = sample_of(self._survey, n_rows, seed)
        return known[n_rows, seed]

    @property
    def total_weight(self) -> Float:
        """Sum of the weights of the rows that each problem counts, shape (K,)."""
        return np.full(self.n_problems, self.coordinates.total_weight)

    # -- the null model ----------------------------------------------------------------------

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
        """Optimal intercept at coef 0, shape (q, K)."""
        values = [first.null_intercept for first in self._survey.firsts()]
        return np.concatenate(values, axis=1)[:, self._own]

    @property
    def second_moment(self) -> Float:
        """``sum s x^2`` of each column in the solver coordinates of all rows, shape (p,)."""
        return self.first().second_moment
