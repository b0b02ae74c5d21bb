"""How scores that rank rows fall into bins that are fixed before the first row is seen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float

#: Spreads from the centre at which a quarter of all bins lie on either side of it.
REACH = 4.0


def bin_numbers(score: Float, center: Float, spread: Float, n_bins: int) -> npt.NDArray[np.intp]:
    r"""Return the bin of each score, shape (rows, m).

    Bins are of equal width in :math:`u = z / (4 + |z|)`, ``z = (score - center) / spread``, a
    monotone map of all numbers onto (-1, 1): beside the centre they are ``8 / n_bins`` spreads
    wide, and no score is out of reach.  NaN goes to bin 0.

    Parameters
    ----------
    score : ndarray, shape (rows, m)
    center, spread : ndarray, shape (m,)
    n_bins : int
    """
    z = np.clip((score - center) / spread, -1e300, 1e300)
    u = z / (REACH + np.abs(z))
    bins = np.nan_to_num(np.floor((u + 1.0) * (0.5 * n_bins)), nan=0.0)
    return np.minimum(bins, n_bins - 1).astype(np.intp)


def class_logits(eta: Float) -> Float:
    """Return ``log(p / (1 - p))`` of each class of a softmax, shape (rows, n_outputs, m).

    Unlike eta itself it ranks rows as the probability p does, and it resolves p near 0 and 1.
    """
    logits = np.empty_like(eta)
    for output in range(eta.shape[1]):
        logits[:, output] = eta[:, output] - log_total(np.delete(eta, output, axis=1))
    return logits


def log_total(eta: Float) -> Float:
    """Return ``log sum exp`` over the outputs, shape (rows, m), without overflow."""
    largest = eta.max(axis=1)
    return np.asarray(largest + np.log(np.exp(eta - largest[:, None]).sum(axis=1)))


def auc(bins: Float) -> tuple[Float, Float]:
    r"""Return the area under the ROC curve and how far off it may be, from histograms.

    With weights :math:`P_b` and :math:`N_b` of the class and of the others in bin b the area is
    :math:`\sum_b P_b (\sum_{a<b} N_a + N_b / 2) / (P N)`: pairs in one bin count as ties.  What
    bins hide is the order of these, and so the error is at most
    :math:`\sum_b P_b N_b / (2 P N)`.

    Parameters
    ----------
    bins : ndarray, shape (..., 2, n_bins)

    Returns
    -------
    area, error : ndarray, shape (...)
        NaN where one of the two sides has no weight.
    """
    others, own = bins[..., 0, :], bins[..., 1, :]
    pairs = others.sum(axis=-1) * own.sum(axis=-1)
    pairs = np.where(pairs > 0.0, pairs, np.nan)
    tied = (own * others).sum(axis=-1)
    before = np.cumsum(others, axis=-1) - others
    return ((own * before).sum(axis=-1) + 0.5 * tied) / pairs, 0.5 * tied / pairs
