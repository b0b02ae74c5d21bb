"""Which solver takes the problems of a round of screening, and how far."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float
from daskreg.penalties import ElasticNet

from .base import Solver, solve
from .fista import Fista
from .gram import Gram
from .protocols import SelectiveDatafit
from .quasi_newton import QuasiNewton
from .results import Solution, Status
from .screening_state import ScreeningState

#: The problems of a round are solved to this share of the gap that is asked for.
INNER = 0.1
#: ... or to this one by solvers whose last digits are as dear as the first: sweeps over rows,
#: Newton's steps with a Hessian each, and gradients.
INNER_OF_ROWS, INNER_OF_HESSIANS, INNER_OF_GRADIENTS = 0.8, 0.8, 0.5
#: No smaller relative gap is asked of the problems of a round.
SMALLEST_TOL = 1e-13
#: Iterations of the solver of a round at most.
MAX_INNER = 10_000
#: A lone problem is solved to this share of its gap over all columns while that is above ``FAR``,
#: and while columns that violate their conditions are left out.
ROUGH, FAR = 0.1, 0.02
#: Columns up to which the Gram matrix of a lone problem's round pays: the fewer in a rough round.
LONE_GRAM, ROUGH_GRAM = 1000, 500
#: Columns up to which a Gram matrix of all of them costs less than the gradients of a lone problem
#: that uses most: some two hundred of them, each of two columns of coefficients.
ALL_GRAM = 8000
#: Rows for each column from which it does.
ROWS = 3


def solve_round(
    solver: Solver,
    part: Any,
    penalty: ElasticNet,
    state: ScreeningState,
    chosen: npt.NDArray[np.intp],
    columns: npt.NDArray[np.bool_],
    aim: float,
) -> Solution:
    """Solve the chosen problems on some columns, from where they stand, to the relative gap ``aim``
    or to what is asked for, whichever is larger.

    A little further than that, lest all columns together miss it by a hair.  What sweeps over rows
    or gradients would not certify is rare.
    """
    members = np.flatnonzero(columns)
    fine = max(_share(solver) * state.goal.tol, SMALLEST_TOL)

    def solved(solver: Solver, tol: float, start: tuple[Float, Float] | None) -> Solution:
        return solve(
            solver,
            part,
            penalty.restricted(members).take(chosen),
            tol=tol,
            max_iter=MAX_INNER,
            start=start,
        )

    here = state.coef[members][..., chosen], state.intercept[:, chosen]
    # What the first pass has told of the null model needs no other one.
    start = None if _is_null(part, *here) else here
    solution = solved(solver, max(fine, aim), start)
    if aim > fine and not solution.n_iter.any():
        # Near enough on these columns, though far over all: without a step the round that follows
        # would be this one again.
        solution = solved(solver, fine, start)
    if isinstance(solver, QuasiNewton) and (solution.status == Status.STALLED).any():
        # As would be a round that starts where this one can go no further.
        solution = solved(Fista(), max(fine, aim), (solution.coef, solution.intercept))
    return solution


def _share(solver: Solver) -> float:
    """Share of the gap asked for to which the problems of a round are solved."""
    if isinstance(solver, Gram) and solver.factored:
        return INNER_OF_ROWS
    if isinstance(solver, QuasiNewton) and solver.metric == "exact":
        return INNER_OF_HESSIANS
    return INNER_OF_GRADIENTS if isinstance(solver, Fista) else INNER


def _is_null(part: Any, coef: Float, intercept: Float) -> bool:
    """Whether problems start from their null models."""
    return not coef.any() and np.array_equal(intercept, part.null_intercept)


def aim_of(
    state: ScreeningState,
    alpha: Float,
    chosen: npt.NDArray[np.intp],
    columns: npt.NDArray[np.bool_],
) -> float:
    """Return the relative gap that suffices on some columns; 0: what is asked for over all.

    A lone problem that is far from its optimum, or some of whose columns violate their conditions
    but are left out, will hardly be solved by its round: to know which columns come next, and how
    many, a rough solution will do.
    """
    if len(chosen) > 1:
        return 0.0
    [problem] = chosen.tolist()
    missing = state.entry[~columns, state.paths.which[problem]] > alpha[problem]
    gap = float(state.candidates.objective[problem] - state.candidates.bound[problem])
    gap /= float(state.goal.null_value[problem])
    far = np.isfinite(gap) and (missing.any() or gap > FAR)
    return ROUGH * gap if far else 0.0


def factored_columns(datafit: SelectiveDatafit, row_bytes: int) -> int:
    """Most columns of a round that is solved with the rows of a squared loss; 0: they are not few.

    Those of the sample, and of each weighting.
    """
    if not getattr(datafit, "quadratic", False) or not hasattr(datafit, "factored_grams"):
        return 0
    n_weightings = len(np.unique(datafit.weighting))
    columns = row_bytes // (8 * datafit.n_samples * (1 + n_weightings))
    return int(columns) if columns >= datafit.n_samples else 0


def inner_solver(
    part: SelectiveDatafit,
    gram_columns: int,
    row_bytes: int,
    exact: bool = False,
    rough: bool = False,
) -> Solver:
    """A solver for columns in memory: with a Gram matrix of few of them, else with gradients.

    Where there are many, a Gram matrix or a Hessian costs as much as hundreds of gradients, and
    most of those that a curved loss takes are spent on rough solutions.  With ``exact`` a Hessian
    of those in use costs about as much as a gradient.
    """
    p = part.n_features
    if p <= factored_columns(part, row_bytes):
        return Gram(factored=True)
    quadratic = getattr(part, "quadratic", False)
    most = gram_columns
    if part.n_problems == 1 and not exact and (rough or not quadratic):
        most = min(most, ROUGH_GRAM if rough else LONE_GRAM)
    if p > most:
        return Fista()
    if quadratic:
        return Gram()
    return QuasiNewton(metric="exact" if exact else "gram")


def gram_of_all(datafit: SelectiveDatafit, gram_columns: int) -> int:
    """Return the most columns of a Gram matrix for a lone problem that uses most of all columns.

    More than ``gram_columns`` where the plan leaves room for it, that of columns to be gathered
    among it: none are.
    """
    p = datafit.n_features
    if p > ALL_GRAM or ROWS * p > datafit.n_samples:
        return gram_columns
    return max(gram_columns, p) if p <= datafit.most_gram else gram_columns


def first_length(datafit: SelectiveDatafit, row_bytes: int) -> int:
    """Alphas of a path in the first round."""
    if not datafit.reads_columns:
        return 25
    return 20 if factored_columns(datafit, row_bytes) else 10
