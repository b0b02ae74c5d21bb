"""Whole paths of models, as an estimator keeps them beside the one that it has chosen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Float
from daskreg.fitting.cross_validation import Validated
from daskreg.fitting.settings import Fitted


@dataclass(frozen=True)
class Paths:
    """The models of all rows, whatever was chosen of them.

    Attributes
    ----------
    coef : ndarray, shape (n_targets or n_classes, n_l1_ratio, n_alphas, n_features)
    intercept, dual_gap, relative_gap : ndarray, shape (n_targets, n_l1_ratio, n_alphas)
    alpha, strength : ndarray of the same shape
        In the unit of the estimator, and per weighted mean of the loss.
    n_iter, n_passes, status : ndarray of the same shape
        ``n_passes`` are those that the column took part in.
    l1_ratio : ndarray, shape (n_l1_ratio,)
    scores : ndarray, shape (n_folds, n_targets, n_l1_ratio, n_alphas), or None
        On held-out rows, where folds have chosen.
    further : dict of ndarray, shape (n_targets, n_l1_ratio, n_alphas)
        What else is known of each model, by name.
    """

    coef: Float
    intercept: Float
    alpha: Float
    strength: Float
    dual_gap: Float
    relative_gap: Float
    n_iter: AnyArray
    n_passes: AnyArray
    status: AnyArray
    l1_ratio: Float
    scores: Float | None = None
    further: dict[str, Float] = field(default_factory=dict)

    @classmethod
    def validated(cls, found: Validated) -> Paths:
        """Keep of a cross-validation what belongs to all rows."""
        shape = found.grid.shape[1:]
        paths = cls.of(found.fitted, shape, found.grid.l1_ratio)
        own = _in_own_unit(found)
        outputs = paths.alpha.shape
        return replace(
            paths,
            alpha=np.broadcast_to(own, outputs).copy(),
            scores=np.broadcast_to(found.scores, (len(found.scores), *outputs)).copy(),
        )

    @classmethod
    def of(cls, fitted: Fitted, shape: tuple[int, int, int], l1_ratio: Float) -> Paths:
        """Keep the first problems, those of all rows; coupled classes stand where targets do.

        Parameters
        ----------
        fitted : Fitted
        shape : tuple of int
            Targets, l1_ratios and alphas, in this order of the problems.
        l1_ratio : ndarray, shape (n_l1_ratio,)
        """
        n, solution = int(np.prod(shape)), fitted.solution
        coef, intercept = fitted.coef[:n], fitted.intercept[:n]
        n_classes = coef.shape[1] if coef.ndim == 3 else 1
        if n_classes > 1:
            coef, intercept = coef.transpose(1, 0, 2), intercept.T
        outputs = (n_classes * shape[0], *shape[1:])

        def each(values: Any) -> Any:
            return np.broadcast_to(np.reshape(values, shape), outputs).copy()

        return cls(
            coef=coef.reshape(*outputs, -1).copy(),
            intercept=intercept.reshape(outputs).copy(),
            alpha=each(fitted.alpha[:n]),
            strength=each(fitted.alpha[:n]),
            dual_gap=each(solution.dual_gap[:n]),
            relative_gap=each(solution.relative_gap[:n]),
            n_iter=each(solution.n_iter[:n]),
            n_passes=each(solution.n_passes_each[:n]),
            status=each(np.array([str(status) for status in solution.status[:n]])),
            l1_ratio=np.array(l1_ratio, dtype=np.float64),
        )


def _in_own_unit(found: Validated) -> Float:
    """Alphas as the user knows them, shape (n_targets, n_l1_ratio, n_alphas)."""
    if found.grid.alpha_unit != "sum":
        return found.alpha.copy()
    return np.broadcast_to(found.grid.alpha, found.grid.shape[1:]).copy()
