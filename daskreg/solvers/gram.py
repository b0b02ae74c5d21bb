"""Least squares from one pass: the Gram matrix, then everything in memory."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from daskreg._array import places
from daskreg._blas import single_threaded_blas
from daskreg._typing import AnyArray, Float
from daskreg.exceptions import CompatibilityError
from daskreg.penalties import ElasticNet

from .base import Solver
from .factored import Factored
from .factored_descent import FactoredDescent
from .parallel import Both, one_by_one, parallel_map, side_by_side
from .protocols import QuadraticDatafit, SquaredSums, require
from .quadratic import Quadratic, Quadratics, solve_ridge
from .results import Candidates, Goal, optimality
from .started import started_on_card
from .warm_path import solve_path

#: Passes that may repair a Gram matrix of low precision; one is enough unless it is hopeless.
MAX_CORRECTIONS = 3
#: Relative gaps below this are rounding of float64 sums.
SMALLEST_TOL = 1e-14


@dataclass(frozen=True)
class GramState:
    """Where the in-memory solution stands; problems on the last axis.

    ``rounding`` (K,) is that of each problem's Gram matrix, ``target`` (K,) the absolute gap asked
    for, ``doubtful`` (K,) where the rounding could move the gap by more than a quarter of it.
    """

    models: Quadratics
    rounding: Float
    target: Float
    max_sweeps: int
    n_corrections: int
    max_corrections: int
    doubtful: npt.NDArray[np.bool_]
    n_iter: npt.NDArray[np.intp]
    candidates: Candidates

    @property
    def exhausted(self) -> npt.NDArray[np.bool_]:
        """Only rounding of G is a reason to look at the data again."""
        return np.asarray(~self.doubtful | (self.n_corrections >= self.max_corrections))

    def take(self, columns: AnyArray) -> GramState:
        return replace(
            self,
            models=self.models.take(columns),
            rounding=self.rounding[columns],
            target=self.target[columns],
            doubtful=self.doubtful[columns],
            n_iter=self.n_iter[columns],
            candidates=self.candidates.take(columns),
        )


@dataclass(frozen=True)
class Gram(Solver):
    """Squared loss in one pass over the data, whatever the number of problems.

    The pass sums ``X'SX`` and ``X'Sy``, for each weighting of the rows its own.  Without L1 the
    solution is a direct solve, else coordinate descent on the Gram matrix.  Where the matrix was
    summed in low precision and ``tol`` asks for more, a step makes one pass for the exact value
    and gradient at the solution and solves again with those and the same matrix as metric.

    Passes: 1, or 2 with a correction.  ``n_iter`` counts sweeps of coordinate descent.

    Parameters
    ----------
    corrections : int
        Passes that may repair a Gram matrix of low precision; 0: solutions are left at it.
    factored : bool
        Never multiply the Gram matrices: keep the rows that they are products of, which are
        smaller where there are fewer rows than columns.

    References
    ----------
    Friedman, Hastie and Tibshirani (2010), Regularization paths for generalized linear models via
    coordinate descent, section 2.2.
    """

    name: ClassVar[str] = "gram"
    corrections: int = MAX_CORRECTIONS
    factored: bool = False

    def check(self, datafit: Any, penalty: ElasticNet) -> None:
        if not getattr(datafit, "quadratic", False):
            loss = type(getattr(datafit, "loss", datafit)).__name__
            raise CompatibilityError(
                f"Gram cannot use {loss}: it needs the squared loss; use Fista"
            )
        sums = "factored_grams" if self.factored else "grams"
        require("Gram", datafit, (sums, "value_and_grad", "output", "weighting", "take"))
        require("Gram", penalty, ("l1", "l2", "best_dual", "value", "violation", "take"))

    def prepare(self, datafit: QuadraticDatafit) -> None:
        _matrices(datafit, self.factored)

    def init(
        self,
        datafit: QuadraticDatafit,
        penalty: ElasticNet,
        start: tuple[Float, Float] | None,
        goal: Goal,
    ) -> GramState:
        models, rounding = _models(datafit, self.factored)
        shape = (datafit.n_features, datafit.n_problems)
        coef = np.zeros(shape) if start is None else start[0][:, 0, :]
        target = np.maximum(goal.tol, SMALLEST_TOL) * goal.null_value
        intercept = np.array(datafit.null_intercept, dtype=np.float64)
        started = started_on_card(datafit, models, penalty, coef, target, goal.max_iter)
        if started is not None:
            coef, swept = started
        new = _solved(
            *(models, penalty, coef, intercept, target, goal.max_iter, rounding),
            alone=started is not None,
        )
        if started is not None:
            new = replace(new, n_iter=new.n_iter + swept)
        return replace(new, max_corrections=self.corrections)

    def step(self, datafit: QuadraticDatafit, penalty: ElasticNet, state: GramState) -> GramState:
        held = state.candidates
        everyone = np.arange(held.objective.size)
        exact = datafit.value_and_grad(held.coef, held.intercept, everyone, precise=True)
        coef = held.coef[:, 0, :]
        models = state.models.recentred(coef, exact.value, exact.grad[:, 0, :])
        new = _solved(
            models, penalty, coef, held.intercept, state.target, state.max_sweeps, state.rounding,
            metric_centre=coef,
        )  # fmt: skip
        return replace(
            new,
            n_iter=state.n_iter + new.n_iter,
            n_corrections=state.n_corrections + 1,
            max_corrections=self.corrections,
        )


def _matrices(
    datafit: QuadraticDatafit, factored: bool
) -> dict[int, tuple[Float | Factored, SquaredSums]]:
    """The Gram matrix of each weighting, with the sums that belong to it."""
    if factored:
        rows = datafit.factored_grams()
        return {number: (Factored(data.rows), data) for number, data in rows.items()}
    whole = datafit.grams()
    return {
        number: (np.ascontiguousarray(data.G, dtype=np.float64), data)
        for number, data in whole.items()
    }


def _models(datafit: QuadraticDatafit, factored: bool) -> tuple[Quadratics, Float]:
    """The problems of each Gram matrix, and the rounding of every problem's own, (K,)."""
    output = np.asarray(datafit.output, dtype=np.intp)
    weighting = np.asarray(datafit.weighting, dtype=np.intp)
    rounding = np.empty(len(output))
    parts, columns = [], []
    for number, (G, data) in _matrices(datafit, factored).items():
        own = places(weighting == number)
        target = output[own]
        parts.append(Quadratic(G, data.c[:, target], data.yy[target], target))
        columns.append(own)
        rounding[own] = data.rounding
    return Quadratics(tuple(parts), tuple(columns)), rounding


