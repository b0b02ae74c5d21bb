"""The sums of a gradient pass that couple the classes of a softmax and need no X."""

from __future__ import annotations

import numpy as np

from daskreg._array import contiguous, namespace
from daskreg._typing import Float
from daskreg.design.partials import Sums
from daskreg.losses.multinomial import Softmax

from .scales import ENTROPY_SCALES
from .tiles import RowData, column_sums


def empty_class_sums(n_columns: int, n_problems: int) -> Sums:
    """Return the sums of :func:`add_classes` at zero, for problems of ``n_columns`` together."""
    q = n_columns // max(1, n_problems)
    return Sums(
        value=np.zeros(n_problems),
        residual=np.zeros((q, n_problems)),
        products=np.zeros((q, q, n_problems)),
        entropy=np.zeros((len(ENTROPY_SCALES), n_problems)),
    )


def add_classes(sums: Sums, rows: RowData, eta: Float) -> Float:
    """Add the sums that need no X, in place, and return the weighted residuals (rows, q C).

    ``products`` are the weighted sums of ``mu mu'``, from which the mean Hessian follows.

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


def mean_hessian(products: Float) -> Float:
    """Return the sums of the Hessian by eta, (q, q, C), from those of ``mu mu'``.

    Rows of the Hessian sum to zero: so its diagonal keeps its digits where a mean is near one.
    """
    hessian = -0.5 * (products + products.transpose(1, 0, 2))
    own = np.arange(len(hessian))
    hessian[own, own] = 0.0
    hessian[own, own] = -hessian.sum(axis=1)
    return np.asarray(hessian)
