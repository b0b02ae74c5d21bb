"""Checks of X, y and weights that need no pass over the data."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from daskreg._array import is_bfloat16, is_number
from daskreg._callers import outside
from daskreg.design.rowwise import kind_of, read_columns
from daskreg.design.sources.checks import native_dtype
from daskreg.exceptions import DataError

from ._scikit_learn import DataConversionWarning, _check_feature_names


def as_rows(X: Any) -> Any:
    """Return X unchanged, or as ndarray where it is a list or array-like; check its shape.

    Raises
    ------
    DataError
        Complex or object data, one-dimensional X, no rows or no columns.
    """
    kind = kind_of(X)
    if kind == "dense" and not isinstance(X, np.ndarray):
        X = np.asarray(X)
    if kind == "sparse" and X.format not in ("csr", "csc", "coo", "lil"):
        raise DataError(
            f"sparse X in {X.format.upper()} format cannot be read by rows; pass X.tocsr()"
        )
    if kind in ("dense", "dask", "sparse"):
        _check_array(X)
    return X


def as_numbers(values: Any) -> Any:
    """Return weights or offsets, as ndarray where they are array-like."""
    if values is not None and kind_of(values) == "dense":
        values = np.asarray(values)
    return _widened(values)


def _widened(values: Any) -> Any:
    """Return values of bfloat16 as float32: scikit-learn, text and model files know only numpy's
    own types, and what lies beside X is little."""
    return values.astype("float32") if is_bfloat16(getattr(values, "dtype", None)) else values


def _check_array(X: Any) -> None:
    if X.dtype.kind == "c":
        raise DataError("Complex data not supported: X is complex; pass its real part or modulus")
    if X.dtype.kind == "V":
        native_dtype(X.dtype, "X")
    elif not is_number(X.dtype):
        raise DataError(f"X has dtype {X.dtype}; expected numbers: convert it, X.astype(float)")
    if X.ndim != 2:
        raise DataError(
            f"Expected a 2D array of rows, got shape {X.shape}. Reshape your data using "
            "X.reshape(-1, 1) if it has one feature or X.reshape(1, -1) if it is one row."
        )
    for axis, what in ((0, "sample"), (1, "feature")):
        if X.shape[axis] == 0:
            raise DataError(
                f"X has 0 {what}(s) (shape={X.shape}) while a minimum of 1 is required."
            )


def as_target(
    estimator: Any, y: Any, *, one_column: bool, sample_dim: Any = None
) -> tuple[Any, bool]:
    """Return y, as ndarray where it is array-like, and whether it is one flat target.

    Raises
    ------
    DataError
        y is None, complex or has more than two dimensions; two where labels are expected.
    """
    if y is None:
        name = estimator if isinstance(estimator, str) else type(estimator).__name__
        raise DataError(f"This {name} requires y to be passed, but the target y is None.")
    if isinstance(y, str):
        return y, True
    if target_names(y) and isinstance(y, (list, tuple)):
        return list(y), False
    if kind_of(y) in ("dense", "frame"):
        y = np.asarray(y)
        if y.dtype.kind == "c":
            raise DataError("Complex data not supported: y is complex; pass its real part")
        if y.ndim not in (1, 2):
            raise DataError(f"y should be a 1d array or have a column a target, got {y.shape}")
    y = _widened(y)
    if kind_of(y) == "xarray":
        n_samples = 1 if sample_dim is None or isinstance(sample_dim, str) else len(sample_dim)
        return y, not hasattr(y, "data_vars") and y.ndim <= n_samples
    shape = getattr(y, "shape", (0,))
    if one_column and len(shape) == 2:
        y, shape = _ravel(y, shape), shape[:1]
    return y, len(shape) == 1


def _ravel(y: Any, shape: Any) -> Any:
    if shape[1] != 1:
        raise DataError(f"y should be a 1d array of labels; got shape {shape}")
    warnings.warn(
        "A column-vector y was passed when a 1d array was expected. Please change the shape "
        "of y to (n_samples, ), for example using ravel().",
        DataConversionWarning,
        stacklevel=outside(),
    )
    return y[:, 0]


def target_names(y: Any) -> list[str] | None:
    """Names of the targets where y is column names or has them, else None."""
    if isinstance(y, str):
        return [y]
    if not isinstance(y, (list, tuple)):
        y = getattr(y, "columns", ())
    if len(y) and all(isinstance(name, str) for name in y):
        return list(y)
    return None


def columns_beside(*named: Any) -> list[str]:
    """The columns of X that serve as y, weights or offset: no features, wherever they turn up."""
    given = [value for value in named if value is not None]
    return [name for value in given for name in target_names(value) or ()]


def on_host(X: Any, values: Any, predicted: Any, *, flat: bool = True) -> Any:
    """Return y, weights or predictions as an ndarray; str name columns of X.

    Labelled values follow the dimensions of ``predicted``, whose sample dimensions are stacked:
    all of them where ``flat``, else all but the last.
    """
    if values is None:
        return None
    if isinstance(values, str) or (isinstance(values, list) and target_names(values)):
        values = read_columns(X, values)
    dims = getattr(predicted, "dims", None)
    if dims is not None and hasattr(values, "dims"):
        values = values.transpose(*dims, missing_dims="ignore")
    array = _widened(np.asarray(values))
    if dims is None:
        return array
    return array.reshape(-1) if flat else array.reshape(-1, predicted.shape[-1])


def has_text_names(X: Any) -> bool:
    """Whether the columns of X may be asked for by name: not where a frame numbers them."""
    if kind_of(X) not in ("frame", "dask_frame"):
        return True
    return all(isinstance(name, str) for name in X.columns)


def check_features(estimator: Any, X: Any) -> None:
    """Compare X with what the estimator was fitted on, in scikit-learn's words.

    Raises
    ------
    ValueError
        Another number of features, or other names.
    """
    kind = kind_of(X)
    if kind in ("stored", "xarray"):
        return
    if kind in ("frame", "dask_frame"):
        used = getattr(estimator, "feature_names_in_", ())
        beside = [name for name in estimator.columns_beside_ if name not in used]
        extra = [name for name in beside if name in X.columns]
        if extra:
            X = X.drop(columns=extra) if hasattr(X, "loc") else X.drop(extra)
    # Names made up for the places of a labelled array bind no other kind of X.
    if kind == "frame" or (kind == "dense" and not estimator.feature_dims_):
        _check_feature_names(estimator, X, reset=False)
    n_features = X.shape[1] if hasattr(X, "shape") else len(X.columns)
    if n_features != estimator.n_features_in_:
        raise DataError(
            f"X has {n_features} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input."
        )
