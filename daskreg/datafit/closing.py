"""The lower bound of a logistic problem with unpenalised columns, from its closing pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Float

from .dual import best_between
from .evaluation import is_penalised
from .first import FirstPass
from .kernels.gradient import ENTROPY_SCALES

#: What may be left of the constraint, relative to what was there before the projection.
RESIDUE = 1e-8


def closing_bound(
    sums: Any,
    first: FirstPass,
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
    first : FirstPass
    free : ndarray of int, shape (f,)
    shift : ndarray, shape (p,), or 0
        What the kernel subtracted from the columns.
    penalty : ElasticNet
        Of the C columns.
    fit_intercept : bool
        The first column of Z is one.
    """
    total, n_columns = first.total_weight, penalty.has_l1.shape[0]
    bounds = np.full(n_columns, np.nan)
    intercept = sums["residual"]
    scales = np.array(ENTROPY_SCALES)
    for k in np.flatnonzero(is_penalised(penalty)):
        hessian, rest = sums["free"][..., k], sums["free_grad"][:, k]
        a = np.linalg.pinv(hessian, hermitian=True) @ rest
        left = np.abs(rest - hessian @ a).max()
        reach = np.abs(a) @ sums["largest"].values
        if not (left <= RESIDUE * np.abs(rest).max() and reach < 1.0):
            continue
        grad = sums["grad"][:, k] - sums["cross"][..., k] @ a
        remainder = intercept[k] - (hessian[0] @ a if fit_intercept else 0.0)
        v = -first.centred_grad(grad[:, None], np.array([remainder]), shift)[:, None]
        v[free] = 0.0
        bend = 0.5 * (a @ hessian @ a) / (1.0 - reach) ** 2
        entropy = sums["entropy"][:, k] + scales * (sums["slope"][..., k] @ a - bend)
        linear = 0.0
        if "offset_free" in sums:
            linear = sums["offset_residual"][k] - a @ sums["offset_free"][:, k]
        bound = best_between(
            penalty.take([k]), v, entropy[:, None] / total, np.array([linear / total])
        )
        bounds[k] = bound[0]
    return bounds
