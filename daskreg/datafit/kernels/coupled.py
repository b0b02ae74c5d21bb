"""The sums of a gradient pass that couple the classes of a softmax and need no X."""

from __future__ import annotations

import numpy as np

from daskreg._array import beside, contiguous, namespace
from daskreg._typing import AnyArray, Float
from daskreg.compiled.sums import ENTROPY_SCALES
from daskreg.design.partials import Sums
from daskreg.losses.multinomial import Softmax

from .tiles import RowData, column_sums

#: Classes up to which it pays to sum how the Hessian changes with the predictors: the numbers that
#: are summed for each row grow with the fourth power, to some 5,000.
MOST_BENT = 12


def empty_class_sums(n_columns: int, n_problems: int, bends: bool = False) -> Sums:
    """Return the sums of :func:`add_classes` at zero, for problems of ``n_columns`` together."""
    q = n_columns // max(1, n_problems)
    sums = Sums(
        value=np.zeros(n_problems),
        residual=np.zeros((q, n_problems)),
        products=np.zeros((q, q, n_problems)),
        entropy=np.zeros((len(ENTROPY_SCALES), n_problems)),
    )
    if bends:
        sums["bends"] = np.zeros((*n_pairs(q), n_problems))
    return sums


def n_pairs(n_outputs: int) -> tuple[int, int]:
    """Return how many pairs there are of the predictors and a 1, and of two different means."""
    q = n_outputs if 1 < n_outputs <= MOST_BENT else 0
    return (q + 1) * (q + 2) // 2, q * (q - 1) // 2


def add_classes(sums: Sums, rows: RowData, eta: Float) -> Float:
    """Add the sums that need no X, in place, and return the weighted residuals (rows, q C).

    ``products`` are the weighted sums of ``mu mu'``, from which the mean Hessian follows, and
    ``bends``, where they are asked for, of ``t_a t_b mu_c mu_d`` for a <= b and c < d, with t the
    predictors and a 1: they tell how the Hessian changes with the predictors.

    Parameters
    ----------
    sums : Sums
        Of q classes and C problems.
    rows : RowData
        Targets are the codes of the classes.
    eta : ndarray, shape (rows, q C)
    """
    q, n_problems = sums["residual"].shape
    # In memory the classes come first: whatever runs over them runs over long vectors.
    xp = namespace(eta)
    by_class = contiguous(xp.moveaxis(xp.reshape(eta, (-1, q, n_problems)), 1, 0))
    softmax = Softmax.of(rows.y, xp.moveaxis(by_class, 0, 1))
    weight = rows.weight
    gradient = softmax.residual if weight is None else softmax.residual * weight[:, None, :]
    sums["value"] += column_sums(softmax.value, weight)
    sums["residual"] += column_sums(gradient, None)
    sums["products"] += _products(softmax.mu, weight)
    if "bends" in sums:
        sums["bends"] += _bends(by_class, softmax.mu, weight)
    paths = softmax.path_entropies(ENTROPY_SCALES)
    for number, entropy in enumerate(paths):
        sums["entropy"][number, :] += column_sums(entropy, weight)
    return xp.reshape(gradient, (eta.shape[0], q * n_problems))


def _products(mu: Float, weight: Float | None) -> Float:
    """Return the weighted sums of ``mu mu'``, (q, q, C), for mu of shape (rows, q, C)."""
    xp = namespace(mu)
    right = contiguous(xp.moveaxis(mu, 2, 0))
    left = right if weight is None else right * weight.T[:, :, None]
    return xp.moveaxis(xp.matmul(xp.matrix_transpose(left), right), 0, 2)


def _bends(eta: Float, mu: Float, weight: Float | None) -> Float:
    """Return the sums of ``t_a t_b mu_c mu_d``, (n_ab, n_cd, C), for eta (q, rows, C).

    Products are made in float32: they only steer steps.
    """
    xp, q = namespace(eta), len(eta)
    ones = xp.ones_like(eta[:1, ...])
    t, mu = _rough(xp.concat([eta, ones])), _rough(xp.moveaxis(mu, 1, 0))
    left, right = _pairs(t, np.triu_indices(q + 1)), _pairs(mu, np.triu_indices(q, 1))
    if weight is not None:
        left = left * _rough(weight)
    left, right = xp.moveaxis(left, 2, 0), xp.moveaxis(right, 2, 0)
    return xp.moveaxis(xp.matmul(left, xp.matrix_transpose(right)), 0, 2)


def _rough(x: Float) -> AnyArray:
    xp = namespace(x)
    return xp.astype(x, xp.float32) if hasattr(xp, "astype") else x.astype(xp.float32)


def _pairs(x: Float, places: tuple[AnyArray, ...]) -> Float:
    """Return the products of rows of x, at some pairs of places."""
    xp = namespace(x)
    first, second = (xp.take(x, beside(x, place), axis=0) for place in places)
    return first * second


def bent(bends: Float) -> Float:
    """Return the sums of ``t_a t_b H_cd``, (q + 1, q + 1, q, q, C), H the Hessian by eta."""
    n_ways, n_off, n_problems = bends.shape
    q = round((1 + (1 + 8 * n_off) ** 0.5) / 2)
    above, across = np.triu_indices(q + 1), np.triu_indices(q, 1)
    whole = np.zeros((n_ways, q, q, n_problems))
    whole[:, across[0], across[1]] = whole[:, across[1], across[0]] = -bends
    own = np.arange(q)
    whole[:, own, own] = -whole.sum(axis=2)
    found = np.empty((q + 1, q + 1, q, q, n_problems))
    found[above] = found[above[::-1]] = whole
    return found


def mean_hessian(products: Float) -> Float:
    """Return the sums of the Hessian by eta, (q, q, C), from those of ``mu mu'``.

    Rows of the Hessian sum to zero: so its diagonal keeps its digits where a mean is near one.
    """
    hessian = -0.5 * (products + products.transpose(1, 0, 2))
    own = np.arange(len(hessian))
    hessian[own, own] = 0.0
    hessian[own, own] = -hessian.sum(axis=1)
    return np.asarray(hessian)
