"""A whole path of alphas, with squared loss, in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg.losses import Squared
from daskreg.paths import descending, fractions, smallest_share
from daskreg.problems import Problems

from . import _params
from ._checkpoint import Keeping
from ._opening import Where
from ._path_fit import solve_path


def enet_path(
    X: Any,
    y: Any,
    *,
    l1_ratio: float = 0.5,
    eps: float | None = None,
    alphas: Any = 100,
    n_alphas: int | None = None,
    sample_weight: Any = None,
    offset: Any = None,
    fit_intercept: bool = False,
    standardize: bool = False,
    penalty_weight: Any = None,
    positive: bool = False,
    return_n_iter: bool = False,
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
) -> tuple[Any, ...]:
    """Solve squared loss with an elastic net penalty for many alphas together, in one pass.

    Parameters
    ----------
    X, y, sample_weight, offset, sample_dim
        As in ``fit``.
    l1_ratio : float, default=0.5
    eps : float, optional
        Smallest alpha over the largest of a grid; None: 1e-3, or 1e-2 with more columns than rows.
    alphas : int or array of shape (n_alphas,), default=100
        The alphas, in the unit of the gradient, or the length of a grid: from the smallest alpha
        with all coefficients zero (over all targets) downwards, at equal ratios.
    n_alphas : int, optional
        Older name of a number for ``alphas``.
    fit_intercept : bool, default=False
        As scikit-learn's path functions, which take X and y as they are; True fits one, which
        is not returned.
    return_n_iter : bool, default=False
    start : fitted model or path of one, optional
        To begin from, as in :meth:`ElasticNet.fit`.
    standardize, penalty_weight, positive, solver, max_iter, tol, max_passes, deadline, \
worker_timeout, memory_limit, block_size, missing_chunks, scratch, cache, callbacks, verbose
        As in :class:`ElasticNet`.  Whatever ends it, Ctrl-C included, the best models so far are
        returned with their gaps, NaN of those that were not begun, and a warning is given.
    checkpoint, checkpoint_every, resume
        As in ``fit``.

    Returns
    -------
    alphas : ndarray of shape (n_alphas,)
        Largest first.
    coefs : ndarray of shape (n_features, n_alphas) or (n_targets, n_features, n_alphas)
    dual_gaps : ndarray of shape (n_alphas,) or (n_targets, n_alphas)
        In units of the objective.
    n_iters : ndarray of int of the same shape
        With ``return_n_iter``: iterations in the solver's unit.

    Raises
    ------
    ValueError
        Parameters out of range; ``l1_ratio=0`` without alphas.
    CheckpointError, DataError, MemoryPlanError
        As in ``fit``.

    Examples
    --------
    >>> import numpy as np
    >>> from daskreg import enet_path
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> alphas, coefs, dual_gaps = enet_path(X, X @ [1.0, 0.0, -2.0], alphas=20)
    >>> alphas.shape, coefs.shape
    ((20,), (3, 20))
    """
    ratio = _params.number("l1_ratio", l1_ratio, most=1.0)
    wanted = _wanted(alphas, n_alphas, eps, ratio)
    fitted, opening = solve_path(
        Squared(),
        lambda design: _problems(wanted, eps, ratio, design),
        Where(memory_limit, block_size, missing_chunks, scratch, cache, worker_timeout),
        Keeping("enet_path", checkpoint, checkpoint_every, resume),
        {"alphas": wanted, "eps": eps, "l1_ratio": ratio},
        X,
        y,
        sample_weight=sample_weight,
        offset=offset,
        sample_dim=sample_dim,
        start=start,
        fit_intercept=fit_intercept,
        standardize=standardize,
        penalty_weight=penalty_weight,
        positive=positive,
        solver=solver,
        max_iter=max_iter,
        tol=tol,
        max_passes=max_passes,
        deadline=deadline,
        callbacks=callbacks,
        verbose=verbose,
    )
    found = _shaped(fitted, opening.design.n_targets, opening.one_target)
    return found if return_n_iter else found[:3]


def lasso_path(X: Any, y: Any, **settings: Any) -> tuple[Any, ...]:
    """Solve squared loss with an L1 penalty for many alphas together, in one pass.

    Parameters and results are those of :func:`enet_path` with ``l1_ratio=1``.

    Examples
    --------
    >>> import numpy as np
    >>> from daskreg import lasso_path
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> alphas, coefs, dual_gaps = lasso_path(X, X @ [1.0, 0.0, -2.0], alphas=[0.5, 0.1])
    >>> (coefs != 0).sum(axis=0)
    array([2, 2])
    """
    return enet_path(X, y, **({"l1_ratio": 1.0} | settings))


def _wanted(alphas: Any, n_alphas: int | None, eps: float | None, ratio: float) -> Any:
    """Return the alphas, or how many a grid shall have."""
    if alphas is None or (n_alphas is not None and not np.ndim(alphas)):
        alphas = 100 if n_alphas is None else n_alphas
    _params.alphas(alphas, eps)
    if not np.ndim(alphas) and ratio == 0.0:
        raise ValueError("l1_ratio=0 has no largest alpha to start from; pass alphas")
    return alphas


def _problems(wanted: Any, eps: float | None, ratio: float, design: Any) -> Problems:
    given = bool(np.ndim(wanted))
    if not given and eps is None and design.n_samples is None:
        design.prepare(note="the rows are counted before the grid is made")
    if given:
        alpha = descending(wanted)
    else:
        alpha = fractions(
            int(wanted), smallest_share(eps, design.n_samples or 0, design.n_features)
        )
    return Problems.product(
        alpha=alpha,
        l1_ratio=ratio,
        output=range(design.n_targets),
        alpha_unit="mean" if given else "fraction",
    )


def _shaped(fitted: Any, n_targets: int, flat: bool) -> tuple[Any, Any, Any, Any]:
    """Bring problems, ordered by alpha, then target, into scikit-learn's shape."""
    n_features = fitted.coef.shape[1]
    coefs = fitted.coef.reshape(-1, n_targets, n_features).transpose(1, 2, 0)
    gaps, sweeps = (
        np.asarray(values).reshape(-1, n_targets).T
        for values in (fitted.solution.dual_gap, np.maximum(fitted.solution.n_iter, 1))
    )
    alphas = np.array(fitted.alpha[::n_targets])
    found = coefs, gaps, sweeps
    if flat:
        found = coefs[0], gaps[0], sweeps[0]
    coefs, gaps, sweeps = (np.ascontiguousarray(values) for values in found)
    return alphas, coefs, gaps, sweeps
