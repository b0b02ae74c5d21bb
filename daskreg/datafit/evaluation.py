"""What one pass returns at a point: value, gradient and a lower bound of the optimum."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float


class DualPenalty(Protocol):
    """What a lower bound asks of a penalty; arrays v are (p, q, C), results (C,)."""

    @property
    def positive(self) -> bool: ...

    @property
    def has_l1(self) -> npt.NDArray[np.bool_]: ...

    @property
    def has_l2(self) -> npt.NDArray[np.bool_]: ...

    def take(self, columns: AnyArray) -> Any: ...

    def is_free(self, n_features: int) -> npt.NDArray[np.bool_]: ...

    def conjugate(self, v: Float) -> Float: ...

    def dual_scale(self, v: Float) -> Float: ...

    def best_dual(self, linear: Float, quadratic: Float, v: Float) -> Float: ...


class DualPoint(ABC):
    """Sums of one pass from which a feasible dual point can be scaled."""

    @abstractmethod
    def take(self, columns: AnyArray) -> DualPoint:
        """Return the sums of some columns."""

    @abstractmethod
    def lower_bound(
        self, penalty: DualPenalty, coef: Float, grad: Float, unsure: Float | float = 0.0
    ) -> Float:
        """Return a lower bound of each optimum, shape (C,); NaN where the point gives none.

        It holds for all gradients within ``unsure``, (p, 1, C) or 0, of ``grad``.
        """


@dataclass(frozen=True, eq=False)
class ByWeighting(DualPoint):
    """Dual points of columns whose rows count differently.

    Attributes
    ----------
    points : tuple of DualPoint
        One for each weighting, of its own columns.
    part, place : ndarray of int, shape (C,)
        Which of the points each column belongs to, and which of its columns it is.
    """

    points: tuple[DualPoint, ...]
    part: AnyArray
    place: AnyArray

    @classmethod
    def of(cls, points: list[DualPoint], columns: list[AnyArray]) -> DualPoint:
        """Return the points of all columns; ``columns[i]`` are those of ``points[i]``."""
        if len(points) == 1:
            return points[0]
        part = np.concatenate([np.full(len(own), i) for i, own in enumerate(columns)])
        place = np.concatenate([np.arange(len(own)) for own in columns])
        order = np.argsort(np.concatenate(columns), kind="stable")
        return cls(tuple(points), part[order], place[order])

    def take(self, columns: AnyArray) -> ByWeighting:
        return ByWeighting(self.points, self.part[columns], self.place[columns])

    def lower_bound(
        self, penalty: DualPenalty, coef: Float, grad: Float, unsure: Float | float = 0.0
    ) -> Float:
        bounds = np.empty(len(self.part))
        for number in np.unique(self.part):
            own = np.flatnonzero(self.part == number)
            point = self.points[number].take(self.place[own])
            part = coef[..., own], grad[..., own], _taken(unsure, own)
            bounds[own] = point.lower_bound(penalty.take(own), *part)
        return bounds


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The smooth half of C problems at one point each, in solver coordinates.

    Attributes
    ----------
    value : ndarray, shape (C,)
        Weighted mean loss.
    grad : ndarray, shape (p, q, C)
        Its gradient by coef.
    intercept_grad : ndarray, shape (q, C)
        Its derivatives by the intercepts; zeros without them.
    dual_point : DualPoint
    mean_curvature : ndarray, shape (C,), or (q, q, C) of q classes
        Weighted mean of the second derivative of the loss by eta.
    rounding : ndarray, shape (C,), or 0
        What products of low precision may hide of the objective, in its unit; bounds are lower by
        it, and objectives may be higher.
    bends : ndarray, shape (q + 1, q + 1, q, q, C), or None
        Weighted means of ``t_a t_b H_cd``, where they were asked for: t is eta and a 1, H the
        Hessian of the loss by eta.
    grad_rounding : ndarray, shape (p, 1, C), or 0
        The same of the gradient, in its unit: bounds hold for all gradients within it.
    """

    value: Float
    grad: Float
    intercept_grad: Float
    dual_point: DualPoint
    mean_curvature: Float
    rounding: Float | float = 0.0
    bends: Float | None = None
    grad_rounding: Float | float = 0.0

    def take(self, columns: npt.ArrayLike) -> Evaluation:
        """Return the evaluation of some columns."""
        index = np.asarray(columns)
        return Evaluation(
            self.value[index],
            self.grad[..., index],
            self.intercept_grad[:, index],
            self.dual_point.take(index),
            self.mean_curvature[..., index],
            np.broadcast_to(self.rounding, self.value.shape)[index],
            None if self.bends is None else self.bends[..., index],
            _taken(self.grad_rounding, index),
        )

    def dual(self, penalty: DualPenalty, coef: Float) -> Float:
        """Return a lower bound of the optimum of each problem, shape (C,).

        Parameters
        ----------
        penalty : ElasticNet
            Of the C columns of this evaluation.
        coef : ndarray, shape (p, q, C)
            Where the evaluation was made.

        Returns
        -------
        ndarray, shape (C,)
            In the unit of the objective.  NaN where no dual point is known: neither L1 nor L2,
            or unpenalised columns whose constraint the point cannot be made to meet.
        """
        seen = self.grad, self.grad_rounding
        bound = self.dual_point.lower_bound(penalty, coef, *seen) - self.rounding
        return np.where(is_penalised(penalty), bound, np.nan)


def joined(parts: Sequence[Evaluation], columns: Sequence[AnyArray]) -> Evaluation:
    """Return the evaluations of several runs of columns; ``columns[i]`` are those of ``parts[i]``.

    Every column belongs to one part.
    """
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(np.concatenate(columns), kind="stable")
    # A first pass is precise: it has no rounding of gradients.
    rounding = [np.broadcast_to(part.rounding, part.value.shape) for part in parts]
    bends = [part.bends for part in parts if part.bends is not None]
    return Evaluation(
        np.concatenate([part.value for part in parts])[order],
        np.concatenate([part.grad for part in parts], axis=-1)[..., order],
        np.concatenate([part.intercept_grad for part in parts], axis=-1)[..., order],
        ByWeighting.of([part.dual_point for part in parts], list(columns)),
        np.concatenate([part.mean_curvature for part in parts], axis=-1)[..., order],
        np.concatenate(rounding)[order],
        np.concatenate(bends, axis=-1)[..., order] if len(bends) == len(parts) else None,
    )


def _taken(values: Float | float, columns: AnyArray) -> Float | float:
    return values[..., columns] if isinstance(values, np.ndarray) else values


def outward(v: Float, unsure: Float | float, penalty: DualPenalty) -> Float:
    """Return v (p, q, C) as far from what its bounds allow as it may be within ``unsure``."""
    if np.ndim(unsure) == 0:
        return v
    return v + (unsure if penalty.positive else np.copysign(unsure, v))


def is_penalised(penalty: DualPenalty) -> npt.NDArray[np.bool_]:
    """Whether each problem has an L1 or an L2 part at all, shape (C,)."""
    return np.asarray(penalty.has_l1 | penalty.has_l2)


def free_columns(penalty: Any, n_features: int) -> npt.NDArray[np.intp]:
    """Return the numbers of the columns that no problem penalises."""
    return np.flatnonzero(penalty.is_free(n_features))
