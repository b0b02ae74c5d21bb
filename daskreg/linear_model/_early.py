"""Rows that a fit is watched on: what ``validation=`` and ``patience=`` may be."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg.fitting.early import Watch

from . import _params
from ._opening import opened


def watch(
    validation: Any,
    patience: int,
    estimator: Any,
    *,
    sample_dim: Any = None,
    feature_names: Any = None,
) -> Watch | None:
    """Return who looks at the held-out rows that ``validation`` stands for; None: nobody.

    Parameters
    ----------
    validation : None, float or (X, y) or (X, y, sample_weight)
    patience : int
    estimator : estimator
        That is fitted, and says how rows are opened.
    sample_dim, feature_names
        As in ``fit``.

    Raises
    ------
    ValueError
        For a fraction outside (0, 1), a patience below 1, or what is none of these.
    """
    if validation is None:
        return None
    _params.integer("patience", patience)
    if isinstance(validation, (tuple, list)) and len(validation) in (2, 3):
        opening = opened(
            estimator,
            *validation,
            one_column=estimator._one_column,
            sample_dim=sample_dim,
            feature_names=feature_names,
        )
        return Watch(opening.design, patience)
    if isinstance(validation, (float, np.floating)) and 0.0 < validation < 1.0:
        return Watch(float(validation), patience)
    raise ValueError(
        "validation must be a fraction of the rows above 0 and below 1, or (X, y) or "
        f"(X, y, sample_weight) of other rows; got {type(validation).__name__}"
        + (f" {validation!r}" if np.isscalar(validation) else "")
    )
