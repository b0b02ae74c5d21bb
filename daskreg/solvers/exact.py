"""Newton steps on the coefficients in use: their own Hessian at each point, in one more pass."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.penalties import ElasticNet

from .curvature import RIDGE, Curvature
from .models import Model, SampleModel, least
from .protocols import HessianDatafit
from .quasi_newton_state import Point
from .shared_ridge import SharedRidge
from .subproblem import Aim

#: Rows on which the first steps are taken, of at least so many times as many: of fewer all rows
#: cost less than what it takes to pick some.
OPENING_ROWS, FEW = 20_000, 50
#: Coefficients that may join those in use at a time, at least.
LEAST_NEW = 100


@dataclass(frozen=True)
class ActiveCurvature(Curvature):
    """The Hessian over some coefficients of one output and the intercept; the others stay.

    Attributes
    ----------
    hessian : array of shape (m + 1, m + 1)
    members : array of int, shape (m,)
        Ascending.
    n_features : int
    least : float
        Smallest curvature of the loss by eta that counts.
    lift : float
        Share of the diagonal that is added to it.
    """

    hessian: Float
    members: npt.NDArray[np.intp]
    n_features: int
    least: float
    lift: float = RIDGE

    n_outputs: ClassVar[int] = 1  # type: ignore[misc]

    @cached_property
    def bare(self) -> Float:
        bare = np.zeros(self.n_features)
        bare[self.members] = np.maximum(np.diag(self.hessian)[:-1], 0.0)
        return bare

    @cached_property
    def own(self) -> Float:
        return np.maximum(self.hessian[-1:, -1:], self.least)

    @property
    def scale(self) -> float:
        return float(self.own[0, 0])

    def _image(self, v: Float) -> tuple[Float, Float]:
        chosen = self.hessian @ v[np.append(self.members, -1)]
        coef = np.zeros((self.n_features, v.shape[1]))
        coef[self.members] = chosen[:-1]
        return coef, chosen[-1:]

    def _block(self, active: AnyArray) -> Float:
        places = np.searchsorted(self.members, active)
        return self.hessian[np.ix_(places, places)]

    def coupling(self, active: AnyArray) -> Float:
        return self.hessian[np.searchsorted(self.members, active), -1:]


@dataclass(frozen=True)
class ExactModel(Model):
    """The Hessian of all rows over the coefficients in use and those that should be.

    Attributes
    ----------
    curvatures : mapping
        Of problems by their number, at the points where they stand.
    """

    curvatures: dict[int, ActiveCurvature] = field(default_factory=dict)

    needs: ClassVar[tuple[str, ...]] = (
        *("hessians", "second_moment", "inverse_scale"),
        *("n_samples", "sample", "center"),
    )
    opens: ClassVar[bool] = True

    def prepare(self, datafit: HessianDatafit) -> None:
        """Nothing: the first pass brings no matrix."""

    def fixed(self, datafit: HessianDatafit) -> npt.NDArray[np.bool_]:
        return np.asarray(datafit.inverse_scale) == 0.0

    def bound(
        self, datafit: HessianDatafit, penalty: ElasticNet, point: Point, problems: list[int]
    ) -> ExactModel:
        """With the Hessians at the points of some problems: one pass."""
        if not problems:
            return self
        members = [self._members(datafit, penalty, point, k) for k in problems]
        coef, intercept = point.take(np.array(problems)).unpacked(1)
        found = datafit.hessians(coef, intercept, problems, members)
        floor = least(datafit)
        curvatures = {
            k: ActiveCurvature(hessian, own, len(coef), floor)
            for k, own, hessian in zip(problems, members, found, strict=True)
        }
        return replace(self, curvatures=curvatures)

    def _members(
        self, datafit: HessianDatafit, penalty: ElasticNet, point: Point, k: int
    ) -> npt.NDArray[np.intp]:
        """The coefficients in use and those whose move may gain most, as many again at most."""
        coef, grad = point.position[:-1, k], point.grad[:-1, k]
        violation = penalty.take([k]).violation(coef[:, None, None], grad[:, None, None])[:, 0, 0]
        scale = np.asarray(datafit.inverse_scale)
        varies = scale[:, min(k, scale.shape[1] - 1)] > 0.0
        used = (coef != 0.0) & varies
        size = np.maximum(datafit.second_moment, np.finfo(float).tiny)
        gains = np.where(varies & ~used, violation**2 / size, 0.0)
        n_new = min(max(LEAST_NEW, int(used.sum())), int(np.count_nonzero(gains)))
        used[np.argpartition(-gains, n_new - 1)[:n_new] if n_new else []] = True
        return np.flatnonzero(used)

    def at(
        self, datafit: HessianDatafit, problem: int, point: Point, n_active: int
    ) -> ActiveCurvature:
        return self.curvatures[problem]

    def unforeseen(self, datafit: HessianDatafit, before: Point, after: Point) -> Float:
        return after.grad - before.grad

    def turns(self, curvature: Curvature, steps: Float, kept: Float) -> Float:
        return kept

    def opening(
        self, datafit: HessianDatafit, problem: int, penalty: ElasticNet, point: Point, aim: Aim
    ) -> Float:
        """Of many rows: the first steps are the longest, and cost least on a sample."""
        if datafit.n_samples < FEW * OPENING_ROWS:
            return np.zeros(len(point.position))
        return SampleModel(OPENING_ROWS).opening(datafit, problem, penalty, point, aim)

    def shared_ridge(self, datafit: Any, penalty: ElasticNet) -> SharedRidge | None:
        return None
