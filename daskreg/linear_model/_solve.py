"""From a Design to a solution: problems, datafit, plan, first pass, penalty, loop."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from daskreg._typing import Float
from daskreg.callbacks import listener
from daskreg.datafit import Datafit, Footprint, fit_free
from daskreg.design.host import format_bytes
from daskreg.exceptions import MemoryPlanError
from daskreg.penalties import ElasticNet, alpha_max
from daskreg.problems import Problems
from daskreg.solvers import SOLVERS, QuasiNewton, Solution, solve

from ._choose import Choice, choose, for_classes

#: What importing numba and compiling coordinate descent add to a process, measured.
NUMBA_BYTES = 120 << 20
#: Solvers whose first pass sums a Gram matrix.
WITH_GRAM = ("gram", "quasi_newton")


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

    ``start`` is None or (coef, intercept) on the scale of the data, of shapes (n_features, q, K)
    and (q, K); one for another number of classes is left aside.

    Raises
    ------
    DataError, MemoryPlanError, CompatibilityError
        From the first pass, the plan, and the solver's check of what it was given.
    """
    datafit = Datafit(
        design,
        settings.loss,
        settings.problems,
        folds=settings.folds,
        resamples=settings.resamples,
        fit_intercept=settings.fit_intercept,
        standardize=settings.standardize,
        class_weight=settings.class_weight,
        tol=settings.tol,
    )
    choice = choose(
        settings.solver,
        quadratic=datafit.quadratic,
        n_features=design.n_features,
        n_samples=design.n_samples,
    )
    choice = _prepare(design, datafit, choice, settings)
    if choice.method == "gram":
        datafit.gram()
    elif choice.method == "quasi_newton":
        datafit.metric()
    else:
        datafit.first(_free(settings))
    choice = _with_classes(design, datafit, choice, settings)
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
    coef, intercept = _shaped(*datafit.to_original(solution.coef, solution.intercept))
    return Fitted(
        coef=coef,
        intercept=intercept,
        alpha=penalty.alpha,
        solution=solution,
        choice=choice,
        classes=datafit.first().classes,
    )


def _shaped(coef: Float, intercept: Float) -> tuple[Float, Float]:
    """Return coef and intercept with the problems first; of classes centred intercepts."""
    if len(intercept) == 1:
        return np.ascontiguousarray(coef[:, 0].T), np.ascontiguousarray(intercept[0])
    intercept = intercept - intercept.mean(axis=0)
    return np.ascontiguousarray(coef.transpose(2, 1, 0)), np.ascontiguousarray(intercept.T)


def _with_classes(design: Any, datafit: Datafit, choice: Choice, settings: Settings) -> Choice:
    """Choose and plan again for more than two classes, which only the first pass tells of.

    The plan stays where it has room for them.
    """
    n_outputs = datafit.n_outputs
    if n_outputs == 1:
        return choice
    granted = design.plan
    choice = for_classes(choice, n_outputs=n_outputs, n_features=design.n_features)
    need, before = _need(datafit, choice, settings), _need(datafit, choice, settings, 2)
    terms = {
        "kernel temporaries": need.temporaries / before.temporaries,
        "partial sums": need.partial / before.partial,
        "solver": n_outputs,
    }
    more = sum((factor - 1.0) * granted.memory.get(term, 0) for term, factor in terms.items())
    if granted.peak + more <= granted.usable:
        return choice
    reason = f"{choice.reason}; planned again for the {n_outputs} classes that y holds"
    return _prepare(design, datafit, replace(choice, reason=reason), settings)


def _prepare(design: Any, datafit: Datafit, choice: Choice, settings: Settings) -> Choice:
    """Make the final plan; a Gram matrix that does not fit gives way where that is allowed."""
    if choice.name == "gram" and datafit.dtype == np.float32:
        choice = replace(choice, reason=f"{choice.reason} (a second if float32 is too coarse)")
    try:
        _plan(design, datafit, choice, settings)
    except MemoryPlanError as error:
        if not choice.fallback:
            raise
        need = f": {choice.name} needs {format_bytes(error.limit)}" if error.limit else ""
        choice = Choice("fista", f"a Gram matrix does not fit the memory limit{need}")
        _plan(design, datafit, choice, settings)
    design.progress = listener(settings.callbacks)
    for callback in settings.callbacks:
        if hasattr(callback, "on_plan"):
            callback.on_plan(design.plan)
    return choice


def _plan(design: Any, datafit: Datafit, choice: Choice, settings: Settings) -> None:
    """Make the plan of one solver."""
    n_problems = datafit.problems.n_problems
    need = _need(datafit, choice, settings)
    passes = None
    if choice.method == "gram":
        # The client holds the Gram matrix, its sums and a factor of it, and the compiled solver.
        passes, client = 1, 3 * need.partial + _to_load(settings)
    elif choice.method == "quasi_newton":
        # The sums of all labels, or of two, and their join, later the matrix and one problem's
        # block and factors; beside them the pairs of all problems and a copy.
        memory = getattr(choice.solver, "memory", QuasiNewton.memory)
        pairs = 6 * memory * 8 * (design.n_features + 1) * n_problems * need.n_outputs
        sums = max(need.partial, 16 * design.n_features * (design.n_features + 3))
        client = 4 * sums + 8 * need.state + pairs + _to_load(settings)
    else:
        client = 8 * (need.state + need.partial)
    design.prepare(passes, need.partial, need.temporaries, client, choice.sentence)


def _need(
    datafit: Datafit, choice: Choice, settings: Settings, n_classes: int | None = None
) -> Footprint:
    """Return what a pass of the solver takes; with ``n_classes`` as if there were so many."""
    # FISTA evaluates two points of every problem in a pass, quasi-Newton up to three.
    n_columns = 3 if choice.method == "quasi_newton" else 2
    n_columns *= settings.problems.n_problems
    return datafit.footprint(n_columns, choice.method in WITH_GRAM, n_classes)


def _to_load(settings: Settings) -> int:
    """Bytes that coordinate descent adds to this process when it is first used."""
    swept = settings.problems.l1_ratio.any() or settings.positive
    return NUMBA_BYTES if swept and "numba" not in sys.modules else 0


def _free(settings: Settings) -> Any:
    """Positions of the unpenalised columns."""
    weight = settings.penalty_weight
    return np.flatnonzero(weight == 0) if weight is not None else np.arange(0)


def _start(datafit: Any, settings: Settings, choice: Choice, start: Any) -> Any:
    """Where the solver begins, in its coordinates; None is the null model.

    In memory the unpenalised columns come first: at alpha_max nothing is left to do.
    """
    if start is not None and len(start[1]) == datafit.n_outputs:
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
        free, whole = _free(settings), datafit.on_all_rows()
        grad = fit_free(whole, free, settings.positive)[1] if free.size else whole.null_grad
        largest = alpha_max(grad, problems.l1_ratio, settings.penalty_weight, settings.positive)
        if settings.share_alpha_max:
            largest = largest.max()
    total = datafit.total_weight if problems.alpha_unit == "sum" else 1.0
    alpha = problems.resolve(total, largest)
    return ElasticNet(alpha, problems.l1_ratio, settings.penalty_weight, settings.positive)
