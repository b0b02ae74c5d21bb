"""A whole path of alphas, with squared loss, in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg.design import as_design
from daskreg.losses import Squared
from daskreg.paths import descending, fractions
from daskreg.problems import Problems

from . import _input, _params
from ._report import warn_unconverged
from ._solve import Settings, fit_problems


def elastic_net_path(
    X: Any,
    y: Any,
    *,
    l1_ratio: float = 0.5,
    eps: float = 1e-3,
    n_alphas: int = 100,
    alphas: Any = None,
    sample_weight: Any = None,
    offset: Any = None,
    fit_intercept: bool = False,
    standardize: bool = False,
    penalty_weight: Any = None,
    positive: bool = False,
    solver: Any = "auto",
    max_iter: int = 1000,
    tol: float = 1e-6,
    memory_limit: Any = None,
    block_size: Any = None,
    missing_chunks: str = "raise",
    scratch: Any = None,
    sample_dim: Any = None,
    callbacks: Any = (),
    verbose: bool = False,
) -> tuple[Any, Any, Any]:
    """Solve squared loss with an elastic net penalty for many alphas together.

    Parameters
    ----------
    X, y, sample_weight, offset, sample_dim
        As in ``fit``.
    l1_ratio : float, default=0.5
    eps : float, default=1e-3
        Smallest alpha over the largest, where alphas is None.
    n_alphas : int, default=100
        Length of that grid.
    alphas : array of shape (n_alphas,), optional
        In the unit of the gradient; None: from the smallest alpha with all coefficients zero
        (over all targets) downwards, at equal ratios.
    fit_intercept : bool, default=False
        As scikit-learn's path functions, which take X and y as they are; True fits one, which
        is not returned.
    standardize, penalty_weight, positive, solver, max_iter, tol, memory_limit, block_size, \
missing_chunks, scratch, callbacks, verbose
        As in :class:`ElasticNet`.

    Returns
    -------
    alphas : ndarray of shape (n_alphas,)
        Largest first.
    coefs : ndarray of shape (n_features, n_alphas) or (n_targets, n_features, n_alphas)
    dual_gaps : ndarray of shape (n_alphas,) or (n_targets, n_alphas)
        In units of the objective.

    Raises
    ------
    ValueError
        Parameters out of range; ``l1_ratio=0`` without alphas.
    DataError, MemoryPlanError
        As in ``fit``.
    """
    _params.solver_name(solver)
    ratio = _params.number("l1_ratio", l1_ratio, most=1.0)
    if alphas is None and ratio == 0.0:
        raise ValueError("l1_ratio=0 has no largest alpha to start from; pass alphas")
    X = _input.as_rows(X)
    y, flat = _input.as_target("path", y, one_column=False, sample_dim=sample_dim)
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
    )
    try:
        problems = Problems.product(
            alpha=fractions(n_alphas, eps) if alphas is None else descending(alphas),
            l1_ratio=ratio,
            output=range(design.n_targets),
            alpha_unit="fraction" if alphas is None else "mean",
        )
        settings = Settings(
            Squared(),
            problems,
            solver=solver,
            penalty_weight=_params.penalty_weights(penalty_weight, design.n_features),
            positive=positive,
            fit_intercept=fit_intercept,
            standardize=standardize,
            tol=_params.number("tol", tol),
            max_iter=_params.integer("max_iter", max_iter),
            callbacks=_params.callbacks(callbacks, verbose),
        )
        fitted = fit_problems(design, settings)
        n_targets, n_passes = design.n_targets, design.n_passes
    finally:
        design.close()
    warn_unconverged("path", fitted.solution, n_passes, settings.max_iter, settings.tol)
    return _shaped(fitted, n_targets, flat)


def _shaped(fitted: Any, n_targets: int, flat: bool) -> tuple[Any, Any, Any]:
    """Bring problems, ordered by alpha, then target, into scikit-learn's shape."""
    n_features = fitted.coef.shape[1]
    coefs = fitted.coef.reshape(-1, n_targets, n_features).transpose(1, 2, 0)
    gaps = np.asarray(fitted.solution.dual_gap).reshape(-1, n_targets).T
    alphas = np.array(fitted.alpha[::n_targets])
    if flat:
        coefs, gaps = coefs[0], gaps[0]
    return alphas, np.ascontiguousarray(coefs), np.ascontiguousarray(gaps)
