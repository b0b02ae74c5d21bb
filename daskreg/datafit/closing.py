"""The lower bound of a logistic problem with unpenalised columns, from its closing pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.compiled.sums import ENTROPY_SCALES

from .coordinates import Coordinates
from .dual import best_between, must_vanish, unit_pinv
from .evaluation import is_penalised

#: What may be left of the constraint, relative to what was there before the projection.
RESIDUE = 1e-8


def closing_bound(
    sums: Any,
    place: Coordinates,
    free: AnyArray,
    shift: Float | float,
    penalty: Any,
    fit_intercept: bool,
) -> Float:
    r"""Return a lower bound of each optimum, shape (C,); NaN where the point is not feasible.

    The point is ``u = mu - h Z a`` (see ``ClosingKernel``) with a from ``Z' s h Z a = Z' s r``.
    With ``d = max |Z a| < 1`` every u lies in (0, 1), and a second-order expansion bounds the
    entropies from below at each scale s between the label and u:
    :math:`H \ge H(u_s^0) + s a^T Z^T S h\, logit(u_s^0) - s\, a^T Z^T S h Z a / (2 (1 - d)^2)`.

    Parameters
    ----------
    sums : Sums
        Of the closing kernel.
    place : Coordinates
        Of the C columns.
    free : ndarray of int, shape (f,)
    shift : ndarray, shape (p,), or 0
        What the kernel subtracted from the columns.
    penalty : ElasticNet
        Of the C columns.
    fit_intercept : bool
        The first column of Z is one.
    """
    bounds = np.full(penalty.has_l1.shape[0], np.nan)
    for k in np.flatnonzero(is_penalised(penalty)).tolist():
        one = penalty.take([k])
        rest = -sums["free_grad"][int(fit_intercept) :, [k]]
        vanish = must_vanish(one, rest)[:, 0]
        for _ in free:
            chosen = np.concatenate([np.ones(int(fit_intercept), dtype=bool), vanish])
            a = _projection(sums, chosen, k)
            if a is None:
                break
            v = _moved(sums, place.only(k), shift, a, k, fit_intercept)
            v[free[vanish]] = 0.0
            more = vanish | must_vanish(one, v[free, 0])[:, 0]
            if (more == vanish).all():
                total = float(place.only(k).total_weight[0])
                bounds[k] = _bound(sums, one, total, v, a, k)
                break
            vanish = more
    return bounds


def _projection(sums: Any, chosen: npt.NDArray[np.bool_], k: int) -> Float | None:
    """Return a, zero beyond the chosen columns of Z; None where u would leave (0, 1)."""
    hessian, rest = sums["free"][..., k], sums["free_grad"][:, k]
    a = np.zeros(len(rest))
    a[chosen] = unit_pinv(hessian[np.ix_(chosen, chosen)]) @ rest[chosen]
    left = np.abs(rest - hessian @ a)[chosen].max(initial=0.0)
    reach = np.abs(a) @ sums["largest"].values
    fits = left <= RESIDUE * np.abs(rest).max(initial=0.0) and reach < 1.0
    return a if fits else None


def _moved(
    sums: Any, place: Coordinates, shift: Float | float, a: Float, k: int, fit_intercept: bool
) -> Float:
    """Return minus the gradient (p, 1, 1) that belongs to the moved means."""
    grad = sums["grad"][:, k] - sums["cross"][..., k] @ a
    residual = sums["residual"][k] - (sums["free"][0, :, k] @ a if fit_intercept else 0.0)
    return -place.centred_grad(grad[:, None, None], np.array([[residual]]), shift)


def _bound(sums: Any, penalty: Any, total: float, v: Float, a: Float, k: int) -> float:
    """Return the bound of one column from its feasible point."""
    scales = np.array(ENTROPY_SCALES)
    reach = np.abs(a) @ sums["largest"].values
    bend = 0.5 * (a @ sums["free"][..., k] @ a) / (1.0 - reach) ** 2
    entropy = sums["entropy"][:, k] + scales * (sums["slope"][..., k] @ a - bend)
    linear = 0.0
    if "offset_free" in sums:
        linear = sums["offset_residual"][k] - a @ sums["offset_free"][:, k]
    return float(best_between(penalty, v, entropy[:, None] / total, np.array([linear / total]))[0])
