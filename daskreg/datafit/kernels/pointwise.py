"""The sums of a gradient pass that need no X, of losses of one column each, over any arrays."""

from __future__ import annotations

import numpy as np

from daskreg._typing import AnyArray, Float
from daskreg.compiled.sums import ENTROPY_SCALES
from daskreg.design.partials import Sums
from daskreg.losses import Logistic, PointwiseLoss

from .tiles import RowData, column_sums


def empty_sums(loss: PointwiseLoss, coef: AnyArray, has_offset: bool) -> Sums:
    """Return the sums of :func:`add_pointwise` at zero."""
    n_columns = coef.shape[1]
    sums = Sums(value=np.zeros(n_columns), residual=np.zeros(n_columns))
    if isinstance(loss, Logistic):
        sums["curvature"] = np.zeros(n_columns)
        sums["entropy"] = np.zeros((len(ENTROPY_SCALES), n_columns))
        if has_offset:
            names = ("offset", "offset_y", "offset_residual")
            sums.update({name: np.zeros(n_columns) for name in names})
    return sums


def add_pointwise(
    loss: PointwiseLoss, sums: Sums, rows: RowData, eta: Float, target: AnyArray | None
) -> Float:
    """Add the sums that need no X, in place, and return the weighted residuals (rows, C).

    ``target`` is the column of y for each of C; None: y has one for each already, or one for all.
    """
    y = rows.y[:, target] if target is not None and rows.y.shape[1] > 1 else rows.y
    value, gradient = loss.value_and_gradient(y, eta)
    if rows.weight is not None:
        gradient = gradient * rows.weight
    sums["value"] += column_sums(value, rows.weight)
    sums["residual"] += column_sums(gradient, None)
    if isinstance(loss, Logistic):
        sums["curvature"] += column_sums(loss.curvature(y, eta), rows.weight)
        paths = loss.path_entropies(y, eta, ENTROPY_SCALES)
        for number, entropy in enumerate(paths):
            sums["entropy"][number, :] += column_sums(entropy, rows.weight)
        if rows.offset is not None:
            sums["offset_residual"] += column_sums(gradient * rows.offset, None)
            sums["offset"] += column_sums(rows.offset, rows.weight)
            sums["offset_y"] += column_sums(rows.offset * rows.y, rows.weight)
    return gradient
