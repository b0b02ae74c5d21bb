"""Fitted estimators as stored models, and back."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from daskreg.callbacks import FitReport
from daskreg.exceptions import ModelFileError

from .store import StoredModel, load_model, save_model
from .values import to_json

#: Dimension names of fitted arrays, by the name without its underscore and the number of axes.
_DIMS: dict[tuple[str, int], tuple[str, ...]] = {
    ("coef", 1): ("feature",),
    ("coef", 2): ("output", "feature"),
}
_FITTED = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*(?<!_)_\Z")


def save_estimator(path: str | os.PathLike[str], estimator: Any) -> Path:
    """Save the parameters and fitted attributes (``name_``) of an estimator that are data.

    Numeric arrays become variables named without the underscore; text, numbers and lists become
    JSON.  What is not data (callbacks, plans, clients) is left out.

    Parameters
    ----------
    path : str or path-like
        File to write; ``.zarr.zip`` lets other programs recognise it.
    estimator : object
        Fitted, with ``get_params(deep=False)``.
    """
    getattr(estimator, "fit_report_", None)  # is made when it is asked for
    arrays: dict[str, Any] = {}
    dims: dict[str, tuple[str, ...]] = {}
    attributes: dict[str, Any] = {}
    for attribute, value in vars(estimator).items():
        if not _FITTED.match(attribute):
            continue
        if isinstance(value, FitReport):
            value = value.to_dict()
        if isinstance(value, np.ndarray) and value.size and value.dtype.kind in "biuf":
            name = attribute.removesuffix("_")
            arrays[name] = value
            dims[name] = _DIMS.get((name, value.ndim)) or tuple(
                f"{name}_{axis}" for axis in range(value.ndim)
            )
        elif _is_data(value):
            attributes[attribute] = value
    if "coef" not in arrays:
        raise ModelFileError(f"this {type(estimator).__name__} is not fitted; call fit first")
    params = estimator.get_params(deep=False)
    return save_model(
        path,
        StoredModel(
            class_name=type(estimator).__name__,
            params={name: value for name, value in params.items() if _is_data(value)},
            arrays=arrays,
            dims=dims,
            attributes=attributes,
        ),
    )


def _is_data(value: Any) -> bool:
    try:
        to_json(value)
    except TypeError:
        return False
    return True


def restore_estimator(path: str | os.PathLike[str], classes: Mapping[str, type]) -> Any:
    """Return the fitted estimator in the file; only the given ``classes`` are ever made.

    Raises
    ------
    ModelFileError
        As `load_model`; also for a class, parameter or attribute that this version lacks, and
        for sizes that contradict each other.
    """
    model = load_model(path)
    if model.class_name not in classes:
        raise ModelFileError(
            f"{path} holds a {model.class_name!r}; this daskreg knows {', '.join(sorted(classes))}"
        )
    try:
        estimator = classes[model.class_name](**model.params)
    except TypeError as error:
        raise ModelFileError(
            f"{path}: {model.class_name} of this version refuses the stored parameters: {error}"
        ) from error
    if "coef" not in model.arrays:
        raise ModelFileError(f"{path} has no array 'coef'")
    fitted = {f"{name}_": array for name, array in model.arrays.items()} | model.attributes
    if "fit_report_" in fitted:
        try:
            fitted["fit_report_"] = FitReport.from_dict(fitted["fit_report_"])
        except ValueError as error:
            raise ModelFileError(f"{path}: {error}") from error
    for name, value in fitted.items():
        own = name == "fit_report_" or not hasattr(type(estimator), name)
        if not _FITTED.match(name) or not own:
            raise ModelFileError(f"{path} holds {name!r}, which is not a fitted attribute")
        setattr(estimator, name, value)
    _check_sizes(path, fitted)
    return estimator


def _check_sizes(path: str | os.PathLike[str], fitted: Mapping[str, Any]) -> None:
    """Raise ``ModelFileError`` where fitted attributes contradict the shape of ``coef_``."""
    coef = fitted["coef_"]
    n_outputs, n_features = coef.shape if coef.ndim == 2 else (1, coef.size)
    expected: dict[str, Any] = {
        "n_features_in_": n_features,
        "feature_names_in_": (n_features,),
        "intercept_": (n_outputs,),
        "classes_": (max(2, n_outputs),),
    }
    found = {
        name: value if name == "n_features_in_" else np.atleast_1d(value).shape
        for name, value in fitted.items()
        if name in expected
    }
    for name, value in {"coef_": coef.ndim in (1, 2), **found}.items():
        if value != expected.get(name, True):
            raise ModelFileError(f"{path}: {name} does not fit coef_ of shape {coef.shape}")
