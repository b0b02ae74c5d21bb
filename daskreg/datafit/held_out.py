"""Errors on held-out rows: of squares from the first pass alone, of all kinds from one more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float
from daskreg.exceptions import DataError
from daskreg.splits import Folds

from .few_rows import matrix_of
from .groups import Groups
from .kernels.spread import SpreadKernel
from .moments import Moments
from .scores import Scores, score_columns
from .state import column_shift

#: Share of an error that rounding may hide, with sums of float64 and of float32 products.
FINE, ROUGH = 1e-6, 1e-4
#: Rounding of float64 sums of products, in units of the last place.
UNITS = 16.0


def held_out_error(
    found: Groups,
    folds: Folds,
    fold: npt.NDArray[np.intp],
    output: npt.NDArray[np.intp],
    coef: Float,
    intercept: Float,
    rounding: float,
) -> Float:
    r"""Return the weighted mean squared error of each column on the test rows of its fold, (C,).

    With the moments of the test rows, centred at their own means,

    .. math:: W^{-1}(y'y - 2 b'c + b'Gb) + (\bar y - c_0 - \bar x'b)^2

    Parameters
    ----------
    found : Groups
        Moments of each atom of the folds, of a regression, with their Gram matrices.
    folds : Folds
    fold, output : ndarray of int, shape (C,)
        Fold and target of each column.
    coef : ndarray, shape (p, C)
        In the units of X.
    intercept : ndarray, shape (C,)
    rounding : float
        Relative error of an entry of the Gram matrices.

    Returns
    -------
    ndarray, shape (C,)
        NaN where rounding of the sums leaves less than four to six digits, as it does where
        hardly anything of y is left, and where the column is of no fold.
    """
    error = np.full(len(fold), np.nan)
    for number in np.unique(fold[fold >= 0]).tolist():
        own = np.flatnonzero(fold == number)
        moments = found.of(np.flatnonzero(folds.test[:, number]).tolist(), None)
        assert moments is not None  # or the first pass had refused the folds
        error[own] = _error(moments, output[own], coef[:, own], intercept[own], rounding)
    return error


def _error(
    moments: Moments,
    output: npt.NDArray[np.intp],
    coef: Float,
    intercept: Float,
    rounding: float,
) -> Float:
    assert moments.gram is not None
    square = moments.target_m2[output]
    cross = (moments.cross[:, output] * coef).sum(axis=0)
    spread = square - 2.0 * cross + (coef * (matrix_of(moments.gram) @ coef)).sum(axis=0)
    shift = moments.target_mean[output] - intercept - moments.mean @ coef
    error = np.maximum(spread, 0.0) / moments.weight + np.square(shift)
    eps = UNITS * float(np.finfo(np.float64).eps)
    size = np.square(np.sqrt(moments.m2) @ np.abs(coef)) / moments.weight
    hidden = eps * square / moments.weight + max(rounding, eps) * size
    allowed = FINE if rounding <= eps else ROUGH
    exact = (hidden == 0.0) | (hidden <= allowed * error)
    return np.where(exact, error, np.nan)


def r_squared(datafit: Any, error: Float) -> Float:
    """Return one less the share of the spread of y that is left, of each problem; X is not read.

    A target that is constant on the rows scores 1 where nothing is left of it, else 0.

    Parameters
    ----------
    datafit : Datafit
        Of the K problems.
    error : ndarray, shape (K,)
        Weighted mean squared error on the test rows of the fold of each problem; of no fold on
        all rows, where no problem has one.

    Returns
    -------
    ndarray, shape (K,)
        NaN for problems of no fold beside others that have one.

    Raises
    ------
    DataError
        For test rows that are one alone: nothing spreads there.
    """
    fold, own = np.asarray(datafit.problems.fold), datafit.output
    folds = datafit.folds if (fold >= 0).any() else None
    sums = datafit.design.sum_over_rows(SpreadKernel(folds))
    single = np.flatnonzero(sums["n_rows"] < 2)
    if single.size:
        where = "the data have" if folds is None else f"the test set of fold {single[0]} has"
        raise DataError(
            f"{where} less than two rows of positive weight, where R squared does not exist: use "
            "scoring='neg_mean_squared_error', or fewer folds"
        )
    spread = sums["spread"]
    shape = len(sums["n_rows"]), -1
    mean_square = (spread.m2 / np.where(spread.weight > 0.0, spread.weight, 1.0)).reshape(shape)
    total = mean_square[0 if folds is None else np.maximum(fold, 0), own]
    share = error / np.where(total > 0.0, total, 1.0)
    return np.where(total > 0.0, 1.0 - share, np.where(error > 0.0, 0.0, 1.0) + 0.0 * error)


def held_out_scores(datafit: Any, coef: Float, intercept: Float, metrics: Sequence[str]) -> Scores:
    """Return the scores of each problem on the test rows of its fold, of no fold on all: one pass.

    Parameters
    ----------
    datafit : Datafit
        Of the K problems.
    coef : ndarray, shape (p, n_outputs, K)
        In the units of X.
    intercept : ndarray, shape (n_outputs, K)
    metrics : sequence of str
        As in :func:`score_columns`.
    """
    first = datafit.first()
    # An error of squares may be all that a good model leaves: digits count.
    dtype = np.dtype(np.float64) if datafit.quadratic else datafit.dtype
    return score_columns(
        datafit.design,
        datafit.loss,
        coef,
        intercept,
        metrics=metrics,
        folds=datafit.folds,
        fold=datafit.problems.fold,
        target=datafit.output,
        labels=first.labels,
        mean=first.mean,
        sd=first.sd,
        shift=None if datafit.design.sparse else column_shift(first, dtype),
        dtype=dtype.name,
    )
