"""Losses of one column of a tile: values, residuals and the sums of a dual point in one loop.

Each function reads the products ``X @ coef`` of m rows and leaves the weighted derivatives of the
loss by eta in their place.  All numbers between are float64, whatever the type of the products.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Float
from daskreg.compiled.sums import CURVATURE, ENTROPY, ENTROPY_SCALES, OFFSET, RESIDUAL, VALUE

from .compiler import compiled
from .elementary import exp_minus, halved, inverses, joined, log_near_one, split
from .formulas import Number, formula

#: Sums may be taken in any order, which makes vectors of them; not finite stays not finite.
SUMS = {"contract", "reassoc", "nsz"}

assert (len(ENTROPY_SCALES), ENTROPY_SCALES[-1]) == (5, 1.0)


@compiled(inline="always")
def squared(
    eta: AnyArray,
    m: int,
    intercept: float,
    y: Float,
    start: int,
    offset: Float,
    at: int,
    weight: Float,
    own: int,
    sums: Float,
) -> None:
    """Turn m products into weighted residuals; add to ``sums`` (2,).

    Places are unsigned: a place that might count from the end keeps loops from becoming vectors.
    """
    value, residual = 0.0, 0.0
    first, at_first, own_first = np.uint64(start), np.uint64(at), np.uint64(own)
    for i in range(np.uint64(m)):
        r = eta[i] + intercept + offset[at_first + i] - y[first + i]
        weighted = weight[own_first + i] * r
        value += weighted * r
        residual += weighted
        eta[i] = weighted
    sums[VALUE] += 0.5 * value
    sums[RESIDUAL] += residual


def _entropy(
    scale: float, log_scale: float, miss: Number, missed: Number, log_rest: Number
) -> Number:
    """Return the entropy at one scale, less what it lacks of a weight."""
    return scale * (missed - log_scale * miss) - (1.0 - scale * miss) * log_rest


@formula(8)
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


@compiled(inline="always")
def logistic(
    eta: AnyArray,
    m: int,
    intercept: float,
    y: Float,
    start: int,
    offset: Float,
    at: int,
    weight: Float,
    own: int,
    sums: Float,
) -> None:
    """Turn m products into weighted residuals; y is 0 or 1; add to ``sums`` (9,)."""
    value, residual, curvature, moved = 0.0, 0.0, 0.0, 0.0
    e0, e1, e2, e3, e4 = 0.0, 0.0, 0.0, 0.0, 0.0
    first, at_first, own_first = np.uint64(start), np.uint64(at), np.uint64(own)
    for i in range(np.uint64(m)):
        w = weight[own_first + i]
        side = 1.0 - 2.0 * y[first + i]
        wrong = side * (eta[i] + intercept + offset[at_first + i])
        above, miss, curved, t0, t1, t2, t3, t4 = _terms(wrong)
        r = w * side * miss
        value += w * above
        residual += r
        curvature += w * curved
        moved += offset[at_first + i] * r
        e0 += w * t0
        e1 += w * t1
        e2 += w * t2
        e3 += w * t3
        e4 += w * t4
        eta[i] = r
    sums[VALUE] += value
    sums[RESIDUAL] += residual
    sums[CURVATURE] += curvature
    sums[OFFSET] += moved
    sums[ENTROPY] += e0
    sums[ENTROPY + 1] += e1
    sums[ENTROPY + 2] += e2
    sums[ENTROPY + 3] += e3
    sums[ENTROPY + 4] += e4


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
    at = start if offset.shape[1] == y.shape[1] else 0
    own = start if weight.shape[1] == y.shape[1] else 0
    for k in range(intercept.size):
        aims = y[target[k]]
        moved = offset[target[k] if offset.shape[0] > 1 else 0]
        counted = weight[k if weight.shape[0] > 1 else 0]
        b, out = intercept[k], eta[k]
        if of_numbers is not None:
            squared(out, m, b, aims, start, moved, at, counted, own, of_numbers[k])
        if of_labels is not None:
            logistic(out, m, b, aims, start, moved, at, counted, own, of_labels[k])
