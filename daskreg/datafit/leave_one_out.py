"""Exact leave-one-out errors of ridge models, from one Gram matrix and one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg

from daskreg._typing import AnyArray, Float
from daskreg.exceptions import DataError

from .kernels.beside import Runs
from .kernels.leverage import LeverageKernel, leverage_state
from .state import column_shift

#: Smallest eigenvalue of correlations, a column, below which columns are collinear.
COLLINEAR = 1e-13


def leave_one_out(
    datafit: Any,
    alpha: Float,
    level: npt.NDArray[np.intp],
    coef: Float,
    intercept: Float,
    penalty_weight: Float | None = None,
    *,
    keep: bool = False,
) -> tuple[Float, AnyArray | None]:
    r"""Return the mean over rows of :math:`w_i` times the squared error without row i: one pass.

    With the hat matrix H of the weighted ridge, whose rows the error without row i needs one
    element of, it is :math:`w_i (e_i / (1 - h_{ii}))^2`; a row of weight w is left out whole.

    Parameters
    ----------
    datafit : Datafit
        Of the C ridge problems, on all rows, with ``gram()`` made.
    alpha : ndarray, shape (L,)
        Positive, per weighted sum of half the squares.
    level : ndarray of int, shape (C,)
        The alpha of each column.
    coef, intercept : ndarray, shape (p, C) and (C,)
        Their solutions, in the units of X.
    penalty_weight : ndarray, shape (p,), or None
        Factors of alpha, in the coordinates of the solver.
    keep : bool
        Return the summands of each row as well.

    Returns
    -------
    errors : ndarray, shape (C,)
    rows : ndarray, shape (n_rows, C), or None

    Raises
    ------
    DataError
        Where unpenalised columns are collinear.

    References
    ----------
    Allen (1974), The relationship between variable selection and data augmentation and a method
    for prediction; Golub, Heath and Wahba (1979), Generalized cross-validation as a method for
    choosing a good ridge parameter, section 1.
    """
    data = datafit.gram()
    first = data.first
    total = first.total_weight
    directions, factor = _inverses(data.G, alpha / total, penalty_weight)
    directions = directions * first.inverse_scale[:, None]
    design = datafit.design
    shift = None if design.sparse else column_shift(first, np.dtype(np.float64))
    base = first.center @ directions
    state = {
        **leverage_state(coef, intercept, directions, base, shift),
        "factor": factor / total,
        "level": level,
        "target": datafit.output,
    }
    ones = 1.0 / total if datafit.fit_intercept else 0.0
    sums = design.sum_over_rows(LeverageKernel(ones, keep), state)
    found: Runs | None = sums.get("rows")
    n_rows = float(design.n_samples)
    return sums["squared"] / n_rows, None if found is None else found.joined()


def _inverses(gram: Float, alpha: Float, penalty_weight: Float | None) -> tuple[Float, Float]:
    """Return V (p, r) and f (r, L) with ``(G + alpha_l U)^-1 = V diag(f_l) V'`` for every l."""
    if penalty_weight is None:
        values, vectors = scipy.linalg.eigh(gram)
        return vectors, 1.0 / (np.maximum(values, 0.0)[:, None] + alpha)
    free = np.flatnonzero(penalty_weight == 0.0)
    # Relative to the smallest alpha every factor is at most one: nothing cancels.
    least = float(alpha.min())
    try:
        if _singular(gram[np.ix_(free, free)]):
            raise np.linalg.LinAlgError
        values, vectors = scipy.linalg.eigh(
            np.diag(penalty_weight), gram + least * np.diag(penalty_weight)
        )
    except np.linalg.LinAlgError:
        raise DataError(
            "leave-one-out errors do not exist: columns with penalty_weight 0 are collinear or "
            "constant; penalise or drop some of them, or use cv=5"
        ) from None
    return vectors, 1.0 / (1.0 + np.maximum(values, 0.0)[:, None] * (alpha - least))


def _singular(gram: Float) -> bool:
    """Whether columns of this Gram matrix are collinear, or constant, within rounding."""
    size = np.sqrt(np.diag(gram))
    if not size.all():
        return True
    correlations = gram / np.outer(size, size)
    return len(gram) > 0 and bool(scipy.linalg.eigvalsh(correlations)[0] < len(gram) * COLLINEAR)