def _solved(
    models: Quadratics,
    penalty: ElasticNet,
    start: Float,
    intercept: Float,
    target: Float,
    max_sweeps: int,
    rounding: Float,
    metric_centre: Float | None = None,
    alone: bool = False,
) -> GramState:
    """Solve in memory; ``metric_centre`` is where value and gradient of the model are exact.

    Problems that are ``alone`` start from their own column, not from each other's solutions.

    Bound and violation are widened by what the rounding of G may hide, so that they stay valid.
    """
    n_problems = len(target)
    coef = np.empty_like(start, dtype=np.float64)
    n_sweeps = np.zeros(n_problems, dtype=np.intp)
    objective, bound, violation, error = (np.empty(n_problems) for _ in range(4))
    paths = _paths(models, penalty, alone)
    lone = len(paths) == 1 and isinstance(paths[0][0].G, Factored)

    def solved(path: tuple[Quadratic, npt.NDArray[np.intp]]) -> tuple[Float, AnyArray]:
        model, own = path
        worst = float(rounding[own].max())
        return _minimise(
            model, penalty.take(own), start[:, own], 0.5 * target[own], max_sweeps, worst, both
        )

    with (
        single_threaded_blas() if penalty.has_l1.any() else nullcontext(),
        # Several paths have a thread each, the products of a lone one have two.
        side_by_side() if lone else nullcontext(one_by_one) as both,
    ):
        results = parallel_map(solved, paths, small=lone)
    for (_, own), (found, sweeps) in zip(paths, results, strict=True):
        coef[:, own], n_sweeps[own] = found, sweeps
    for model, own in zip(models.parts, models.columns, strict=True):
        one, found = penalty.take(own), coef[:, own]
        moved = found if metric_centre is None else found - metric_centre[:, own]
        diagonal = np.sqrt(model.diagonal)
        spread = (np.abs(moved) * diagonal[:, None]).sum(axis=0)
        error[own] = rounding[own] * spread**2
        grad, wide = model.grad(found), found[:, None, :]
        objective[own] = model.value(found, grad) + one.value(wide)
        bound[own] = model.bound(one, found, grad) - error[own]
        violation[own] = optimality(one, wide, grad[:, None, :], np.zeros((1, len(own))))
        violation[own] += diagonal.max(initial=0.0) * rounding[own] * spread
    candidates = Candidates(coef[:, None, :], intercept, objective, bound, violation)
    doubtful = error > 0.25 * target
    return GramState(models, rounding, target, max_sweeps, 0, 0, doubtful, n_sweeps, candidates)


def _paths(
    models: Quadratics, penalty: ElasticNet, alone: bool
) -> list[tuple[Quadratic, AnyArray]]:
    """Problems that are solved one after the other, of one Gram matrix each.

    Direct solves share factors, and each problem of a path starts from the one before unless it is
    ``alone``.
    """
    found: list[tuple[Quadratic, AnyArray]] = []
    for model, own in zip(models.parts, models.columns, strict=True):
        one = penalty.take(own)
        swept = one.has_l1 | one.positive
        kinds: dict[tuple[float, int, int] | None, list[int]] = {}
        keys = zip(swept.tolist(), one.l1_ratio.tolist(), model.output.tolist(), strict=True)
        for place, (is_swept, l1_ratio, output) in enumerate(keys):
            path = (l1_ratio, output, place if alone else 0) if is_swept else None
            kinds.setdefault(path, []).append(place)
        found += [(model.take(places), own[places]) for places in kinds.values()]
    return found


def _minimise(
    model: Quadratic,
    penalty: ElasticNet,
    start: Float,
    target: Float,
    max_sweeps: int,
    rounding: float,
    both: Both,
) -> tuple[Float, npt.NDArray[np.intp]]:
    """Direct solves where there is no L1 and no sign constraint, coordinate descent elsewhere."""
    coef = np.zeros_like(model.c)
    n_sweeps = np.zeros(penalty.n_problems, dtype=np.intp)
    swept = penalty.has_l1 | penalty.positive
    direct, iterated = places(~swept), places(swept)
    if direct.size:
        coef[:, direct] = solve_ridge(model.take(direct), penalty.take(direct), rounding)
    if iterated.size:
        if isinstance(model.G, Factored):
            solve_one = FactoredDescent(model.G, both, iterated.size == 1).solve_one
        else:
            from .coordinate_descent import solve_one
        own = model, penalty, start, target
        if direct.size:
            own = model.take(iterated), penalty.take(iterated), start[:, iterated], target[iterated]
        descent = solve_path(solve_one, *own, max_sweeps)
        coef[:, iterated], n_sweeps[iterated] = descent.coef, descent.n_sweeps
    return coef, n_sweeps
