"""Where a quasi-Newton solver stands: the accepted points, their pairs and what failed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.penalties import ElasticNet

from .pairs import Pairs
from .protocols import CurvedEvaluation
from .results import Candidates, Goal
from .shared_ridge import SharedRidge

#: Steps without any progress above rounding that end a problem.
PATIENCE = 4


@dataclass(frozen=True)
class Point:
    """Where the problems stand, everything that a pass told about it; problems last.

    Attributes
    ----------
    position, grad : arrays of shape (n, n_problems)
        Coefficients, feature by feature, and the gradient of the smooth part, intercepts last: n
        is (n_features + 1) n_outputs.
    objective : array of shape (n_problems,)
    curvature : array of shape (n_problems,), or (n_outputs, n_outputs, n_problems)
        The weighted mean second derivative of the loss by eta.
    bends : array of shape (q + 1, q + 1, q, q, n_problems) or None
        How it changes along eta, see ``bent``; zeros: not known.
    """

    position: Float
    grad: Float
    objective: Float
    curvature: Float
    bends: Float | None = None

    @classmethod
    def of(
        cls, penalty: ElasticNet, coef: Float, intercept: Float, evaluation: CurvedEvaluation
    ) -> Point:
        """Points that were evaluated, one a column; inadmissible ones have objective inf."""
        n_columns = coef.shape[-1]
        grad = np.concatenate([evaluation.grad.reshape(-1, n_columns), evaluation.intercept_grad])
        with np.errstate(invalid="ignore", over="ignore"):
            objective = evaluation.value + penalty.value(coef)
        admissible = np.isfinite(objective) & np.isfinite(grad).all(axis=0)
        objective = np.where(admissible, objective, np.inf)
        position = np.concatenate([coef.reshape(-1, n_columns), intercept])
        bends = getattr(evaluation, "bends", None)
        return cls(position, grad, objective, evaluation.mean_curvature, bends)

    def take(self, columns: AnyArray) -> Point:
        return Point(
            self.position[:, columns],
            self.grad[:, columns],
            self.objective[columns],
            self.curvature[..., columns],
            None if self.bends is None else self.bends[..., columns],
        )

    def unpacked(self, n_outputs: int) -> tuple[Float, Float]:
        """Coefficients (n_features, n_outputs, n_problems) and intercepts (n_outputs, ...)."""
        coef = self.position[:-n_outputs].reshape(-1, n_outputs, self.position.shape[1])
        return coef, self.position[-n_outputs:]

    @property
    def level(self) -> Float:
        """Mean curvature of the loss by eta, over outputs too, (n_problems,)."""
        if self.curvature.ndim == 1:
            return self.curvature
        return np.asarray(np.trace(self.curvature) / len(self.curvature))

    def moved(self, steps: Float) -> Point:
        """With other positions only: what was told of these points is not of those."""
        return replace(self, position=self.position + steps)

    def where(self, chosen: npt.NDArray[np.bool_], other: Point) -> Point:
        """This point where chosen, else the other."""
        return Point(
            np.where(chosen, self.position, other.position),
            np.where(chosen, self.grad, other.grad),
            np.where(chosen, self.objective, other.objective),
            np.where(chosen, self.curvature, other.curvature),
            None if self.bends is None else _either(chosen, self.bends, other.bends),
        )


def _either(chosen: npt.NDArray[np.bool_], own: Float, other: Float | None) -> Float:
    return np.where(chosen, own, 0.0 if other is None else other)


@dataclass(frozen=True)
class QuasiNewtonState:
    """Everything a step reads; problems last.

    Attributes
    ----------
    point : Point
        The last accepted one.
    pairs : Pairs
    direction : array of shape (n, n_problems)
        The step that was tried last.
    shorten : array of bool, shape (n_problems,)
        It did not descend: fractions of it come next.
    stiffness : array of shape (n_problems,)
        Factor of the metric, 1 unless steps fail.
    bound, violation : arrays of shape (n_problems,)
        The highest and the smallest so far.
    idle : array of int, shape (n_problems,)
        Steps since the last progress above rounding.
    shared : SharedRidge or None
        What pure ridge problems share.
    sampled : bool
        Whether a sample of the rows has taken the place of the Gram matrix.
    """

    point: Point
    pairs: Pairs
    direction: Float
    shorten: npt.NDArray[np.bool_]
    stiffness: Float
    bound: Float
    violation: Float
    idle: npt.NDArray[np.intp]
    n_iter: npt.NDArray[np.intp]
    goal: Goal
    candidates: Candidates
    shared: SharedRidge | None
    sampled: bool = False

    @property
    def exhausted(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.idle >= PATIENCE)

    def take(self, columns: AnyArray) -> QuasiNewtonState:
        names = ("direction", "shorten", "stiffness", "bound", "violation", "idle", "n_iter")
        return replace(
            self,
            point=self.point.take(columns),
            pairs=self.pairs.take(columns),
            goal=replace(self.goal, null_value=self.goal.null_value[columns]),
            candidates=self.candidates.take(columns),
            **{name: getattr(self, name)[..., columns] for name in names},
        )
