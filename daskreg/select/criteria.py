"""Information criteria: the fit to all rows, and what its degrees of freedom cost."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float

Criterion = Literal["aic", "bic", "ebic"]


def information_criterion(
    minus_2_loglik: npt.ArrayLike,
    df: npt.ArrayLike,
    n_samples: float,
    *,
    criterion: Criterion = "bic",
    n_features: int | None = None,
    gamma: float = 0.5,
) -> Float:
    r"""Return ``-2 log L + c df``, smaller is better.

    c is 2 for AIC (Akaike 1974) and :math:`\log n` for BIC (Schwarz 1978).  The extended BIC adds
    :math:`2 \gamma \log \binom{p}{df}` for the number of models of that size (Chen and Chen 2008,
    Extended Bayesian information criteria for model selection with large model spaces).

    Parameters
    ----------
    minus_2_loglik : array
        Of the whole data, as from ``gaussian_minus_2_loglik``; for class labels twice the sum of
        the log losses.
    df : array of the same shape
        Degrees of freedom.
    n_samples : float
        Number of rows.
    criterion : {"aic", "bic", "ebic"}
    n_features : int, optional
        Columns to choose from; needed for "ebic".
    gamma : float
        0 (BIC) to 1.

    Raises
    ------
    ValueError
        For a criterion that is unknown, or lacks ``n_features``.
    """
    fit, size = np.asarray(minus_2_loglik, dtype=np.float64), np.asarray(df, dtype=np.float64)
    if not n_samples > 0:
        raise ValueError(f"n_samples must be positive, got {n_samples}")
    if (size < 0).any():
        raise ValueError(f"df must be >= 0, got {size.min()}")
    if criterion == "aic":
        return np.asarray(fit + 2.0 * size)
    value = fit + np.log(n_samples) * size
    if criterion == "bic":
        return np.asarray(value)
    if criterion != "ebic":
        raise ValueError(f"criterion must be 'aic', 'bic' or 'ebic', got {criterion!r}")
    if n_features is None:
        raise ValueError("the extended BIC counts the models to choose from: give n_features")
    if not 0.0 <= gamma <= 1.0:
        raise ValueError(f"gamma must be between 0 and 1, got {gamma}")
    return np.asarray(value + 2.0 * gamma * _log_binomial(n_features, size))


def _log_binomial(n: int, k: Float) -> Float:
    """Return ``log (n over k)``, also between integers; k beyond n counts as n."""
    from scipy.special import gammaln

    k = np.minimum(k, n)
    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0))


def gaussian_minus_2_loglik(
    rss: npt.ArrayLike, n_samples: float, noise_variance: npt.ArrayLike
) -> Float:
    r"""Return :math:`n \log(2 \pi \sigma^2) + RSS / \sigma^2` for a known noise variance.

    Source: Zou, Hastie and Tibshirani (2007), On the "degrees of freedom" of the lasso.

    Parameters
    ----------
    rss : array
        Weighted residual sum of squares.
    n_samples : float
        Sum of the weights.
    noise_variance : float or array
        In squared units of y; one value for all models that are compared.

    Raises
    ------
    ValueError
        If the variance is not positive.
    """
    variance = np.asarray(noise_variance, dtype=np.float64)
    if not (variance > 0.0).all():
        raise ValueError(
            f"noise_variance must be positive, got {variance.min()}: a perfect fit leaves none to "
            "estimate it from; give it"
        )
    squares = np.asarray(rss, dtype=np.float64)
    return np.asarray(n_samples * np.log(2.0 * np.pi * variance) + squares / variance)


def residual_variance(rss: float, n_samples: float, df: float) -> float:
    """Return the unbiased noise variance ``rss / (n - df)`` of a least-squares fit.

    Parameters
    ----------
    rss : float
        Of the full model, without penalty.
    n_samples : float
    df : float
        Its coefficients, with the intercept.

    Raises
    ------
    ValueError
        Where no row is left over.
    """
    if n_samples <= df:
        raise ValueError(
            f"{n_samples:g} rows leave none over from {df:g} coefficients: the noise variance "
            "cannot be estimated; give noise_variance"
        )
    return rss / (n_samples - df)


def lasso_df(coef: npt.ArrayLike, *, fit_intercept: bool = False) -> npt.NDArray[np.int64]:
    """Return the nonzero coefficients of each model, an unbiased estimate of its df.

    Source: Zou, Hastie and Tibshirani (2007), On the "degrees of freedom" of the lasso.

    Parameters
    ----------
    coef : array, shape (n_features, ...)
    fit_intercept : bool
        Whether the intercept counts as one more.
    """
    nonzero = np.count_nonzero(np.asarray(coef), axis=0)
    return np.asarray(nonzero + int(fit_intercept), dtype=np.int64)


def elastic_net_df(
    coef: npt.ArrayLike, gram: Float, l2: npt.ArrayLike, *, fit_intercept: bool = False
) -> Float:
    r"""Return the trace of the ridge hat matrix on the active columns of each model.

    With the eigenvalues d of :math:`G_{AA}` it is :math:`\sum d / (d + l2)`; without L2 the number
    of eigenvalues that are not zero, which is the rank of the active columns (Tibshirani and
    Taylor 2012, Degrees of freedom in lasso problems).

    Source: Zou, Hastie and Tibshirani (2007) for the lasso; with the ridge hat matrix, Tibshirani
    and Taylor (2012), where the elastic net is the lasso of augmented rows.

    Parameters
    ----------
    coef : array, shape (n_features, n_models)
    gram : ndarray, shape (n_features, n_features)
        ``sum s x x'`` with weights that sum to one, of columns that are centred where there is an
        intercept, in the coordinates of ``coef``.
    l2 : float or array, shape (n_models,)
        ``alpha (1 - l1_ratio)``, for the mean loss.
    fit_intercept : bool
        Whether the intercept counts as one more.
    """
    columns = np.asarray(coef)
    if columns.ndim != 2 or gram.shape != (len(columns), len(columns)):
        raise ValueError(
            f"expected coef (n_features, n_models) and its square Gram matrix, got shapes "
            f"{columns.shape} and {gram.shape}"
        )
    strength = np.broadcast_to(np.asarray(l2, dtype=np.float64), columns.shape[1:])
    known: dict[bytes, Any] = {}
    df = np.full(columns.shape[1], float(fit_intercept))
    for model, ridge in enumerate(strength.tolist()):
        active = columns[:, model] != 0.0
        # Neighbours on a path often have the same active columns.
        key = active.tobytes()
        if key not in known:
            known[key] = np.linalg.eigvalsh(gram[np.ix_(active, active)])
        df[model] += _trace(known[key], ridge)
    return df


def _trace(eigenvalues: Float, ridge: float) -> float:
    least = len(eigenvalues) * np.finfo(np.float64).eps * eigenvalues.max(initial=0.0)
    used = eigenvalues[eigenvalues > least]
    return float(np.sum(used / (used + ridge)))
