"""The model of the unpenalised columns alone: where a path of alphas begins."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Float
from daskreg.exceptions import CompatibilityError

from .dual import unit_pinv


def fit_free(datafit: Any, free: AnyArray, positive: bool = False) -> tuple[Float, Float]:
    """Minimise a squared loss over some columns, all others zero; no pass after the first.

    Each problem on the rows that it counts.

    Parameters
    ----------
    datafit : Datafit
    free : ndarray of int, shape (f,)
        In ascending order; asked for in ``first(free)`` or part of ``gram()``.
    positive : bool
        Ask the coefficients to be at least 0.

    Returns
    -------
    coef, grad : ndarray, shape (p, 1, K)
        In solver coordinates: the model, and the gradient of the loss there.

    Raises
    ------
    CompatibilityError
        If the loss is not the squared one.
    """
    if not datafit.quadratic:
        raise CompatibilityError(
            f"the {datafit.loss.name} loss with unpenalised columns has no alpha_max that the "
            "first pass could tell: give alpha itself"
        )
    datafit.first(free)
    grad = np.array(datafit.null_grad)
    coef = np.zeros_like(grad)
    for number in np.unique(datafit.weighting):
        own = np.flatnonzero(datafit.weighting == number)
        columns = datafit.free_gram(free, number)
        block, wanted = columns[free], -grad[free, 0][:, own]
        found = _nonnegative(block, wanted) if positive else unit_pinv(block) @ wanted
        coef[free[:, None], 0, own] = found
        grad[:, 0, own] += columns @ found
    return coef, grad


def _nonnegative(gram: Float, right: Float) -> Float:
    """Minimise ``a'Ga/2 - a'right`` over ``a >= 0`` for each column of right."""
    from scipy.optimize import nnls  # loaded only where it is needed

    size = np.sqrt(np.diag(gram))
    scale = np.where(size > 0.0, size, 1.0)
    values, vectors = np.linalg.eigh(gram / np.outer(scale, scale))
    seen = values > np.finfo(np.float64).eps * len(values) * values.max(initial=0.0)
    root = np.sqrt(values[seen])
    factor = root[:, None] * vectors[:, seen].T
    target = (vectors[:, seen].T @ (right / scale[:, None])) / root[:, None]
    found = [nnls(factor, column)[0] for column in target.T]
    return np.column_stack(found) / scale[:, None]
