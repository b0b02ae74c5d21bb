"""From the moments of the first pass to its summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Float
from daskreg.losses import PointwiseLoss

from .first import FirstPass, Geometry, label_moments, require_weight, settled
from .moments import ByLabel, Moments
from .null import null_from_moments, null_from_rows


def summarise(
    found: Moments | ByLabel,
    design: Any,
    loss: PointwiseLoss,
    fit_intercept: bool,
    standardize: bool,
    given_classes: AnyArray | None,
    class_weight: Mapping[Any, float] | str | None,
) -> tuple[FirstPass, Float | None]:
    """Return the summary and, where its sums are there, the Gram columns in solver coordinates.

    With an offset the null model of a classification takes a few sweeps over the targets; they
    read no column of X.

    Raises
    ------
    DataError
        For classes that are not two, where nothing has a weight, or where squares overflow.
    """
    labels = classes = count = sums = None
    if isinstance(found, ByLabel):
        labels, moments, classes = label_moments(found, given_classes, class_weight)
        count = np.array([m.n_rows for m in found.moments])
        sums = np.array([m.weight for m in found.moments])
    else:
        moments = found
    require_weight(moments.weight)
    moments = settled(moments)
    geometry = Geometry.of(moments, fit_intercept, standardize)
    mean = moments.target_mean
    cross = geometry.products(moments, moments.cross, mean)
    square = moments.target_m2 / moments.weight
    if not fit_intercept:
        square = square + np.square(mean)
    ones = (geometry.mean - geometry.center) * geometry.inverse_scale
    grad: Float | None
    value, intercept, grad = null_from_moments(loss, mean, square, cross, fit_intercept, ones)
    if labels is not None and design.has_offset:
        value, intercept = null_from_rows(design, loss, labels, intercept[0], fit_intercept)
        value, grad = value / moments.weight, None
    gram = geometry.gram(moments)
    first = FirstPass(
        total_weight=moments.weight,
        n_rows=moments.n_rows,
        mean=geometry.mean,
        sd=geometry.sd,
        center=geometry.center,
        inverse_scale=geometry.inverse_scale,
        target_mean=mean,
        target_square=square,
        cross=cross,
        null_value=value,
        null_intercept=intercept,
        null_grad=grad,
        free=moments.columns,
        free_gram=None if moments.columns is None else gram,
        labels=labels,
        classes=classes,
        class_count=count,
        class_sum=sums,
    )
    return first, gram
