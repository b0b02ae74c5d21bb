"""The models of many C, solved side by side in shared passes."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg.losses import LogLoss
from daskreg.problems import Problems

from . import _params
from ._checkpoint import Keeping
from ._opening import Where
from ._path_fit import solve_path
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
    start: Any = None,
    solver: Any = "auto",
    max_iter: int = 1000,
    tol: float = 1e-6,
    max_passes: int | None = None,
    deadline: float | None = None,
    worker_timeout: float | None = None,
    memory_limit: Any = None,
    block_size: Any = None,
    missing_chunks: str = "raise",
    scratch: Any = None,
    cache: Any = "auto",
    sample_dim: Any = None,
    checkpoint: Any = None,
    checkpoint_every: float = 60.0,
    resume: bool | str = False,
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
    start : fitted model or path of one, optional
        To begin from, as in :meth:`LogisticRegression.fit`.
    class_weight, fit_intercept, standardize, penalty_weight, solver, max_iter, tol, max_passes, \
deadline, worker_timeout, memory_limit, block_size, missing_chunks, scratch, cache, callbacks, \
verbose
        As in :class:`LogisticRegression`.  Whatever ends it, Ctrl-C included, the best models so
        far are returned with their gaps, NaN of those that were not begun, and a warning is given.
    checkpoint, checkpoint_every, resume
        As in ``fit``.

    Returns
    -------
    Cs : ndarray of shape (n_Cs,)
        In the order given.
    coefs : ndarray of shape (n_Cs, 1, n_features) or (n_Cs, n_classes, n_features)
        The latter of more than two classes, in the order of their labels.
    intercepts : ndarray of shape (n_Cs, 1) or (n_Cs, n_classes)
    dual_gaps : ndarray of shape (n_Cs,)
        In units of the objective per unit of weight; NaN where no valid bound is known.

    Raises
    ------
    ValueError
        Parameters out of range.
    CheckpointError, DataError, MemoryPlanError
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
    _params.inverse_strengths(Cs)
    strengths = inverse_strengths(Cs)
    problems = Problems.product(
        alpha=1.0 / strengths,
        l1_ratio=_params.number("l1_ratio", l1_ratio, most=1.0),
        alpha_unit="sum",
    )
    fitted, _ = solve_path(
        LogLoss(),
        lambda design: problems,
        Where(memory_limit, block_size, missing_chunks, scratch, cache, worker_timeout),
        Keeping("logistic_path", checkpoint, checkpoint_every, resume),
        {"Cs": strengths, "l1_ratio": l1_ratio},
        X,
        y,
        sample_weight=sample_weight,
        offset=offset,
        sample_dim=sample_dim,
        start=start,
        fit_intercept=fit_intercept,
        standardize=standardize,
        penalty_weight=penalty_weight,
        class_weight=class_weight,
        solver=solver,
        max_iter=max_iter,
        tol=tol,
        max_passes=max_passes,
        deadline=deadline,
        callbacks=callbacks,
        verbose=verbose,
    )
    coefs = fitted.coef.reshape(len(strengths), -1, fitted.coef.shape[-1])
    intercepts = fitted.intercept.reshape(len(strengths), -1)
    return strengths, coefs, intercepts, np.array(fitted.solution.dual_gap)
