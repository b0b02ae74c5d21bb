"""Losses of one column of a tile: values, residuals and the sums of a dual point in one loop.

Each function reads the products ``X @ coef`` of m rows and leaves the weighted derivatives of the
loss by eta in their place.  All numbers between are float64, whatever the type of the products.
"""

from __future__ import annotations

import math
from typing import Any

import numba  # noqa: TID253 - this package is loaded only for large data
import numpy as np

from daskreg._typing import AnyArray, Float
from daskreg.datafit.kernels.scales import ENTROPY_SCALES

from .elementary import exp_minus, halved, inverses, joined, log_near_one, split

#: Sums may be taken in any order, which makes vectors of them; not finite stays not finite.
SUMS = {"contract", "reassoc", "nsz"}
#: Rows of ``sums``; those of a squared loss are the first two.
VALUE, RESIDUAL, CURVATURE, OFFSET, ENTROPY = range(5)
N_SQUARED = 2
N_LOGISTIC = ENTROPY + len(ENTROPY_SCALES)

_S0, _S1, _S2, _S3, _LAST = ENTROPY_SCALES
_LOG0, _LOG1, _LOG2, _LOG3 = (math.log(scale) for scale in ENTROPY_SCALES[:-1])
assert _LAST == 1.0


@numba.njit(inline="always")
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


@numba.njit(inline="always")
def _entropy(scale: float, log_scale: float, miss: float, missed: float, log_rest: float) -> float:
    """Return the entropy at one scale, less what it lacks of a weight."""
    return scale * (missed - log_scale * miss) - (1.0 - scale * miss) * log_rest


@numba.njit(
    cache=True,
    fastmath={"contract"},
    forceinline=True,
    error_model="numpy",
    no_cpython_wrapper=True,
)
def _terms(wrong: float) -> tuple[float, float, float, float, float, float, float, float]:
    """Return what one row adds to the sums, less its weight: loss, miss, curvature, entropies.

    ``wrong`` is the margin by which it lies on the wrong side, ``miss`` the distance of its mean
    from its label: see the logistic loss, which has the same numbers one array at a time.  None of
    this may be reassociated.
    """
    small = exp_minus(abs(wrong))
    high, f = halved(small)
    inverse = 1.0 / (1.0 + small)
    miss = inverse if wrong >= 0.0 else small * inverse
    hit = small * inverse if wrong >= 0.0 else inverse
    k0, f0 = split(1.0 - _S0 * miss)
    k1, f1 = split(1.0 - _S1 * miss)
    k2, f2 = split(1.0 - _S2 * miss)
    k3, f3 = split(1.0 - _S3 * miss)
    i0, i1, i2, i3, i4 = inverses(2.0 + f0, 2.0 + f1, 2.0 + f2, 2.0 + f3, 2.0 + f)
    softplus = high + log_near_one(f, i4)
    above = 0.5 * (wrong + abs(wrong)) + softplus
    missed = miss * (0.5 * (abs(wrong) - wrong) + softplus)
    e0 = _entropy(_S0, _LOG0, miss, missed, joined(k0, log_near_one(f0, i0)))
    e1 = _entropy(_S1, _LOG1, miss, missed, joined(k1, log_near_one(f1, i1)))
    e2 = _entropy(_S2, _LOG2, miss, missed, joined(k2, log_near_one(f2, i2)))
    e3 = _entropy(_S3, _LOG3, miss, missed, joined(k3, log_near_one(f3, i3)))
    return above, miss, miss * hit, e0, e1, e2, e3, missed + hit * above


@numba.njit(inline="always")
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


@numba.njit(inline="always")
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
