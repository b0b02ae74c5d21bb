"""Where a solver starts: a given point, or the null model at no cost where it is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from daskreg._pages import zeros
from daskreg._typing import Float
from daskreg.penalties import ElasticNet

from .results import Candidates

#: Bytes of the gradients of problems that are looked at together: what is made of them on the way
#: takes several times as many.
AT_ONCE = 2**21


def start_point(datafit: Any, start: tuple[Float, Float] | None) -> tuple[Float, Float, Any]:
    """Return coefficients, intercepts and their evaluation, one column a problem.

    One pass, or none: ``datafit.null_evaluation`` is used where the first pass holds it.

    Parameters
    ----------
    datafit : Datafit
    start : tuple of (coef, intercept) or None
        Shapes (n_features, n_outputs, n_problems) and (n_outputs, n_problems); None: coefficients
        0 and the optimal intercept.
    """
    everyone = np.arange(datafit.n_problems)
    evaluation = None
    if start is None:
        coef = zeros((datafit.n_features, datafit.n_outputs, datafit.n_problems))
        intercept = np.array(datafit.null_intercept, dtype=np.float64)
        evaluation = getattr(datafit, "null_evaluation", None)
    else:
        coef, intercept = (np.array(part, dtype=np.float64) for part in start)
    if evaluation is None:
        evaluation = datafit.value_and_grad(coef, intercept, everyone, precise=True)
    return coef, intercept, evaluation


def candidates_at(
    penalty: ElasticNet, coef: Float, intercept: Float, evaluation: Any, entry: Float | None
) -> Candidates:
    """Candidates of all problems, some at a time: wide gradients take more than the solutions.

    With ``entry``, of squared losses, the alpha at which each column would enter a path, of shape
    (n_features, n_paths): of lassos at zero, of columns with one weight, the first column to do so
    says it all.
    """
    n_problems = penalty.n_problems
    whole = coef
    weight = penalty.penalty_weight
    uneven = weight is not None and ((weight != weight[0]) | (weight == 0.0)).any()
    mixed = penalty.has_l2.any() or uneven or coef.any()
    if entry is not None and not mixed:
        telling = np.unique(entry.argmax(axis=0))
        penalty, coef = penalty.restricted(telling), coef[telling]
        evaluation = replace(evaluation, grad=evaluation.grad[telling])
    objective, bound, violation = (np.empty(n_problems) for _ in range(3))
    together = max(1, AT_ONCE // max(1, 8 * coef.shape[0] * coef.shape[1]))
    for first in range(0, n_problems, together):
        own = np.arange(first, min(first + together, n_problems))
        found = Candidates.best_of(
            penalty.take(own),
            *(coef[..., own], intercept[:, own], evaluation.take(own)),
            np.arange(len(own)),
        )
        objective[own], bound[own] = found.objective, found.bound
        violation[own] = found.violation
    return Candidates(whole, intercept, objective, bound, violation)
