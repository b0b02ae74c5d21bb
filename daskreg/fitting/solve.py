"""From a Design to a solution: problems, datafit, plan, first pass, penalty, loop."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from daskreg._blas import blas_for, single_threaded_blas
from daskreg._typing import Float
from daskreg.datafit import Datafit, fit_free
from daskreg.losses import Squared
from daskreg.penalties import ElasticNet, alpha_max
from daskreg.solvers import SOLVERS, Gram, Solution, Status, solve

from .choose import Choice, Task, choose
from .known import Known
from .planning import Granted, plan_for_classes, prepare
from .settings import Fitted, Settings
from .slices import cut, solve_slices
from .unpenalised import free_model
from .watching import begun, show_iterates

#: Rounding of a Gram matrix above this is that of float32 products.
PRECISE = 1e-12


def fit_problems(design: Any, settings: Settings, start: Known | None = None) -> Fitted:
    """Solve every problem of ``settings`` over the rows of ``design``.

    Each problem begins at the nearest of the models of ``start``, if there are any.

    Raises
    ------
    DataError, MemoryPlanError, CompatibilityError
        From the first pass, the plan, and the solver's check of what it was given.
    """
    with blas_for(design.n_features, design.sparse):
        return _fit(design, settings, start)


def _fit(design: Any, settings: Settings, start: Known | None) -> Fitted:
    settings = begun(settings, design)
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
    choice = choose(settings.solver, Task.of(design, settings))
    choice, fits = prepare(design, datafit, choice, settings)
    with single_threaded_blas() if _sweeps(choice, settings) else nullcontext():
        return _solved(design, settings, start, datafit, choice, fits)


def _sweeps(choice: Choice, settings: Settings) -> bool:
    """Whether the products of a fit are made in passes, and in sweeps over columns in use.

    Threads of BLAS that a mere product of two long vectors wakes spin through the next pass, which
    has been measured to take half as long again.
    """
    return choice.method == "screening" and isinstance(settings.loss, Squared)


def _solved(
    design: Any,
    settings: Settings,
    start: Known | None,
    datafit: Datafit,
    choice: Choice,
    fits: Granted,
) -> Fitted:
    if choice.method == "gram":
        datafit.gram()
    elif choice.method == "quasi_newton":
        datafit.metric()
    else:
        datafit.first(_free(settings))
    choice, fits = plan_for_classes(design, datafit, choice, settings, fits)
    penalty = _penalty(datafit, settings)
    solver = choice.solver if choice.solver is not None else SOLVERS[choice.name]()
    if settings.watch is not None:
        solver, datafit, penalty = settings.watch.attached(solver, datafit, penalty)
    begin = _start(datafit, penalty, settings, choice, start)
    show_iterates(partial(_fitted, datafit, penalty, choice))
    solution = _solution(solver, datafit, penalty, settings, begin, fits.problems)
    datafit.release_columns()
    room = datafit.most_columns, design.plan.memory_limit
    return replace(_fitted(datafit, penalty, choice, solution, fits.scored), room=room)


def _fitted(
    datafit: Datafit, penalty: ElasticNet, choice: Choice, solution: Solution, scored: int = 0
) -> Fitted:
    """Bring a solution of all problems to the scale of the data."""
    coef, intercept = _shaped(*datafit.to_original(solution.coef, solution.intercept))
    return Fitted(
        coef=coef,
        intercept=intercept,
        alpha=penalty.alpha,
        solution=solution,
        choice=choice,
        datafit=datafit,
        classes=datafit.first().classes,
        scored_at_once=scored,
    )


def _shaped(coef: Float, intercept: Float) -> tuple[Float, Float]:
    """Return coef and intercept with the problems first; of classes centred intercepts.

    With one output in the order in memory that coef has: a copy may be as large as all models.
    """
    if len(intercept) == 1:
        return coef[:, 0].T, np.ascontiguousarray(intercept[0])
    intercept = intercept - intercept.mean(axis=0)
    return np.ascontiguousarray(coef.transpose(2, 1, 0)), np.ascontiguousarray(intercept.T)


def _solution(
    solver: Any, datafit: Datafit, penalty: ElasticNet, settings: Settings, start: Any, size: int
) -> Solution:
    """Solve the batch, ``size`` problems at a time."""

    def run(own: Any, begin: Any) -> Solution:
        return _solve_part(solver, datafit.take(own), penalty.take(own), settings, begin)

    if size >= datafit.n_problems:
        return _solve_part(solver, datafit, penalty, settings, start)
    problems = settings.problems
    slices = cut(problems, size)
    untried, limits = partial(_untried, datafit), settings.limits
    return solve_slices(run, problems, slices, start, untried, lambda: limits.spent)


def _untried(datafit: Datafit, own: Any, begin: Any, status: Status) -> Solution:
    """Problems that were not come to, at their start; nothing is known of them."""
    part = datafit.take(own)
    n = part.n_problems
    coef, intercept = begin or (
        np.zeros((part.n_features, part.n_outputs, n)),
        np.array(part.null_intercept),
    )
    none, nan = np.zeros(n, dtype=np.intp), np.full(n, np.nan)
    return Solution(
        *(coef, intercept, none, 0, none, nan, nan, nan, nan),
        certificate=np.full(n, "violation"),
        status=np.full(n, status, dtype=object),
    )


def _solve_part(
    solver: Any, datafit: Datafit, penalty: ElasticNet, settings: Settings, start: Any
) -> Solution:
    """Solve problems together; what folds need is left at the precision of a float32 Gram matrix.

    Their coefficients are compared with each other and dropped: no pass over X repairs them.
    """
    run = partial(
        solve,
        tol=settings.tol,
        max_iter=settings.max_iter,
        callbacks=settings.callbacks,
        max_passes=settings.limits.passes_left,
        deadline=settings.limits.seconds_left,
        checkpoint=datafit.design.journal,
    )
    kept = np.asarray(datafit.problems.fold) < 0
    rough = isinstance(solver, Gram) and not kept.all()
    rough = rough and max(data.rounding for data in datafit.grams().values()) > PRECISE
    if not rough:
        return run(solver, datafit, penalty, start=start)
    parts, columns = [], []
    for own, corrections in (
        (np.flatnonzero(kept), solver.corrections),
        (np.flatnonzero(~kept), 0),
    ):
        if not own.size:
            continue
        method = replace(solver, corrections=corrections)
        begin = None if start is None else (start[0][..., own], start[1][..., own])
        parts.append(run(method, datafit.take(own), penalty.take(own), start=begin))
        columns.append(own)
    return Solution.joined(parts, columns)


def _free(settings: Settings) -> Any:
    """Positions of the unpenalised columns."""
    weight = settings.penalty_weight
    return np.flatnonzero(weight == 0) if weight is not None else np.arange(0)


def _start(
    datafit: Any, penalty: ElasticNet, settings: Settings, choice: Choice, start: Known | None
) -> Any:
    """Where the solver begins, in its coordinates; None is the null model.

    In memory the unpenalised columns come first: at alpha_max nothing is left to do.
    """
    if start is not None:
        found = start.columns(datafit.problems, penalty.alpha, datafit.first().classes)
        if found is not None:
            return datafit.to_solver(*found)
    free = _free(settings)
    if choice.name != "gram" or not free.size:
        return None
    return fit_free(datafit, free, settings.positive)[0], datafit.null_intercept


def _penalty(datafit: Any, settings: Settings) -> ElasticNet:
    """The penalty with its alphas per weighted mean of the loss."""
    problems = settings.problems
    largest = None
    if problems.alpha_unit == "fraction":
        largest = _largest_alpha(datafit, settings)
        if settings.share_alpha_max:
            largest = largest.max()
    total = datafit.total_weight if problems.alpha_unit == "sum" else 1.0
    alpha = problems.resolve(total, largest)
    return ElasticNet(alpha, problems.l1_ratio, settings.penalty_weight, settings.positive)


def _largest_alpha(datafit: Any, settings: Settings) -> Float:
    """Return alpha_max over all rows of each problem, (K,): one of its target and l1_ratio."""
    kinds = np.stack([settings.problems.output, settings.problems.l1_ratio])
    _, one_each, which = np.unique(kinds, axis=1, return_index=True, return_inverse=True)
    free, whole = _free(settings), datafit.take(one_each).on_all_rows()
    grad = free_model(whole, free, settings.positive)[2]
    ratio = settings.problems.l1_ratio[one_each]
    largest = alpha_max(grad, ratio, settings.penalty_weight, settings.positive)
    return np.asarray(largest[which.reshape(-1)])
