"""Which alpha and l1_ratio to keep, from the scores of each fold or from a criterion.

The one-standard-error rule is that of Breiman, Friedman, Olshen and Stone (1984), Classification
and regression trees, section 3.4.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float

Rule = Literal["best", "one_standard_error"]


@dataclass(frozen=True, eq=False)
class Choice:
    """A place on the grid, and the curves it was chosen from.

    Attributes
    ----------
    index : tuple of int
        Position in ``mean``: the other axes (l1_ratio), then alpha.
    best : tuple of int
        Position of the best mean, which the one-standard-error rule starts from.
    mean : ndarray, shape (..., n_alphas)
        Plain mean of the scores over the folds; NaN where a fold has none.
    standard_error : ndarray, shape (..., n_alphas)
        ``sd / sqrt(n_folds)`` over the folds, sd with ``n_folds - 1``; NaN for a single fold.
    """

    index: tuple[int, ...]
    best: tuple[int, ...]
    mean: Float
    standard_error: Float


def choose(
    scores: npt.ArrayLike,
    alphas: npt.ArrayLike,
    *,
    rule: Rule = "best",
    greater_is_better: bool = True,
) -> Choice:
    """Choose from the scores of each fold.

    Parameters
    ----------
    scores : array, shape (n_folds, ..., n_alphas)
        A combination with a score that is not finite in some fold is not chosen.
    alphas : array, shape (n_alphas,) or (..., n_alphas)
        Strength of the penalty, in any order; 1 / C where models are counted in C.
    rule : {"best", "one_standard_error"}
        "best": the best mean; of equal ones that of the largest alpha, which is the sparser.
        "one_standard_error": the largest alpha whose mean is no worse than the best by more than
        the standard error of the best, with the other axes (l1_ratio) as the best has them.
    greater_is_better : bool
        False for losses.

    Raises
    ------
    ValueError
        If no combination has finite scores, for shapes that do not match, or the
        one-standard-error rule with a single fold.

    Examples
    --------
    >>> mse = [[3.0, 1.1, 1.0], [3.2, 1.2, 1.2], [2.8, 0.9, 0.7]]
    >>> choose(mse, [1.0, 0.1, 0.01], greater_is_better=False).index
    (2,)
    >>> choose(mse, [1.0, 0.1, 0.01], rule="one_standard_error", greater_is_better=False).index
    (1,)
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim < 2 or values.size == 0:
        raise ValueError(f"scores must be (n_folds, ..., n_alphas), got shape {values.shape}")
    if rule not in ("best", "one_standard_error"):
        raise ValueError(f"rule must be 'best' or 'one_standard_error', got {rule!r}")
    strength = _strengths(alphas, values.shape[1:])
    values = np.where(np.isfinite(values), values, np.nan)
    n_folds = len(values)
    mean = values.mean(axis=0)
    error = np.full_like(mean, np.nan)
    if n_folds > 1:
        error = values.std(axis=0, ddof=1) / np.sqrt(n_folds)
    signed = mean if greater_is_better else -mean
    best = _largest(signed, strength)
    if rule == "best":
        return Choice(best, best, mean, error)
    if n_folds < 2:
        raise ValueError("one fold has no standard error: use 2 folds or more, or rule='best'")
    line = best[:-1]
    near = signed[line] >= signed[best] - error[best]
    index = int(np.argmax(np.where(near, strength[line], -np.inf)))
    return Choice((*line, index), best, mean, error)


def _strengths(alphas: npt.ArrayLike, shape: tuple[int, ...]) -> Float:
    strength = np.asarray(alphas, dtype=np.float64)
    try:
        strength = np.broadcast_to(strength, shape)
    except ValueError:
        raise ValueError(
            f"alphas of shape {strength.shape} do not go with scores of shape {shape} per fold"
        ) from None
    if np.isnan(strength).any():
        raise ValueError("alphas must be numbers, got NaN")
    return strength


def _largest(values: Float, strength: Float) -> tuple[int, ...]:
    """Return where values are largest; among equals the strongest penalty, then the first."""
    if np.isnan(values).all():
        raise ValueError("no combination has finite scores in every fold: there is no best one")
    top = values == np.nanmax(values)
    flat = int(np.argmax(np.where(top, strength, -np.inf)))
    return tuple(int(i) for i in np.unravel_index(flat, values.shape))


def select_by_criterion(values: npt.ArrayLike, alphas: npt.ArrayLike) -> tuple[int, ...]:
    """Return where a criterion is least; of equal values that of the largest alpha.

    Parameters
    ----------
    values : array, shape (..., n_alphas)
        NaN is never chosen.
    alphas : array, shape (n_alphas,) or (..., n_alphas)
    """
    criterion = np.asarray(values, dtype=np.float64)
    criterion = np.where(np.isfinite(criterion), criterion, np.nan)
    return _largest(-criterion, _strengths(alphas, criterion.shape))
