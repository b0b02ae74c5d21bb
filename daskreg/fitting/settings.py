"""What a fit is asked for, and what it gives, on the scale of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float
from daskreg.datafit import Datafit
from daskreg.design.work import Beside
from daskreg.events import current_log
from daskreg.problems import Problems
from daskreg.solvers import Solution, Status

from .choose import Choice
from .limits import Limits


@dataclass(frozen=True)
class Settings:
    """What is to be solved, free of data.

    Attributes
    ----------
    loss : PointwiseLoss
    problems : Problems
        One a column, alphas in their own unit.
    penalty_weight : ndarray of shape (n_features,) or None
    share_alpha_max : bool
        Fractions of alpha_max refer to the largest one of all problems.
    folds, resamples : Folds, RowWeights or None
        What the folds of the problems leave out, how their resamples count the rows.
    scores : tuple of str
        Metrics of a pass over held-out rows that follows the solver; empty: there is none.
    further_columns : int
        Columns of coefficients of one pass that follows the solver; 0: there is none.
    further_bytes : int
        What that pass brings to the client.
    limits : Limits
        Of passes and time.
    watch : Watch or None
        Looks at held-out rows while the solver runs.
    beside : Beside
        What these need, where they are other rows.
    """

    loss: Any
    problems: Problems
    solver: Any = "auto"
    penalty_weight: Float | None = None
    positive: bool = False
    fit_intercept: bool = True
    standardize: bool = False
    class_weight: Any = None
    tol: float = 1e-6
    max_iter: int = 1000
    callbacks: Sequence[Any] = field(default=())
    share_alpha_max: bool = True
    folds: Any = None
    resamples: Any = None
    scores: tuple[str, ...] = ()
    further_columns: int = 0
    further_bytes: int = 0
    limits: Limits = field(default_factory=Limits)
    watch: Any = None
    beside: Beside = field(default_factory=Beside)


@dataclass(frozen=True)
class Fitted:
    """A solution on the scale of the data.

    Attributes
    ----------
    coef : ndarray of shape (n_problems, n_features), or (n_problems, n_classes, n_features)
        The latter of more than two classes.
    intercept : ndarray of shape (n_problems,) or (n_problems, n_classes)
        Of classes with mean 0: only their differences count.
    alpha : ndarray of shape (n_problems,)
        As the objective has it: per weighted mean of the loss.
    solution : Solution
        In solver coordinates, with the certificates.
    datafit : Datafit
        Of the same problems; of use while the design is open.
    classes : ndarray or None
    scored_at_once : int
        Columns that the plan has room to score in one pass.
    room : tuple of int or None
        Columns in use that the memory holds beside the rest of the fit, and its limit in bytes.
    """

    coef: Float
    intercept: Float
    alpha: Float
    solution: Solution
    choice: Choice
    datafit: Datafit
    classes: Any = None
    scored_at_once: int = 0
    room: tuple[int, int] | None = None

    def take(self, columns: npt.ArrayLike) -> Fitted:
        """Return some of the problems."""
        index = np.asarray(columns, dtype=np.intp)
        return replace(
            self,
            coef=self.coef[index],
            intercept=self.intercept[index],
            alpha=self.alpha[index],
            solution=self.solution.take(index),
            datafit=self.datafit.take(index),
        )

    def require_finished(self, what: str) -> None:
        """Raise ``KeyboardInterrupt`` where the solver was stopped before it had an end."""
        if Status.INTERRUPTED in self.solution.status:
            raise current_log().interruption(f"{what}: stopped while solving, nothing was chosen")
