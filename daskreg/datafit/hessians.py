"""Hessians of single problems over a few features, for Newton steps on sparse rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Float

from .kernels.fused import pays
from .kernels.hessian import HessianKernel

#: Entries of a sparse row up to which a Hessian over those in use costs about what a gradient does.
FEW_ENTRIES = 128


def has_cheap_hessians(datafit: Any) -> bool:
    """Whether there is one output, rows are sparse and worth compiled loops, and their entries few.

    Rows of many entries would take all their products with one another.
    """
    design = datafit.design
    if not design.sparse or datafit.n_outputs > 1 or not pays(design, datafit.n_problems):
        return False
    return bool(design.row_nbytes <= FEW_ENTRIES * (design.dtype.itemsize + 4))


def hessians_of(
    datafit: Any, state: Mapping[str, AnyArray], members: Sequence[AnyArray]
) -> list[Float]:
    """Return the Hessian of each of C problems over some features and the intercept: one pass.

    Parameters
    ----------
    datafit : Datafit
        Of the C problems.
    state : mapping
        Of a gradient pass at their points.
    members : sequence of int ndarray
        Features of each problem, ascending.

    Returns
    -------
    list of ndarray, shape (m + 1, m + 1)
        In solver coordinates, the intercept last; where none is fitted, nothing moves it.
    """
    chosen = {
        "members": np.concatenate([np.asarray(own, dtype=np.intp) for own in members]),
        "borders": np.cumsum([0, *map(len, members)], dtype=np.intp),
    }
    weightings = datafit._survey.weightings
    kernel = HessianKernel(datafit.loss, datafit.first().labels, weightings)
    sums = datafit.design.sum_over_rows(kernel, {**state, **chosen})
    found = [
        datafit.coordinates.only(number).centred_hessian(sums[str(number)], own)
        for number, own in enumerate(members)
    ]
    if not datafit.fit_intercept:
        for hessian in found:
            hessian[-1, :-1] = hessian[:-1, -1] = 0.0
    return found
