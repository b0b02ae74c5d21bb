"""Losses of one column of a tile: values, residuals and the sums of a dual point in one loop.

Each function reads the products ``X @ coef`` of m rows and leaves the weighted derivatives of the
loss by eta in their place.  All numbers between are float64, whatever the type of the products.
"""

from __future__ import annotations

import math
from typing import Any

import numba  # noqa: TID253 - this package is loaded only for large data

from daskreg._typing import AnyArray, Float
from daskreg.datafit.kernels.scales import ENTROPY_SCALES

from .elementary import exp_minus, log, log1p_unit

#: Sums may be taken in any order, which makes vectors of them; not finite stays not finite.
SUMS = {"contract", "reassoc", "nsz"}
#: Rows of ``sums``; those of a squared loss are the first two.
VALUE, RESIDUAL, CURVATURE, OFFSET, ENTROPY = range(5)
N_SQUARED = 2
N_LOGISTIC = ENTROPY + len(ENTROPY_SCALES)

_S0, _S1, _S2, _S3, _LAST = ENTROPY_SCALES
_LOG0, _LOG1, _LOG2, _LOG3 = (math.log(scale) for scale in ENTROPY_SCALES[:-1])
assert _LAST == 1.0


@numba.njit(cache=True, nogil=True, fastmath=SUMS, error_model="numpy")
def squared(
    eta: AnyArray, intercept: float, y: Float, offset: Float, weight: Float, sums: Float
) -> None:
    """Turn eta (m,) into weighted residuals; add to ``sums`` (2,)."""
    value, residual = 0.0, 0.0
    for i in range(eta.size):
        r = eta[i] + intercept + offset[i] - y[i]
        weighted = weight[i] * r
        value += weighted * r
        residual += weighted
        eta[i] = weighted
    sums[VALUE] += 0.5 * value
    sums[RESIDUAL] += residual


@numba.njit(cache=True, nogil=True, fastmath=SUMS, error_model="numpy")
def logistic(
    eta: AnyArray, intercept: float, y: Float, offset: Float, weight: Float, sums: Float
) -> None:
    """Turn eta (m,) into weighted residuals; y is 0 or 1; add to ``sums`` (9,).

    ``wrong`` is the margin by which a row lies on the wrong side, ``miss`` the distance of its
    mean from its label: see the logistic loss, which has the same numbers one array at a time.
    """
    value, residual, curvature, moved = 0.0, 0.0, 0.0, 0.0
    e0, e1, e2, e3, e4 = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(eta.size):
        w = weight[i]
        side = 1.0 - 2.0 * y[i]
        wrong = side * (eta[i] + intercept + offset[i])
        small = exp_minus(abs(wrong))
        softplus = log1p_unit(small)
        inverse = 1.0 / (1.0 + small)
        miss = inverse if wrong >= 0.0 else small * inverse
        hit = small * inverse if wrong >= 0.0 else inverse
        above = 0.5 * (wrong + abs(wrong)) + softplus
        below = 0.5 * (abs(wrong) - wrong) + softplus
        r = w * side * miss
        value += w * above
        residual += r
        curvature += w * (miss * hit)
        moved += offset[i] * r
        missed = miss * below
        e4 += w * (missed + hit * above)
        rest = 1.0 - _S0 * miss
        e0 += w * (_S0 * (missed - _LOG0 * miss) - rest * log(rest))
        rest = 1.0 - _S1 * miss
        e1 += w * (_S1 * (missed - _LOG1 * miss) - rest * log(rest))
        rest = 1.0 - _S2 * miss
        e2 += w * (_S2 * (missed - _LOG2 * miss) - rest * log(rest))
        rest = 1.0 - _S3 * miss
        e3 += w * (_S3 * (missed - _LOG3 * miss) - rest * log(rest))
        eta[i] = r
    sums[VALUE] += value
    sums[RESIDUAL] += residual
    sums[CURVATURE] += curvature
    sums[OFFSET] += moved
    for place, entropy in enumerate((e0, e1, e2, e3, e4)):
        sums[ENTROPY + place] += entropy


@numba.njit(cache=True, nogil=True, error_model="numpy")
def residuals(
    eta: AnyArray,
    labels: Any,
    intercept: Float,
    target: AnyArray,
    y: Float,
    offset: Float,
    weight: Float,
    start: int,
    sums: Float,
) -> None:
    """Turn the products of m rows with C columns into weighted residuals, and add to ``sums``.

    Parameters
    ----------
    eta : ndarray, shape (C or more, m)
    labels : bool or None
        None: the loss is squared; else logistic.
    intercept, target : ndarray, shape (C,)
    y : ndarray, shape (n_targets, n)
    offset : ndarray, shape (n_targets or 1, n or 1 row of a tile)
        What has fewer columns than y is the same for every tile.
    weight : ndarray, shape (C or 1, n or 1 row of a tile)
    start : int
        Place of the first row of the tile among the n.
    sums : ndarray, shape (C, 2), or (C, 9) of labels
    """
    m = eta.shape[1]
    at = start if offset.shape[1] == y.shape[1] else 0
    own = start if weight.shape[1] == y.shape[1] else 0
    for k in range(intercept.size):
        aims = y[target[k]][start : start + m]
        moved = offset[target[k] if offset.shape[0] > 1 else 0][at : at + m]
        counted = weight[k if weight.shape[0] > 1 else 0][own : own + m]
        if labels is None:
            squared(eta[k], intercept[k], aims, moved, counted, sums[k])
        else:
            logistic(eta[k], intercept[k], aims, moved, counted, sums[k])
