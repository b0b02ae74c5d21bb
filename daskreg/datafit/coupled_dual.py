r"""Dual points of the coupled classes of a softmax: lower bounds from the sums of one pass.

As for two classes (see ``dual``), with one number for each class: minus the conjugate of the loss
is the entropy of a distribution u over the classes, and an unpenalised intercept asks that the mean
of u is that of the labels, class by class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Float
from daskreg.compiled.sums import ENTROPY_SCALES
from daskreg.losses import Multinomial, entropy

from .dual import best_between
from .evaluation import DualPenalty, DualPoint, free_columns, outward
from .first import FirstPass


@dataclass(frozen=True, eq=False)
class MultinomialDual(DualPoint):
    r"""Points ``(1 - s) y + s Q`` between labels and means.

    Where the mean :math:`\bar\mu` of mu is not that of the labels, :math:`\bar y`, intercepts ask
    for more: :math:`Q = (1 - e) \mu + e\, q` with the smallest e for which some distribution q
    makes the means equal, :math:`e = \max(0, 1 - \min_c \bar y_c / \bar\mu_c)`.  The entropy is
    concave, so that the share ``s e`` of q adds at least its share of the entropy of q.

    Attributes
    ----------
    entropy : ndarray, shape (n_scales, C)
        ``sum s H(u)`` at each entropy scale, without q, in nats.
    residual : ndarray, shape (q, C)
        ``sum s (mu - y)``.
    first : FirstPass
    fit_intercept : bool
    """

    entropy: Float
    residual: Float
    first: FirstPass
    fit_intercept: bool

    def take(self, columns: AnyArray) -> MultinomialDual:
        entropy, residual = self.entropy[:, columns], self.residual[:, columns]
        return MultinomialDual(entropy, residual, self.first, self.fit_intercept)

    def lower_bound(
        self, penalty: DualPenalty, coef: Float, grad: Float, unsure: Float | float = 0.0
    ) -> Float:
        n_columns = self.residual.shape[1]
        if len(free_columns(penalty, len(grad))):
            return np.full(n_columns, np.nan)
        if not self.fit_intercept:
            v = outward(-grad, unsure, penalty)
            return best_between(penalty, v, self.entropy, np.zeros(n_columns))
        share, constant = self._share()
        v = share * self.first.cross[..., None] - (1.0 - share) * grad
        v = outward(v, unsure, penalty)
        return best_between(penalty, v, self.entropy, share * entropy(constant, axis=0), share)

    def _share(self) -> tuple[Float, Float]:
        """Return e (C,) and q (n_classes, C)."""
        target = self.first.target_mean[:, None]
        mean = np.maximum(target + self.residual, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            excess = np.where(mean > 0.0, self.residual / mean, 0.0)
            share = np.clip(excess.max(axis=0), 0.0, 1.0)
            constant = np.maximum(mean - self.residual / share, 0.0)
            constant = constant / constant.sum(axis=0)
        return share, np.where(share > 0.0, constant, target)


def multinomial_dual(
    sums: Any, first: FirstPass, fit_intercept: bool, columns: AnyArray
) -> MultinomialDual:
    """Return the dual point that the sums of a gradient pass give for some of its columns."""
    total = first.total_weight
    means = sums["entropy"][:, columns] / total, sums["residual"][:, columns] / total
    return MultinomialDual(*means, first, fit_intercept)


def null_class_dual(first: FirstPass, fit_intercept: bool) -> MultinomialDual:
    """Return the dual point of the null model, where mu is the same in every row."""
    share, loss = first.target_mean, Multinomial()
    eta = np.broadcast_to(first.null_intercept.T, (len(share), len(share)))
    codes = np.arange(len(share), dtype=np.float64)
    paths = loss.path_entropies(codes, eta, ENTROPY_SCALES)
    means = np.array([share @ path for path in paths])[:, None]
    mu = loss.inverse_link(eta[:1])[0]
    residual = np.zeros_like(share) if fit_intercept else mu - share
    return MultinomialDual(means, residual[:, None], first, fit_intercept)
