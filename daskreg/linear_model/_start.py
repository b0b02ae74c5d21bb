"""Where a fit begins: at models that were fitted before."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from daskreg.exceptions import DataError
from daskreg.fitting.known import Known

from ._opening import Opening


def previous_models(estimator: Any, opening: Opening) -> Known | None:
    """Return the models of the last fit where ``warm_start`` asks for them and they still fit."""
    if not getattr(estimator, "warm_start", False) or not hasattr(estimator, "coef_"):
        return None
    known = Known.of(estimator, strict=False)
    n_targets, _, _, n_features = known.coef.shape
    suits = n_targets == max(1, opening.design.n_targets)
    return known if suits and n_features == opening.design.n_features else None


def known_models(start: Any, opening: Opening, labels: bool) -> Known | None:
    """Return the models that a fit begins from; None where there is no ``start``.

    Parameters
    ----------
    start : fitted estimator, path or None
    opening : Opening
        The data.
    labels : bool
        Whether classes are fitted, not numbers.

    Raises
    ------
    ValueError, DataError
        For what is no fitted model, or one of other columns, targets or kind.
    ModelFileError
        For a file that cannot be read.
    """
    if start is None:
        return None
    if isinstance(start, (str, os.PathLike)):
        from daskreg.linear_model import load

        start = load(start)
    kind = type(start).__name__
    if not hasattr(start, "fit"):
        raise ValueError(f"start must be a fitted daskreg model or the path of one; got a {kind}")
    if not hasattr(start, "coef_"):
        raise ValueError(
            f"start is a {kind} without coef_: pass a fitted model with one set of coefficients, "
            "such as Lasso or LassoCV"
        )
    if hasattr(start, "classes_") != labels:
        what = ("numbers", "classes") if labels else ("classes", "numbers")
        raise DataError(f"start is a {kind} of {what[0]}, but {what[1]} are to be fitted")
    _require_same_columns(start, opening)
    known = Known.of(start, strict=True)
    n_targets = max(1, opening.design.n_targets)
    if len(known.coef) != n_targets:
        raise DataError(f"start is a model of {len(known.coef)} targets, y has {n_targets}")
    return known


def _require_same_columns(start: Any, opening: Opening) -> None:
    design, theirs = opening.design, getattr(start, "feature_names_in_", None)
    n_features = np.asarray(start.coef_).shape[-1]
    if n_features != design.n_features:
        raise DataError(
            f"start has coefficients of {n_features} features, X has {design.n_features}: start "
            "from a model of the same columns"
        )
    ours = opening.feature_names
    if theirs is None or ours is None:
        return
    for number, (one, other) in enumerate(zip(theirs, ours, strict=True)):
        if one != other:
            raise DataError(
                f"start was fitted on other columns: its column {number} is {one!r}, that of X is "
                f"{other!r}; give X the same columns in the same order"
            )
