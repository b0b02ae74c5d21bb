r"""Dual points: lower bounds of the optimum from the sums of one pass.

The problem min over b of sum s_i f(y_i, o_i + x_i b) + g(b) is bounded from below, for any t, by
:math:`-\sum_i s_i f^*(y_i, t_i) + \sum_i s_i t_i o_i - g^*(-X^T S t)`; with an unpenalised
intercept t must also satisfy sum s_i t_i = 0, and with an unpenalised column j the same weighted
by x_ij.  All points here lie between zero and the gradient of the loss at the current model, so
the bound is exact at the optimum.

References
----------
Fercoq, Gramfort & Salmon (2015), "Mind the duality gap: safer rules for the lasso", eq. 6-9;
Ndiaye et al. (2017), "Gap safe screening rules for sparsity enforcing penalties", JMLR 18(128).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.compiled.sums import ENTROPY_SCALES
from daskreg.losses import Logistic, binary_entropy

from .evaluation import DualPenalty, DualPoint, free_columns, outward
from .first import FirstPass

#: Where the entropies of a logistic dual point are known: at the label (zero) and at the scales.
NODES = np.array([0.0, *ENTROPY_SCALES])

#: What may be left of a constraint, relative to the lengths of column and residuals.
RESIDUE = 1e-9


@dataclass(frozen=True, eq=False)
class SquaredDual(DualPoint):
    """The residuals, scaled as well as possible.

    Attributes
    ----------
    residual_square : ndarray, shape (C,)
        ``sum s r^2``, of centred residuals where there is an intercept.
    free : ndarray of int, shape (f,), or None
    free_gram : ndarray, shape (p, f), or None
        Gram columns of unpenalised columns, to project the residuals on their complement.
    """

    residual_square: Float
    free: AnyArray | None = None
    free_gram: Float | None = None

    def take(self, columns: AnyArray) -> SquaredDual:
        return SquaredDual(self.residual_square[columns], self.free, self.free_gram)

    def lower_bound(
        self, penalty: DualPenalty, coef: Float, grad: Float, unsure: Float | float = 0.0
    ) -> Float:
        v = -grad
        square = along = self.residual_square
        free = free_columns(penalty, len(v))
        if len(free):
            gram = self._gram_of(free)
            if gram is None:
                return np.full(len(square), np.nan)
            square_before, v_before = square, v
            vanish = must_vanish(penalty, v[free, 0])
            for _ in free:
                along, square, v = project(square_before, v_before, free, gram, vanish)
                more = vanish | must_vanish(penalty, v[free, 0])
                if (more == vanish).all():
                    break
                vanish = more
        linear = along + (coef * v).sum(axis=(0, 1))
        seen, v = v, outward(v, unsure, penalty)
        v[free] = seen[free]  # where it must vanish it does
        return penalty.best_dual(linear, np.maximum(square, 0.0), v)

    def _gram_of(self, free: AnyArray) -> Float | None:
        """Return the Gram columns of ``free``, shape (p, f); None where they were not kept."""
        if self.free_gram is None:
            return None
        if self.free is None:
            return self.free_gram[:, free]
        if not np.isin(free, self.free).all():
            return None
        return self.free_gram[:, np.searchsorted(self.free, free)]


def must_vanish(penalty: DualPenalty, v_free: Float) -> npt.NDArray[np.bool_]:
    """Return which free coordinates of v (f, C) must be made zero.

    With ``positive`` a negative one is feasible as it is.
    """
    return np.asarray(v_free > 0.0) if penalty.positive else np.ones(v_free.shape, dtype=bool)


def project(
    square: Float, v: Float, free: AnyArray, gram: Float, vanish: npt.NDArray[np.bool_]
) -> tuple[Float, Float, Float]:
    """Make residuals orthogonal to free columns: take ``X_F a`` away from them.

    Parameters
    ----------
    square : ndarray, shape (C,)
        ``r' S r``.
    v : ndarray, shape (p, 1, C)
        ``X' S r``.
    free : ndarray of int, shape (f,)
    gram : ndarray, shape (p, f)
    vanish : ndarray of bool, shape (f, C)
        Columns to become orthogonal to.

    Returns
    -------
    along, square : ndarray, shape (C,)
        ``r' S r_new`` and ``r_new' S r_new``.
    v : ndarray, shape (p, 1, C)
        ``X' S r_new``, exactly zero where it must vanish, NaN where rounding prevents that.
    """
    along, square, v = square.copy(), square.copy(), v.copy()
    patterns, group = np.unique(vanish, axis=1, return_inverse=True)
    for number, pattern in enumerate(patterns.T):
        columns, chosen = np.flatnonzero(group == number), free[pattern]
        place = chosen[:, None], 0, columns
        v_free, gram_free = v[place], gram[chosen][:, pattern]
        a = unit_pinv(gram_free) @ v_free
        left = np.abs(v_free - gram_free @ a)
        missed = left > RESIDUE * np.sqrt(np.outer(np.diag(gram_free), square[columns]))
        along[columns] -= (a * v_free).sum(axis=0)
        square[columns] += (a * (gram_free @ a - 2.0 * v_free)).sum(axis=0)
        v[:, 0, columns] -= gram[:, pattern] @ a
        v[place] = np.where(missed, np.nan, 0.0)  # a constraint not met gives no bound
    return along, square, v


def unit_pinv(gram: Float) -> Float:
    """Pseudo-inverse of a positive semidefinite matrix, its rank judged at a unit diagonal."""
    root = np.sqrt(np.diag(gram))
    scale = np.where(root > 0.0, root, 1.0)
    scale = np.outer(scale, scale)
    return np.asarray(np.linalg.pinv(gram / scale, hermitian=True) / scale)


@dataclass(frozen=True, eq=False)
class LogisticDual(DualPoint):
    """Points ``(1 - s) y + s mu`` between label and mean.

    Where the mean of mu is not that of y, an intercept asks for more: mu gives way to
    ``(1 - e) mu + e q`` with the constant q = 0 or 1 and the smallest e that makes the means equal.

    Attributes
    ----------
    entropy : ndarray, shape (n_scales, C)
        ``sum s H(u)`` at each entropy scale, in nats.
    residual : ndarray, shape (C,)
        ``sum s (mu - y)``.
    offset_residual, offset_mean, offset_y : ndarray, shape (C,)
        ``sum s (mu - y) o``, ``sum s o`` and ``sum s y o``; zeros without an offset.
    first : FirstPass
    fit_intercept : bool
    """

    entropy: Float
    residual: Float
    offset_residual: Float
    offset_mean: Float
    offset_y: Float
    first: FirstPass
    fit_intercept: bool

    def take(self, columns: AnyArray) -> LogisticDual:
        return LogisticDual(
            self.entropy[:, columns],
            self.residual[columns],
            self.offset_residual[columns],
            self.offset_mean[columns],
            self.offset_y[columns],
            self.first,
            self.fit_intercept,
        )

    def lower_bound(
        self, penalty: DualPenalty, coef: Float, grad: Float, unsure: Float | float = 0.0
    ) -> Float:
        if len(free_columns(penalty, len(grad))):
            return np.full(len(self.residual), np.nan)
        share, constant = self._share()
        v = share * self.first.cross[:, None, :] - (1.0 - share) * grad
        linear = (1.0 - share) * self.offset_residual
        linear = linear + share * (constant * self.offset_mean - self.offset_y)
        return best_between(penalty, outward(v, unsure, penalty), self.entropy, linear, share)

    def _share(self) -> tuple[Float, Float]:
        """Return e and q, shape (C,) each."""
        if not self.fit_intercept:
            return np.zeros_like(self.residual), np.zeros_like(self.residual)
        target = self.first.target_mean[0]
        excess = self.residual > 0.0
        mean = np.where(excess, target + self.residual, 1.0 - target - self.residual)
        return np.abs(self.residual) / mean, np.where(excess, 0.0, 1.0)


def logistic_dual(
    sums: Any, first: FirstPass, fit_intercept: bool, columns: AnyArray
) -> LogisticDual:
    """Return the dual point that the sums of a gradient pass give for some of its columns."""
    total, zeros = first.total_weight, np.zeros_like(sums["residual"])
    names = ("offset_residual", "offset", "offset_y")
    offsets = [sums.get(name, zeros)[columns] / total for name in names]
    return LogisticDual(
        sums["entropy"][:, columns] / total,
        sums["residual"][columns] / total,
        *(offsets[0], offsets[1], offsets[2]),
        first,
        fit_intercept,
    )


def null_dual(first: FirstPass, fit_intercept: bool) -> LogisticDual:
    """Return the dual point of the null model without an offset, where mu is a constant."""
    target = first.target_mean
    mu = Logistic().inverse_link(first.null_intercept[0])
    entropy = [
        target * binary_entropy(s * (1.0 - mu)) + (1.0 - target) * binary_entropy(s * mu)
        for s in ENTROPY_SCALES
    ]
    residual = np.zeros_like(mu) if fit_intercept else mu - target
    zeros = np.zeros_like(mu)
    return LogisticDual(np.array(entropy), residual, zeros, zeros, zeros, first, fit_intercept)


def best_between(
    penalty: DualPenalty, v: Float, entropy: Float, linear: Float, share: Float | float = 0.0
) -> Float:
    """Return the best dual value among points ``(1 - s) y + s u``, shape (C,).

    Entropies between the nodes are interpolated from below, for they are concave in s.

    Parameters
    ----------
    penalty : ElasticNet
    v : ndarray, shape (p, q, C)
        Minus the gradient that belongs to u; s v belongs to s.
    entropy : ndarray, shape (n_scales, C)
        Entropy at each of the scales, before ``share`` is mixed in.
    linear : ndarray, shape (C,)
        Share of the offset at s = 1, and of the entropy of the constant.
    share : ndarray, shape (C,), or 0
        Share of a constant in u; of 0 or 1, whose entropy is zero.
    """
    values = np.vstack([np.zeros_like(linear), entropy])
    scales = np.outer(ENTROPY_SCALES, np.minimum(1.0, penalty.dual_scale(v)))
    rest = 1.0 - scales * share
    place = np.divide(scales * (1.0 - share), rest, out=np.zeros_like(rest), where=rest > 0.0)
    bounds = rest * _interpolate(place, values) + scales * linear
    best = np.zeros_like(linear)
    if not (penalty.has_l1.any() or penalty.positive):
        with np.errstate(invalid="ignore"):  # of no use where it is infinite, at scales of zero
            return np.fmax(best, np.fmax.reduce(bounds - scales**2 * penalty.conjugate(v)))
    if not penalty.has_l2.any():  # feasible points have conjugate zero: no further look at v
        return np.fmax(best, np.fmax.reduce(bounds))
    for scale, bound in zip(scales, bounds, strict=True):  # all at once would take room for all v
        best = np.fmax(best, bound - penalty.conjugate(scale * v))
    return best


def _interpolate(place: Float, values: Float) -> Float:
    """Piecewise linear values at ``place`` (n_places, C), known at the nodes (n_nodes, C)."""
    right = NODES[1:-1].searchsorted(place, side="right") + 1
    weight = (place - NODES[right - 1]) / (NODES[right] - NODES[right - 1])
    weight = np.minimum(np.maximum(weight, 0.0), 1.0)
    columns = np.arange(values.shape[1])
    return (1.0 - weight) * values[right - 1, columns] + weight * values[right, columns]
