"""Where quasi-Newton steps get the curvature of each problem from: a Gram matrix, or rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float
from daskreg.penalties import ElasticNet

from .bent import Bent
from .curvature import Curvature, GramCurvature, definite
from .inner import nonlinear_step
from .parallel import parallel_map
from .protocols import CurvedDatafit, MetricDatafit, SampledDatafit, SampleView
from .quasi_newton_state import Point
from .sampled import SampleCurvature, sample_curvature
from .shared_ridge import MANY, WIDE, SharedRidge
from .subproblem import Aim

#: A mean curvature below this share of its bound is rounding.
LEAST_CURVATURE = 1e-12
#: Rows of a sample for each column, up to so many columns, and beyond.
ROWS_PER_COLUMN, NARROW, ROWS_PER_COLUMN_WIDE = 30, 1000, 10
LEAST_ROWS = 2000
#: Multiplications of a Hessian that nobody notices, and rows up to which they are spent.
CHEAP, MOST_CHEAP_ROWS = 2e8, 20_000


class Model(ABC):
    """A source of curvatures; holds settings, no data."""

    #: What a datafit must offer.
    needs: ClassVar[tuple[str, ...]]
    #: Whether there may be an opening.
    opens: ClassVar[bool] = False
    #: Whether evaluations should tell how the Hessian by eta changes along eta.
    asks_bends: ClassVar[bool] = False

    @abstractmethod
    def prepare(self, datafit: Any) -> None:
        """Make the passes that it takes, before null values are asked."""

    @abstractmethod
    def fixed(self, datafit: Any) -> npt.NDArray[np.bool_]:
        """Columns that are constant for each problem, (n_features, n_problems or 1)."""

    def bound(self, datafit: Any, penalty: ElasticNet, point: Point, problems: list[int]) -> Model:
        """The model with what it wants to know of the points of these problems; most: no pass."""
        return self

    @abstractmethod
    def at(self, datafit: Any, problem: int, point: Point, n_active: int) -> Curvature:
        """The curvature of one problem at a point of one problem; no pass.

        ``n_active`` is about how many flattened coefficients a step will move.
        """

    @abstractmethod
    def unforeseen(self, datafit: Any, before: Point, after: Point) -> Float:
        """Changes of the gradient between points, (n, n_problems), that pairs should keep."""

    @abstractmethod
    def turns(self, curvature: Curvature, steps: Float, kept: Float) -> Float:
        """What the gradient would do along old steps (n_pairs, n) now, from what was kept."""

    def opening(
        self, datafit: Any, problem: int, penalty: ElasticNet, point: Point, aim: Aim
    ) -> Float:
        """A first step (n,) that is better than that of the quadratic; zeros: there is none.

        ``penalty`` is flattened and, as the point, of one problem; no curvature is known yet.
        """
        return np.zeros(len(point.position))

    @abstractmethod
    def shared_ridge(self, datafit: Any, penalty: ElasticNet) -> SharedRidge | None:
        """What many pure ridge problems can share, where that is cheaper."""

    def widest(self, datafit: Any, penalty: ElasticNet) -> int:
        """Order of the largest matrix that a step of one problem takes, about."""
        return int(datafit.n_features * datafit.n_outputs)


@dataclass(frozen=True)
class GramModel(Model):
    """The Gram matrix of the first pass, times the mean curvature of the loss at the point."""

    needs: ClassVar[tuple[str, ...]] = ("metric",)
    asks_bends: ClassVar[bool] = True

    def prepare(self, datafit: MetricDatafit) -> None:
        datafit.metric()

    def fixed(self, datafit: MetricDatafit) -> npt.NDArray[np.bool_]:
        constant = np.diag(datafit.metric())[:, None] <= 0.0
        factor = getattr(datafit, "metric_scale", None)
        return np.asarray(constant if factor is None else constant | (factor == 0.0))

    def at(
        self, datafit: MetricDatafit, problem: int, point: Point, n_active: int
    ) -> GramCurvature:
        factor = getattr(datafit, "metric_scale", None)
        return GramCurvature(
            np.asarray(datafit.metric(), dtype=np.float64),
            definite(_mean(point), least(datafit)),
            None if factor is None else np.asarray(factor, dtype=np.float64)[:, problem],
            _bent(point, getattr(datafit, "fit_intercept", True)),
        )

    def unforeseen(self, datafit: MetricDatafit, before: Point, after: Point) -> Float:
        return after.grad - before.grad

    def turns(self, curvature: Curvature, steps: Float, kept: Float) -> Float:
        return kept

    def shared_ridge(self, datafit: MetricDatafit, penalty: ElasticNet) -> SharedRidge | None:
        weight = penalty.penalty_weight
        same = weight is None or bool((weight == weight[0]).all())
        alike = getattr(datafit, "metric_scale", None) is None and datafit.n_outputs == 1
        swept = penalty.has_l1.any() or penalty.positive
        many = datafit.n_problems >= MANY and datafit.n_features >= WIDE
        if not (same and alike and many) or swept:
            return None
        return SharedRidge.of(np.asarray(datafit.metric(), dtype=np.float64))

    def widest(self, datafit: MetricDatafit, penalty: ElasticNet) -> int:
        """Coupled outputs with an L1 part are solved on the factors of their product."""
        swept = penalty.has_l1.all() or penalty.positive
        return int(datafit.n_features * (1 if swept else datafit.n_outputs))


@dataclass(frozen=True)
class SampleModel(Model):
    """The Hessian at the point of rows that are kept in memory.

    Parameters
    ----------
    n_rows : int or None
        Rows to ask for; None: see :func:`default_rows`.
    seed : int
    thorough : bool
        Where these are all rows, open with Newton's method to its end.
    """

    n_rows: int | None = None
    seed: int = 0
    thorough: bool = True

    needs: ClassVar[tuple[str, ...]] = ("sample", "center", "inverse_scale")
    opens: ClassVar[bool] = True

    def _sample(self, datafit: SampledDatafit) -> Any:
        p, q = datafit.n_features, datafit.n_outputs
        wanted = self.n_rows or default_rows(p)
        return datafit.sample(max(wanted, 2 * q), seed=self.seed)

    def prepare(self, datafit: SampledDatafit) -> None:
        self._sample(datafit)

    def fixed(self, datafit: SampledDatafit) -> npt.NDArray[np.bool_]:
        return np.asarray(datafit.inverse_scale) == 0.0

    def at(self, datafit: SampledDatafit, problem: int, point: Point, n_active: int) -> Curvature:
        coef, intercept = (part[..., 0] for part in point.unpacked(datafit.n_outputs))
        view = self._view(datafit, problem)
        return sample_curvature(view, coef, intercept, n_active, least(datafit), _mean(point))

    def unforeseen(self, datafit: SampledDatafit, before: Point, after: Point) -> Float:
        """What the sample did not know: its own turn is known at every later point."""
        if self._sample(datafit).whole:
            return np.zeros_like(after.grad)

        def foreseen(k: int) -> Float:
            view, q = self._view(datafit, k), datafit.n_outputs
            ends = []
            for point in (after, before):
                coef, intercept = point.take(np.array([k])).unpacked(q)
                _, grad, slope = view.value_and_grad(coef[..., 0], intercept[..., 0])
                ends.append(np.concatenate([grad.ravel(), slope]))
            return ends[0] - ends[1]

        known = parallel_map(foreseen, range(after.objective.size))
        return np.asarray(after.grad - before.grad - np.stack(known, axis=1))

    def turns(self, curvature: Curvature, steps: Float, kept: Float) -> Float:
        if not len(steps):
            return kept
        seen = curvature.plain if isinstance(curvature, SampleCurvature) else curvature
        return seen.times(steps.T).T + kept

    def opening(
        self,
        datafit: SampledDatafit,
        problem: int,
        penalty: ElasticNet,
        point: Point,
        aim: Aim,
    ) -> Float:
        """Far from the optimum losses bend differently than at its outset; rows know how."""
        position, grad = point.position[:, 0], point.grad[:, 0]
        if getattr(datafit, "quadratic", False):
            return np.zeros_like(position)
        view, q = self._view(datafit, problem), datafit.n_outputs
        whole = self.thorough and view.whole
        return nonlinear_step(view, penalty, position, grad, q, least(datafit), aim, whole)

    def shared_ridge(self, datafit: SampledDatafit, penalty: ElasticNet) -> SharedRidge | None:
        return None

    def _view(self, datafit: SampledDatafit, problem: int) -> SampleView:
        weighting, output = getattr(datafit, "weighting", None), getattr(datafit, "output", None)
        return self._sample(datafit).view(
            _of(datafit.center, problem),
            _of(datafit.inverse_scale, problem),
            0 if output is None else int(output[problem]),
            0 if weighting is None else int(weighting[problem]),
        )


def least(datafit: CurvedDatafit) -> float:
    """Smallest curvature of the loss by eta that counts."""
    return LEAST_CURVATURE * float(datafit.curvature)


def _mean(point: Point) -> Float:
    """The mean Hessian by eta of a point of one problem, (q, q)."""
    mean = point.curvature[..., 0]
    return np.array(mean, dtype=np.float64, ndmin=2)


def _bent(point: Point, fit_intercept: bool) -> Bent | None:
    """What is known beyond the mean Hessian of a point of one problem."""
    if point.bends is None or not point.bends[-1, -1].any() or not np.isfinite(point.bends).all():
        return None
    coef, intercept = (part[..., 0] for part in point.unpacked(point.bends.shape[2]))
    return Bent(coef, intercept, point.bends[..., 0], fit_intercept)


def _of(columns: Float, problem: int) -> Float:
    columns = np.asarray(columns, dtype=np.float64)
    return columns[:, problem if columns.shape[1] > 1 else 0]


def default_rows(n_features: int) -> int:
    """Rows of a sample where nobody asks for a number: 30 for each column, 10 of many columns.

    Never fewer than 2,000: a few columns' worth of them costs nothing.  Of few columns up to
    20,000, as many as make a Hessian in hundredths of a second: where all rows are kept, steps are
    Newton's.
    """
    per_column = ROWS_PER_COLUMN if n_features <= NARROW else ROWS_PER_COLUMN_WIDE
    cheap = min(MOST_CHEAP_ROWS, int(CHEAP / (n_features + 1) ** 2))
    return max(LEAST_ROWS, per_column * (n_features + 1), cheap)
