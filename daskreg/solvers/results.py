"""What goes in and out of the loop: goal, candidates, progress, status, solution."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._pages import LARGE, few_rows, taken
from daskreg._typing import AnyArray, Float
from daskreg.penalties import ElasticNet

from .protocols import Evaluation


class Status(StrEnum):
    """How a problem ended; ``sentence`` says it to a person."""

    CONVERGED = "converged"
    MAX_ITER = "max_iter"
    MAX_PASSES = "max_passes"
    DEADLINE = "deadline"
    STOPPED = "stopped"
    STALLED = "stalled"
    MEMORY = "memory"
    INTERRUPTED = "interrupted"

    @property
    def sentence(self) -> str:
        return {
            "converged": "The solution meets the tolerance.",
            "max_iter": "The iterations ran out first: raise max_iter or tol, or standardize.",
            "max_passes": "The passes over the data ran out first: this is the best iterate so "
            "far; raise max_passes or tol, or start from here.",
            "deadline": "The time ran out first: this is the best iterate so far; allow more time, "
            "raise tol, or start from here.",
            "stopped": "A callback ended the fit: this is the best iterate so far.",
            "stalled": "Rounding allows no further improvement: tol is below what the precision "
            "of the data and the conditioning of the problem permit.",
            "memory": "The columns that it uses fill the memory: this is the best model on as many "
            "as fit; raise memory_limit, ask for larger alphas only, or use solver='fista'.",
            "interrupted": "Stopped from outside: this is the best iterate so far.",
        }[self.value]


@dataclass(frozen=True)
class Goal:
    """What the loop asks of a solver: relative gap, budget and null values (n_problems,)."""

    tol: float
    max_iter: int
    null_value: Float


@dataclass(frozen=True)
class Candidates:
    """Per problem, the best point and the best bound that the latest pass has seen.

    Attributes
    ----------
    coef : array of shape (n_features, n_outputs, n_problems)
    intercept : array of shape (n_outputs, n_problems)
    objective : array of shape (n_problems,)
        Objective at ``coef``, or what it is at most; inf where no point was admissible.
    bound : array of shape (n_problems,)
        Lower bound of the optimum; -inf where there is none.
    violation : array of shape (n_problems,)
        Largest optimality violation at ``coef``, the intercept's gradient included.
    """

    coef: Float
    intercept: Float
    objective: Float
    bound: Float
    violation: Float

    @classmethod
    def best_of(
        cls,
        penalty: ElasticNet,
        coef: Float,
        intercept: Float,
        evaluation: Evaluation,
        columns: npt.NDArray[np.intp],
    ) -> Candidates:
        """Reduce evaluated columns, of which column c belongs to problem ``columns[c]``.

        Every problem must own one column of ``range(n_problems)`` at its own position.
        """
        per_column = penalty.take(columns)
        with np.errstate(invalid="ignore", over="ignore"):
            rows = few_rows(coef)
            own = per_column if rows is None else per_column.restricted(rows)
            objective = evaluation.value + own.value(coef if rows is None else coef[rows])
            # A bound of another pass may meet it: what low precision hides is on its side, too.
            objective = objective + getattr(evaluation, "rounding", 0.0)
            bound = np.asarray(evaluation.dual(per_column, coef), dtype=np.float64)
        admissible = np.isfinite(objective) & np.isfinite(evaluation.grad).all(axis=(0, 1))
        objective = np.where(admissible, objective, np.inf)
        bound = np.where(np.isfinite(bound), bound, -np.inf)

        best = np.arange(penalty.n_problems)
        highest = np.full(penalty.n_problems, -np.inf)
        for column, problem in enumerate(columns):
            if objective[column] < objective[best[problem]]:
                best[problem] = column
        np.maximum.at(highest, columns, bound)
        grad, intercept_grad = evaluation.grad, evaluation.intercept_grad
        if len(columns) > len(best) or (best != np.arange(len(best))).any():
            coef, intercept, objective = coef[..., best], intercept[..., best], objective[best]
            grad, intercept_grad = grad[..., best], intercept_grad[..., best]
        violation = optimality(penalty, coef, grad, intercept_grad)
        return cls(coef, intercept, objective, highest, violation)

    def take(self, columns: AnyArray, coef: Float | None = None) -> Candidates:
        """Return those of some problems; ``coef`` are theirs where somebody has taken them."""
        return Candidates(
            taken(self.coef, columns) if coef is None else coef,
            self.intercept[..., columns],
            self.objective[columns],
            self.bound[columns],
            self.violation[columns],
        )


def optimality(penalty: ElasticNet, coef: Float, grad: Float, intercept_grad: Float) -> Float:
    """Largest violation of the optimality conditions per problem, in the unit of ``grad``."""
    largest = np.abs(intercept_grad).max(axis=0, initial=0.0)
    # A few megabytes at a time: what is made of them stays in the cache.
    n_rows = max(1, LARGE // (8 * max(1, math.prod(grad.shape[1:]))))
    with np.errstate(invalid="ignore"):
        for start in range(0, len(grad), n_rows):
            some = slice(start, start + n_rows)
            own = penalty.restricted(some) if len(grad) > n_rows else penalty
            worst = own.violation(coef[some], grad[some]).max(axis=(0, 1), initial=0.0)
            largest = np.maximum(largest, worst)
    return largest


@dataclass(frozen=True)
class Progress:
    """One iteration of the loop, as callbacks see it.

    Attributes
    ----------
    n_iter, n_passes : int
        Steps of the loop; passes over X since the loop began.
    gap : float
        Largest relative gap over the problems that have one, else NaN.
    violation : float
        Largest violation over its scale among the problems without a gap, else NaN.
    objective : float
        Sum of the problems' best objectives.
    n_nonzero : int
        Nonzero coefficients over all problems.
    n_active : int
        Problems that go on.
    solution : callable or None
        Returns the best iterates so far as a `Solution`; the status of problems that go on is None.
    """

    n_iter: int
    n_passes: int
    gap: float
    violation: float
    objective: float
    n_nonzero: int
    n_active: int
    solution: Callable[[], Solution] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Solution:
    """The best iterate of every problem, with its certificate.

    Attributes
    ----------
    coef : array of shape (n_features, n_outputs, n_problems)
        In solver coordinates.
    intercept : array of shape (n_outputs, n_problems)
    n_iter : array of int, shape (n_problems,)
        In the solver's own unit (accepted or not: FISTA steps; sweeps of coordinate descent).
    n_passes : int
        Passes over X that the loop made.
    n_passes_each : array of int, shape (n_problems,)
        Those that each problem took part in.
    objective, dual_gap, relative_gap, violation : arrays of shape (n_problems,)
        Gap in units of the objective, and over P(null); NaN where no valid bound is known.
        Violation in the unit of the gradient.
    certificate : array of str, shape (n_problems,)
        'gap' or 'violation': what stopping was decided on.
    status : object array of Status, shape (n_problems,)
    """

    coef: Float
    intercept: Float
    n_iter: npt.NDArray[np.intp]
    n_passes: int
    n_passes_each: npt.NDArray[np.intp]
    objective: Float
    dual_gap: Float
    relative_gap: Float
    violation: Float
    certificate: npt.NDArray[np.str_]
    status: npt.NDArray[Any]

    def take(self, columns: npt.ArrayLike) -> Solution:
        """Return some of the problems."""
        index = np.asarray(columns, dtype=np.intp)
        chosen = {
            name: getattr(self, name)[..., index]
            for name in self.__dataclass_fields__
            if name != "n_passes"
        }
        return replace(self, **chosen)

    @classmethod
    def joined(cls, parts: Sequence[Solution], columns: Sequence[AnyArray]) -> Solution:
        """Return the problems of several solutions at the places that ``columns`` say."""
        order = np.argsort(np.concatenate(columns))
        names = [name for name in cls.__dataclass_fields__ if name != "n_passes"]
        values = {
            name: np.concatenate([getattr(part, name) for part in parts], axis=-1)[..., order]
            for name in names
        }
        return cls(**values, n_passes=sum(part.n_passes for part in parts))

    @property
    def converged(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.status == Status.CONVERGED, dtype=bool)
