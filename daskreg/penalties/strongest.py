"""The smallest alpha at which nothing is left in a model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from daskreg._array import beside, namespace
from daskreg._typing import Float


def alpha_max(
    null_grad: Float,
    l1_ratio: npt.ArrayLike = 1.0,
    penalty_weight: npt.ArrayLike | None = None,
    positive: bool = False,
) -> Float:
    """Smallest alpha at which every penalised coefficient is zero, shape (n_problems,).

    Parameters
    ----------
    null_grad : array of shape (n_features, n_outputs, n_problems)
        Gradient of the datafit at the null model (with the optimal intercept, and optimal
        unpenalised coefficients where there are any).
    l1_ratio : float or array of shape (n_problems,)
        Where it is 0 the answer is infinite, unless the gradient vanishes.
    penalty_weight : array of shape (n_features,), optional
    positive : bool
        Only coefficients that want to grow from zero to above count.
    """
    xp = namespace(null_grad)
    ratio = beside(null_grad, np.asarray(l1_ratio, dtype=np.float64))
    slope = xp.maximum(-null_grad, 0.0) if positive else xp.abs(null_grad)
    n_features = slope.shape[0]
    weight = np.ones(n_features) if penalty_weight is None else np.asarray(penalty_weight, float)
    weight = beside(null_grad, weight.reshape(-1, 1, 1))
    per_weight = xp.where(weight > 0, slope / xp.where(weight > 0, weight, 1.0), 0.0)
    largest = xp.max(per_weight, axis=(0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return xp.where(largest > 0, largest / ratio, 0.0)
