"""Which solver takes the problems of a round of screening, and how far."""

from __future__ import annotations

import numpy as np

from .base import Solver
from .fista import Fista
from .gram import Gram
from .protocols import SelectiveDatafit
from .quasi_newton import QuasiNewton

#: The problems of a round are solved to this share of the gap that is asked for.
INNER = 0.1
#: ... or to this one where the rows take the place of Gram matrices.
INNER_OF_ROWS = 0.8


def inner_share(solver: Solver) -> float:
    """Return the share of the gap asked for that a round is solved to.

    Sweeps over rows are dear beside a pass over them, and what that would not certify is rare.
    """
    return INNER_OF_ROWS if isinstance(solver, Gram) and solver.factored else INNER


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
    part: SelectiveDatafit, gram_columns: int, row_bytes: int, exact: bool = False
) -> Solver:
    """A solver for columns in memory: with a Gram matrix of few of them, else with all rows.

    Where these are many, a Hessian of so many columns costs as much as hundreds of gradients.
    With ``exact`` a Hessian of those in use costs about as much as a gradient.
    """
    if part.n_features <= factored_columns(part, row_bytes):
        return Gram(factored=True)
    if part.n_features > gram_columns:
        if part.n_samples > 2 * part.n_features:
            return Fista()
        return QuasiNewton(metric="sample", sample_rows=part.n_samples)
    if getattr(part, "quadratic", False):
        return Gram()
    return QuasiNewton(metric="exact" if exact else "gram")


def first_length(datafit: SelectiveDatafit, row_bytes: int) -> int:
    """Alphas of a path in the first round."""
    if not datafit.reads_columns:
        return 25
    return 20 if factored_columns(datafit, row_bytes) else 10
