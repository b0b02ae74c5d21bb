"""Grids of alpha: geometric, from the smallest alpha with all coefficients zero downwards.

Source: Friedman, Hastie and Tibshirani (2010), Regularization paths for generalized linear models
via coordinate descent, section 2.5.
"""

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


def smallest_share(eps: float | None, n_samples: int, n_features: int) -> float:
    """Return where a grid ends, as a share of alpha_max: ``eps``, or what suits the shape of X.

    With more columns than rows 1e-2, for models of as many coefficients as rows fit anything; else
    1e-3.
    """
    if eps is not None:
        return float(eps)
    return 1e-2 if n_features > n_samples else 1e-3


def descending(alphas: npt.ArrayLike) -> Float:
    """Return the given alphas as float64, largest first; raise ``ValueError`` for unusable ones."""
    values = np.asarray(alphas, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"alphas must be a list of numbers, got shape {values.shape}")
    if not np.isfinite(values).all() or (values < 0).any():
        raise ValueError("alphas must be finite and not negative")
    return np.sort(values)[::-1]
