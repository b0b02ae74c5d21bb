"""Grids of alpha: geometric, from the smallest alpha with all coefficients zero downwards."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ._typing import Float


def fractions(n_alphas: int = 100, eps: float = 1e-3) -> Float:
    """Shares of alpha_max, from 1 down to ``eps`` at equal ratios, shape (n_alphas,).

    Raises
    ------
    ValueError
        Fewer than one alpha, or ``eps`` outside (0, 1].

    Examples
    --------
    >>> fractions(3, eps=0.01)
    array([1.  , 0.1 , 0.01])
    """
    if n_alphas < 1:
        raise ValueError(f"n_alphas must be at least 1, got {n_alphas}")
    if not 0 < eps <= 1:
        raise ValueError(f"eps = alpha_min / alpha_max must be in (0, 1], got {eps}")
    return np.geomspace(1.0, eps, n_alphas) if n_alphas > 1 else np.ones(1)


def alpha_grid(alpha_max: float, n_alphas: int = 100, eps: float = 1e-3) -> Float:
    """Alphas from ``alpha_max`` down to ``eps * alpha_max``, in the unit of the gradient.

    Where ``alpha_max`` is 0 (nothing to explain) every alpha is the smallest positive float, so
    that all coefficients stay zero.

    Raises
    ------
    ValueError
        ``alpha_max`` is not finite: ridge problems (l1_ratio 0) have none.

    References
    ----------
    Friedman, Hastie and Tibshirani (2010), Regularization paths for generalized linear models via
    coordinate descent, section 2.5.
    """
    if not np.isfinite(alpha_max):
        raise ValueError(
            f"alpha_max is {alpha_max}: with l1_ratio=0 no alpha makes all coefficients zero; "
            "pass alphas, or an l1_ratio above 0"
        )
    if alpha_max <= 0:
        return np.full(n_alphas, np.finfo(np.float64).tiny)
    return alpha_max * fractions(n_alphas, eps)


def descending(alphas: npt.ArrayLike) -> Float:
    """Return the given alphas as float64, largest first; raise ``ValueError`` for unusable ones."""
    values = np.asarray(alphas, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"alphas must be a list of numbers, got shape {values.shape}")
    if not np.isfinite(values).all() or (values < 0).any():
        raise ValueError("alphas must be finite and not negative")
    return np.sort(values)[::-1]
