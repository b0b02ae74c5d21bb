"""What coupled classes have in common in a feature, and need not have.

To add one number to a feature's coefficients of all classes changes no probability, and no
gradient: it is the penalty's alone.  No Hessian knows how far to go there, and what stands in for
it takes steps as short as the penalty is weak.
"""

from __future__ import annotations

import numpy as np

from daskreg._typing import Float
from daskreg.penalties import ElasticNet


def without_common(penalty: ElasticNet, coef: Float) -> Float:
    r"""Return coefficients whose penalty is the least of all that differ by such numbers.

    The number minimises :math:`\lambda_1 \sum_c |b_c - t| + \lambda_2 \sum_c (b_c - t)^2 / 2`: it
    is the median of the coefficients, of several the one nearest to zero, and with a ridge that of
    2 q + 1 numbers, the coefficients and :math:`\bar b + (q - 2 k) \lambda_1 / (q \lambda_2)`.

    Parameters
    ----------
    penalty : ElasticNet
    coef : array of shape (n_features, q, n_problems)

    References
    ----------
    Friedman, Hastie and Tibshirani (2010), Regularization paths for generalized linear models via
    coordinate descent, section 4.1.
    """
    q = coef.shape[1]
    if q == 1:
        return coef
    l1, l2 = (np.broadcast_to(part, coef.shape)[:, 0] for part in (penalty.l1, penalty.l2))
    penalised = (l1 > 0.0) | (l2 > 0.0)
    if penalty.positive:
        shift = coef.min(axis=1)
    else:
        ordered = np.sort(coef, axis=1)
        shift = np.clip(0.0, ordered[:, (q - 1) // 2], ordered[:, q // 2])
        ridged = l2 > 0.0
        if ridged.any():
            shift[ridged] = _ridged(np.moveaxis(coef, 1, 2)[ridged], l1[ridged] / l2[ridged])
    return np.asarray(coef - np.where(penalised, shift, 0.0)[:, None])


def _ridged(b: Float, ratio: Float) -> Float:
    """The number for each row of b (n, q), where l1 is ``ratio`` (n,) times l2."""
    q = b.shape[1]
    spread = (q - 2.0 * np.arange(q + 1)) / q
    ends = b.mean(axis=1, keepdims=True) + ratio[:, None] * spread
    return np.asarray(np.median(np.concatenate([b, ends], axis=1), axis=1))
