"""The step of one problem of coupled outputs whose curvature is a Kronecker product."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.linalg

from daskreg._typing import Float
from daskreg.penalties import ElasticNet

from .metric import Metric


def coupled_step(
    members: npt.NDArray[np.intp],
    metric: Metric,
    penalty: ElasticNet,
    coef: Float,
    grad: Float,
    start: Float,
    target: float,
) -> Float:
    """Return the step over the coefficients ``members`` and the intercepts, the rest at rest.

    The low rank of the pairs and the intercepts, which follow at their optimum, join into one.

    Parameters
    ----------
    members : array of int, shape (n_active,)
        Flattened coefficients, ascending.
    metric : Metric
        Of a curvature that has ``factors``.
    penalty : ElasticNet
        With one weight per flattened coefficient.
    coef, start : arrays of shape (p q,)
        Where the problem stands, and where the descent begins.
    grad : array of shape (p q + q,)
    target : float
        What may be missing to the minimum, in the unit of the objective.
    """
    from .kronecker import Kronecker, subproblem  # numba: loaded only when it is needed

    q, n_coef = metric.n_outputs, len(coef)
    features = np.unique(members // q)
    places = (q * features[:, None] + np.arange(q)).ravel()
    found = metric.curvature.factors(features)
    assert found is not None
    signed = metric.vectors * metric.sign
    last, own = (
        signed[-q:],
        metric.factor * metric.curvature.own + signed[-q:] @ metric.vectors[-q:].T,
    )
    factor = scipy.linalg.cho_factor(own)
    lost = scipy.linalg.cho_solve(factor, np.column_stack([last, grad[n_coef:]]))
    U = np.ascontiguousarray(metric.vectors[places])
    step = np.zeros_like(grad)
    if len(members):
        low = np.diag(metric.sign) - last.T @ lost[:, :-1]
        model = Kronecker(metric.factor * found[0], found[1], U, low)
        slope = (grad[places] - U @ (last.T @ lost[:, -1])).reshape(-1, q)
        free = np.zeros(n_coef, dtype=bool)
        free[members] = True
        held = coef[places].reshape(-1, q)
        part = subproblem(
            model, penalty.restricted(places), held, slope, free[places].reshape(-1, q)
        )
        moved = part.minimised(start[places].reshape(-1, q), target)
        step[places] = (moved - held).ravel()
    step[n_coef:] = -lost[:, -1] - lost[:, :-1] @ (U.T @ step[places])
    return step
