"""The model without features: its value, its intercept and the gradient it leaves."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._typing import Float
from daskreg.losses import Logistic, Multinomial, PointwiseLoss

from .kernels.null import NullKernel
from .kernels.tiles import Labels
from .weightings import Weightings

N_SWEEPS = 60


def null_from_moments(
    loss: PointwiseLoss, mean: Float, square: Float, cross: Float, fit_intercept: bool, ones: Float
) -> tuple[Float, Float, Float]:
    """Return value (T,), intercept (1, T) and gradient (p, 1, T) of the null model.

    For labels there must be no offset; of q classes (T = 1) intercept is (q, 1), gradient
    (p, q, 1).

    Parameters
    ----------
    loss : PointwiseLoss
    mean, square : ndarray, shape (T,)
        Mean and, for squared loss, sum of squares of the targets, centred with an intercept;
        of q classes their shares, (q,).
    cross : ndarray, shape (p, T), or (p, q) of q classes
        ``X' s y`` in solver coordinates.
    fit_intercept : bool
    ones : ndarray, shape (p,)
        ``X' s 1`` in solver coordinates; zeros with an intercept.
    """
    if isinstance(loss, Multinomial):
        eta = loss.null_eta(mean) if fit_intercept else np.zeros_like(mean)
        each = loss.value(
            np.arange(len(mean), dtype=np.float64), np.broadcast_to(eta, (len(mean), len(mean)))
        )
        grad = np.outer(ones, loss.inverse_link(eta[None])[0]) - cross
        return np.array([mean @ each]), eta[:, None], grad[..., None]
    if not isinstance(loss, Logistic):
        intercept = mean if fit_intercept else np.zeros_like(mean)
        return 0.5 * square, intercept[None], -cross[:, None]
    eta = loss.null_eta(mean) if fit_intercept else np.zeros_like(mean)
    value = mean * loss.value(np.ones(1), eta) + (1.0 - mean) * loss.value(np.zeros(1), eta)
    grad = np.outer(ones, loss.inverse_link(eta)) - cross
    return value, eta[None], grad[:, None]


def null_from_rows(
    design: Any,
    loss: PointwiseLoss,
    labels: Labels | None,
    weightings: Weightings,
    start: Float,
    fit_intercept: bool,
) -> tuple[Float, Float]:
    """Return value (W,) and intercept (1, W) of the null model with an offset.

    Newton's method on sums over y, offset and weights, kept between the points where the slope
    changes its sign; X is not read.

    Parameters
    ----------
    design : Design
    loss : PointwiseLoss
    labels : Labels or None
    weightings : Weightings
        W of them, each with a null model of its own; the value is a sum over its rows.
    start : ndarray, shape (W,)
        First intercept to try.
    fit_intercept : bool
    """
    kernel = NullKernel(loss, labels, weightings)
    which = {"target": np.zeros(len(start), dtype=np.intp), "weighting": np.arange(len(start))}
    intercept = start if fit_intercept else np.zeros_like(start)
    low, high = np.full_like(start, -np.inf), np.full_like(start, np.inf)
    best, steepness = np.full_like(start, np.inf), np.full_like(start, np.inf)
    chosen = intercept
    for _ in range(N_SWEEPS if fit_intercept else 1):
        sums = design.sum_over_rows(kernel, {"intercept": intercept, **which})
        # Values around the minimum are equal but for rounding: the slope knows better.
        better = np.abs(sums["slope"]) < steepness
        steepness = np.where(better, np.abs(sums["slope"]), steepness)
        best, chosen = np.where(better, sums["value"], best), np.where(better, intercept, chosen)
        low = np.where(sums["slope"] < 0.0, intercept, low)
        high = np.where(sums["slope"] > 0.0, intercept, high)
        step = -sums["slope"] / np.maximum(sums["curvature"], 1e-300)
        following = intercept + np.clip(step, -4.0, 4.0)
        outside = (following <= low) | (following >= high)
        both = np.isfinite(low) & np.isfinite(high)
        middle = 0.5 * (np.where(both, low, 0.0) + np.where(both, high, 0.0))
        following = np.where(outside & both, middle, following)
        if np.all(np.abs(following - intercept) <= 1e-14 * np.maximum(1.0, np.abs(intercept))):
            break
        intercept = following
    return best, chosen[None]
