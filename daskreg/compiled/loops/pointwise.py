"""Losses of the rows of a tile: values, residuals and the sums of a dual point in one loop.

Products ``X @ coef`` come in, the weighted derivatives of the loss by eta are left in their place.
All numbers between are float64, whatever the type of the products.
"""

from __future__ import annotations

import math
from typing import Any

from daskreg._typing import AnyArray, Float
from daskreg.compiled.sums import (
    CURVATURE,
    ENTROPY,
    ENTROPY_SCALES,
    N_LOGISTIC,
    OFFSET,
    RESIDUAL,
    VALUE,
)

from .compiler import compiled
from .elementary import exp_minus, halved, inverses, joined, log_near_one, split
from .formulas import Number
from .rowwise import ANY_ORDER, over_rows

#: What loops around products may do, as numba has it.
SUMS = set(ANY_ORDER)

assert (len(ENTROPY_SCALES), ENTROPY_SCALES[-1]) == (5, 1.0)


@over_rows((VALUE, RESIDUAL))
def _squared(
    product: Number, intercept: Number, y: Number, offset: Number, weight: Number
) -> tuple[Number, ...]:
    """Return the residual of a row and what it adds to the sums, all times its weight."""
    r = product + intercept + offset - y
    weighted = weight * r
    return weighted, 0.5 * (weighted * r), weighted


def _entropy(
    scale: float, log_scale: float, miss: Number, missed: Number, log_rest: Number
) -> Number:
    """Return the entropy at one scale, less what it lacks of a weight."""
    return scale * (missed - log_scale * miss) - (1.0 - scale * miss) * log_rest


def _terms(wrong: Number) -> tuple[Number, ...]:
    """Return what one row adds to the sums, less its weight: loss, miss, curvature, entropies.

    ``wrong`` is the margin by which it lies on the wrong side, ``miss`` the distance of its mean
    from its label: see the logistic loss, which has the same numbers one array at a time.
    """
    far = abs(wrong)
    small = exp_minus(far)
    high, f = halved(small)
    inverse = 1.0 / (1.0 + small)
    other = small * inverse
    miss, hit = wrong.above(0.0, inverse, other), wrong.above(0.0, other, inverse)
    parts = [split(1.0 - scale * miss) for scale in ENTROPY_SCALES[:-1]]
    *shares, last = inverses(*(2.0 + rest for _, rest in parts), 2.0 + f)
    softplus = high + log_near_one(f, last)
    above = 0.5 * (wrong + far) + softplus
    missed = miss * (0.5 * (far - wrong) + softplus)
    entropies = [
        _entropy(scale, math.log(scale), miss, missed, joined(k, log_near_one(rest, share)))
        for scale, (k, rest), share in zip(ENTROPY_SCALES, parts, shares, strict=False)
    ]
    return above, miss, miss * hit, *entropies, missed + hit * above


@over_rows((VALUE, RESIDUAL, CURVATURE, OFFSET, *range(ENTROPY, N_LOGISTIC)))
def _logistic(
    product: Number, intercept: Number, y: Number, offset: Number, weight: Number
) -> tuple[Number, ...]:
    """Return the same of labels: y is 0 or 1."""
    side = 1.0 - 2.0 * y
    above, miss, curvature, *entropies = _terms(side * (product + intercept + offset))
    r = weight * side * miss
    sums = above, curvature, *entropies
    value, curved, *weighted = (weight * term for term in sums)
    return r, value, r, curved, offset * r, *weighted


@compiled(inline="always")
def residuals(
    eta: AnyArray,
    m: int,
    intercept: Float,
    target: AnyArray,
    y: Float,
    offset: Float,
    weight: Float,
    start: int,
    of_numbers: Any,
    of_labels: Any,
) -> None:
    """Turn the products of m rows with C columns into weighted residuals, and add to sums.

    Parameters
    ----------
    eta : ndarray, shape (C or more, m or more)
    m : int
    intercept, target : ndarray, shape (C,)
    y : ndarray, shape (n_targets, n)
    offset : ndarray, shape (n_targets or 1, n or 1 row of a tile)
        What has fewer columns than y is the same for every tile.
    weight : ndarray, shape (C or 1, n or 1 row of a tile)
    start : int
        Place of the first row of the tile among the n.
    of_numbers : ndarray, shape (C, 2), or None
        Sums of a squared loss.
    of_labels : ndarray, shape (C, 9), or None
        Sums of a logistic loss.
    """
    if of_numbers is not None:
        _squared(eta, m, intercept, target, y, offset, weight, start, of_numbers)
    if of_labels is not None:
        _logistic(eta, m, intercept, target, y, offset, weight, start, of_labels)
