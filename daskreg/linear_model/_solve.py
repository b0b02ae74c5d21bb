"""From a Design to a solution: problems, datafit, plan, first pass, penalty, loop."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from daskreg._typing import Float
from daskreg.callbacks import listener
from daskreg.datafit import Datafit, fit_free
from daskreg.exceptions import MemoryPlanError
from daskreg.penalties import ElasticNet, alpha_max
from daskreg.problems import Problems
from daskreg.solvers import SOLVERS, Solution, solve

from ._choose import Choice, choose

#: What importing numba and compiling coordinate descent add to a process, measured.
NUMBA_BYTES = 120 << 20


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


@dataclass(frozen=True)
class Fitted:
    """A solution on the scale of the data.

    Attributes
    ----------
    coef : ndarray of shape (n_problems, n_features)
    intercept : ndarray of shape (n_problems,)
    alpha : ndarray of shape (n_problems,)
        As the objective has it: per weighted mean of the loss.
    solution : Solution
        In solver coordinates, with the certificates.
    classes : ndarray or None
    """

    coef: Float
    intercept: Float
    alpha: Float
    solution: Solution
    choice: Choice
    classes: Any = None


def fit_problems(design: Any, settings: Settings, start: Any = None) -> Fitted:
    """Solve every problem of ``settings`` over the rows of ``design``.

    ``start`` is None or (coef, intercept) on the scale of the data, of shapes (n_features, 1, K)
    and (1, K).

    Raises
    ------
    DataError, MemoryPlanError, CompatibilityError
        From the first pass, the plan, and the solver's check of what it was given.
    """
    datafit = Datafit(
        design,
        settings.loss,
        settings.problems,
        fit_intercept=settings.fit_intercept,
        standardize=settings.standardize,
        class_weight=settings.class_weight,
        tol=settings.tol,
    )
    choice = choose(settings.solver, quadratic=datafit.quadratic, n_features=design.n_features)
    choice = _prepare(design, datafit, choice, settings)
    if choice.name == "gram":
        datafit.gram()
    else:
        datafit.first(_free(settings))
    penalty = _penalty(datafit, settings)
    solver = choice.solver if choice.solver is not None else SOLVERS[choice.name]()
    solution = solve(
        solver,
        datafit,
        penalty,
        tol=settings.tol,
        max_iter=settings.max_iter,
        callbacks=settings.callbacks,
        start=_start(datafit, settings, choice, start),
    )
    coef, intercept = datafit.to_original(solution.coef, solution.intercept)
    return Fitted(
        coef=np.ascontiguousarray(coef[:, 0, :].T),
        intercept=np.ascontiguousarray(intercept[0]),
        alpha=penalty.alpha,
        solution=solution,
        choice=choice,
        classes=datafit.first().classes,
    )


def _prepare(design: Any, datafit: Datafit, choice: Choice, settings: Settings) -> Choice:
    """Make the final plan; a Gram matrix that does not fit gives way where that is allowed."""
    # FISTA evaluates two points of every problem in a pass.
    n_columns = 2 * datafit.problems.n_problems
    need = datafit.footprint(n_columns, gram=choice.name == "gram")
    if choice.name == "gram":
        # The client holds the Gram matrix, its sums and a factor of it, and the compiled solver.
        client = 3 * need.partial + _to_load(settings.problems)
        if datafit.dtype == np.float32:
            choice = replace(choice, reason=f"{choice.reason} (a second if float32 is too coarse)")
        try:
            design.prepare(1, need.partial, need.temporaries, client, choice.sentence)
        except MemoryPlanError as error:
            if not choice.fallback:
                raise
            choice = Choice("fista", f"the Gram matrix does not fit the memory limit: {error}")
            need = datafit.footprint(n_columns)
    if choice.name != "gram":
        client = 8 * (need.state + need.partial)
        design.prepare(None, need.partial, need.temporaries, client, choice.sentence)
    design.progress = listener(settings.callbacks)
    for callback in settings.callbacks:
        if hasattr(callback, "on_plan"):
            callback.on_plan(design.plan)
    return choice


def _to_load(problems: Problems) -> int:
    """Bytes that coordinate descent adds to this process when it is first used."""
    return 0 if "numba" in sys.modules or not problems.l1_ratio.any() else NUMBA_BYTES


def _free(settings: Settings) -> Any:
    """Positions of the unpenalised columns."""
    weight = settings.penalty_weight
    return np.flatnonzero(weight == 0) if weight is not None else np.arange(0)


def _start(datafit: Any, settings: Settings, choice: Choice, start: Any) -> Any:
    """Where the solver begins, in its coordinates; None is the null model.

    In memory the unpenalised columns come first: at alpha_max nothing is left to do.
    """
    if start is not None:
        return datafit.to_solver(*start)
    free = _free(settings)
    if choice.name != "gram" or not free.size:
        return None
    return fit_free(datafit, free, settings.positive)[0], datafit.null_intercept


def _penalty(datafit: Any, settings: Settings) -> ElasticNet:
    """The penalty with its alphas per weighted mean of the loss."""
    problems = settings.problems
    largest = None
    if problems.alpha_unit == "fraction":
        free = _free(settings)
        grad = fit_free(datafit, free, settings.positive)[1] if free.size else datafit.null_grad
        largest = alpha_max(grad, problems.l1_ratio, settings.penalty_weight, settings.positive)
        if settings.share_alpha_max:
            largest = largest.max()
    total = datafit.first().total_weight if problems.alpha_unit == "sum" else 1.0
    alpha = problems.resolve(total, largest)
    return ElasticNet(alpha, problems.l1_ratio, settings.penalty_weight, settings.positive)
