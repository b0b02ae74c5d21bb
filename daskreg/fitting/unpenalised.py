"""The model of the unpenalised columns alone: where a path of alphas begins."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Float
from daskreg.datafit import fit_free
from daskreg.penalties import ElasticNet
from daskreg.solvers import QuasiNewton, solve

#: Violation of the optimality conditions, relative to that of the null model.
TOL = 1e-9
MAX_ITER = 200


def free_model(datafit: Any, free: AnyArray, positive: bool = False) -> tuple[Float, Float, Float]:
    """Minimise the loss over the unpenalised columns and the intercept, all others zero.

    With the squared loss no pass beyond the first; else one over all columns at the model that was
    found, and one to gather the columns where storage cannot read them alone.

    Parameters
    ----------
    datafit : Datafit
    free : ndarray of int, shape (f,)
        In ascending order; empty: the null model.
    positive : bool
        Ask the coefficients to be at least 0.

    Returns
    -------
    coef, intercept, grad : ndarray, shapes (p, q, K), (q, K) and (p, q, K)
        In solver coordinates: the model, and the gradient of the loss there.
    """
    shape = (datafit.n_features, datafit.n_outputs, datafit.n_problems)
    if not len(free):
        return np.zeros(shape), datafit.null_intercept, datafit.null_grad
    if datafit.quadratic:
        coef, grad = fit_free(datafit, free, positive)
        return coef, datafit.null_intercept, grad
    part = datafit.restricted(free)
    nothing = ElasticNet(np.zeros(datafit.n_problems), np.ones(1), positive=positive)
    found = solve(QuasiNewton(), part, nothing, tol=TOL, max_iter=MAX_ITER)
    coef = np.zeros(shape)
    coef[free] = found.coef
    grad = datafit.value_and_grad(coef, found.intercept, precise=True).grad
    return coef, found.intercept, grad
