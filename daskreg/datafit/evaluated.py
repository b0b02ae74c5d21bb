"""From the sums of a pass, or of the first one, to what solvers are told of a point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Float
from daskreg.losses import Multinomial

from .coordinates import Coordinates
from .coupled_dual import multinomial_dual, null_class_dual
from .dual import SquaredDual, logistic_dual, null_dual
from .evaluation import ByWeighting, DualPoint, Evaluation, joined
from .first import FirstPass
from .kernels.coupled import bent, mean_hessian
from .survey import Survey


def evaluation_of(
    sums: Any,
    survey: Survey,
    weighting: AnyArray,
    place: Coordinates,
    state: Mapping[str, AnyArray],
    hidden: Float,
    unsure: Float | float = 0.0,
) -> Evaluation:
    """Return what the sums of a gradient pass say of its columns.

    Parameters
    ----------
    sums : Sums
        Of the gradient kernel.
    survey : Survey
    weighting : ndarray of int, shape (C,)
    place : Coordinates
        Of the C columns.
    state : mapping
        What the kernel was sent.
    hidden : ndarray, shape (C,)
        What products of low precision may hide of a gap.
    unsure : ndarray, shape (p, C or 1), or 0
        The same of the gradient, for residuals of mean square one.
    """
    value = sums["value"] / place.total_weight
    residual = sums["residual"].reshape(-1, len(value))
    slope = residual / place.total_weight * survey.fit_intercept
    grad = sums["grad"].reshape(-1, *residual.shape)
    grad = place.centred_grad(grad, residual, state.get("shift", 0.0))
    numbers = sorted(set(weighting.tolist()))
    columns = [np.flatnonzero(weighting == number) for number in numbers]
    points: list[DualPoint] = []
    if survey.loss.is_classifier:
        coupled = isinstance(survey.loss, Multinomial)
        curvature = mean_hessian(sums["products"]) if coupled else sums["curvature"]
        curvature = curvature / place.total_weight
        dual = multinomial_dual if coupled else logistic_dual
        firsts = survey.firsts()
        for number, own in zip(numbers, columns, strict=True):
            points.append(dual(sums, firsts[number], survey.fit_intercept, own))
    else:
        curvature = np.ones_like(value)
        with np.errstate(over="ignore", invalid="ignore"):
            square = np.maximum(2.0 * value - np.square(slope[0]), 0.0)
        for number, own in zip(numbers, columns, strict=True):
            points.append(SquaredDual(square[own], *survey.free_gram(number)))
    point = ByWeighting.of(points, columns)
    if np.ndim(unsure):
        # No loss here is below half the square of its derivative.
        with np.errstate(over="ignore", invalid="ignore"):
            unsure = unsure[:, None] * np.sqrt(2.0 * value)  # type: ignore[index]
    bends = bent(sums["bends"]) / place.total_weight if "bends" in sums else None
    return Evaluation(value, grad, slope, point, curvature, hidden, bends, unsure)


def null_evaluation(survey: Survey) -> Evaluation | None:
    """Return the evaluation of the null models, by weighting, then by target.

    None where the first pass does not hold it: a classification with an offset.
    """
    firsts = survey.firsts()
    if firsts[0].null_grad is None:
        return None
    parts = [_known_null(survey, first, number) for number, first in enumerate(firsts)]
    n_targets = len(firsts[0].null_value)
    columns = [np.arange(n_targets) + number * n_targets for number in range(len(firsts))]
    return joined(parts, columns)


def _known_null(survey: Survey, first: FirstPass, number: int) -> Evaluation:
    point: DualPoint
    loss, intercept = survey.loss, first.null_intercept
    slope = np.zeros_like(intercept)
    if isinstance(loss, Multinomial):
        point = null_class_dual(first, survey.fit_intercept)
        curvature = np.moveaxis(loss.hessian(np.zeros(1), intercept.T), 0, 2)
    else:
        point = (
            null_dual(first, survey.fit_intercept)
            if first.labels
            else SquaredDual(first.target_square, *survey.free_gram(number))
        )
        curvature = loss.curvature(np.zeros(1), intercept[0])
    assert first.null_grad is not None
    return Evaluation(first.null_value, first.null_grad, slope, point, curvature)
