"""The models of many C, solved side by side in shared passes."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg.design import as_design
from daskreg.losses import Logistic
from daskreg.problems import Problems

from . import _input, _params
from ._report import warn_unconverged
from ._solve import Settings, fit_problems
from .logistic_cv import inverse_strengths


def logistic_path(
    X: Any,
    y: Any,
    *,
    Cs: Any = 10,
    l1_ratio: float = 0.0,
    sample_weight: Any = None,
    offset: Any = None,
    class_weight: Any = None,
    fit_intercept: bool = True,
    standardize: bool = False,
    penalty_weight: Any = None,
    solver: Any = "auto",
    max_iter: int = 1000,
    tol: float = 1e-6,
    memory_limit: Any = None,
    block_size: Any = None,
    missing_chunks: str = "raise",
    scratch: Any = None,
    cache: Any = "auto",
    sample_dim: Any = None,
    callbacks: Any = (),
    verbose: bool = False,
) -> tuple[Any, Any, Any, Any]:
    """Solve logistic regression for many C together: each pass over X serves all of them.

    Parameters
    ----------
    X, y, sample_weight, offset, sample_dim
        As in ``fit``.
    Cs : int or array of shape (n_Cs,), default=10
        Inverse strengths of the penalty, or their number from 1e-4 to 1e4 at equal ratios.
    l1_ratio : float, default=0.0
        0 is the squared L2 penalty, 1 the L1 penalty.
    class_weight, fit_intercept, standardize, penalty_weight, solver, max_iter, tol, memory_limit, \
block_size, missing_chunks, scratch, cache, callbacks, verbose
        As in :class:`LogisticRegression`.

    Returns
    -------
    Cs : ndarray of shape (n_Cs,)
        In the order given.
    coefs : ndarray of shape (n_Cs, 1, n_features)
    intercepts : ndarray of shape (n_Cs, 1)
    dual_gaps : ndarray of shape (n_Cs,)
        In units of the objective per unit of weight; NaN where no valid bound is known.

    Raises
    ------
    ValueError
        Parameters out of range.
    DataError, MemoryPlanError
        As in ``fit``.

    Examples
    --------
    >>> import numpy as np
    >>> from daskreg import logistic_path
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 4))
    >>> y = X[:, 0] + rng.normal(size=200) > 0
    >>> Cs, coefs, intercepts, dual_gaps = logistic_path(X, y, Cs=[0.01, 0.1, 1], l1_ratio=1.0)
    >>> (coefs[:, 0] != 0).sum(axis=1)
    array([0, 1, 4])
    """
    _params.solver_name(solver)
    _params.inverse_strengths(Cs)
    strengths = inverse_strengths(Cs)
    X = _input.as_rows(X)
    y, _ = _input.as_target("path", y, one_column=True, sample_dim=sample_dim)
    design = as_design(
        X,
        y,
        _input.as_numbers(sample_weight),
        _input.as_numbers(offset),
        memory_limit=memory_limit,
        block_size=block_size,
        missing_chunks=missing_chunks,
        sample_dim=sample_dim,
        scratch=scratch,
        cache=cache,
    )
    try:
        settings = Settings(
            Logistic(),
            Problems.product(
                alpha=1.0 / strengths,
                l1_ratio=_params.number("l1_ratio", l1_ratio, most=1.0),
                alpha_unit="sum",
            ),
            solver=solver,
            penalty_weight=_params.penalty_weights(penalty_weight, design.n_features),
            fit_intercept=fit_intercept,
            standardize=standardize,
            class_weight=class_weight,
            tol=_params.number("tol", tol),
            max_iter=_params.integer("max_iter", max_iter),
            callbacks=_params.callbacks(callbacks, verbose),
        )
        fitted = fit_problems(design, settings)
        solution, n_passes = fitted.solution, design.n_passes
        coef, intercept = fitted.datafit.to_original(solution.coef, solution.intercept)
    finally:
        design.close()
    warn_unconverged("path", solution, n_passes, settings.max_iter, settings.tol)
    coefs = np.ascontiguousarray(coef.transpose(2, 1, 0))
    return strengths, coefs, np.ascontiguousarray(intercept.T), np.array(solution.dual_gap)
