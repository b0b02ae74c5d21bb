"""A function of rows, applied to X wherever X lies: predictions have the kind of the input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from daskreg._typing import AnyArray
from daskreg.exceptions import DataError

from .call import Call, rows_per_run

__all__ = ["kind_of", "map_rows", "read_columns"]


def map_rows(
    X: Any,
    function: Callable[..., Any],
    n_columns_out: int | None,
    dtype: Any,
    *,
    n_features: int,
    feature_names: Sequence[str] | None = None,
    feature_dims: Sequence[str] | None = None,
    sample_dim: str | Sequence[str] | None = None,
    missing_chunks: str = "raise",
    offset: Any = None,
    column: tuple[str, Any] = ("target", None),
) -> Any:
    """Apply ``function`` to every row of X and return the kind of array that X is.

    Parameters
    ----------
    X : anything that ``as_design`` takes, of ``n_features`` columns
        Rows of files and stores are read in runs: memory stays bounded.
    function : callable
        ``function(rows)`` or, with ``offset``, ``function(rows, offset_of_rows)``; returns shape
        (n_rows,) or (n_rows, n_columns_out).  ``rows`` is an ndarray or a scipy.sparse matrix.
        Picklable where X is a Dask collection.
    n_columns_out : int or None
        Columns of the result; None means a one-dimensional result.
    dtype : dtype
        Of the result.
    n_features : int
    feature_names : sequence of str or None
        Columns to take, in this order, from tables.
    feature_dims : sequence of str or None
        The dimensions of an xarray X that are columns, in C order.
    sample_dim : str or sequence of str or None
        Those that are rows; None: all but ``feature_dims``, or else the first one.
    missing_chunks : {'raise', 'fill'}
        What absent chunks of a store mean.
    offset : array of shape (n_samples,) or (n_samples, n_columns_out), column name, optional
        Rides along with the rows.
    column : tuple of (str, sequence or None)
        Name and coordinate of the result's second dimension where X is an xarray object.

    Returns
    -------
    ndarray, lazy dask array or DataArray of shape (n_samples,) or (n_samples, n_columns_out)
        numpy, lists, scipy.sparse, in-memory data frames, stores and paths give ndarrays; Dask
        arrays and frames give lazy Dask arrays; xarray objects give DataArrays with the
        coordinates of their sample dimensions, lazy where they are Dask's.

    Raises
    ------
    DataError
        X has another number of columns, or an offset does not fit its rows.
    """
    if isinstance(offset, str):
        offset = read_columns(X, offset)
    call = Call(function, n_columns_out, np.dtype(dtype), n_features, offset)
    kind = kind_of(X)
    if kind == "dense":
        return call.over(_Slices(np.asarray(X)))
    if kind == "sparse":
        return call.whole(X)
    if kind == "frame":
        return call.over(_FrameRuns(X, feature_names))
    if kind in ("dask", "dask_frame"):
        from .lazily import map_dask

        chosen = X if kind == "dask" else _chosen(X, feature_names).to_dask_array()
        return map_dask(chosen, call)
    if kind == "xarray":
        from .labelled import map_labelled

        return map_labelled(X, call, sample_dim, feature_dims, feature_names, column)
    from .stored import StoredRuns

    return call.over(StoredRuns(X, feature_names, missing_chunks, sample_dim, feature_dims))


def kind_of(X: Any) -> str:
    """Say how X is held: dense, sparse, frame, dask, dask_frame, xarray or stored."""
    if isinstance(X, np.ndarray):
        return "dense"
    root = type(X).__module__.partition(".")[0]
    if root == "scipy":
        return "sparse"
    if root == "dask":
        return "dask_frame" if hasattr(X, "to_dask_array") else "dask"
    if root in ("pandas", "polars", "pyarrow", "modin", "cudf"):
        return "frame"
    if root == "xarray":
        return "xarray"
    if root == "zarr" or isinstance(X, str) or hasattr(X, "__fspath__"):
        return "stored"
    return "dense"


def read_columns(X: Any, names: Any) -> Any:
    """Return columns of a table by name: (n_samples,) for a str, else one column a name.

    Raises
    ------
    DataError
        X has no names, or not these.
    """
    wanted = [names] if isinstance(names, str) else list(names)
    kind = kind_of(X)
    if kind == "xarray" and hasattr(X, "data_vars"):
        return X[names] if isinstance(names, str) else X[wanted].to_dataarray().T
    if kind in ("frame", "dask_frame"):
        missing = [name for name in wanted if name not in X.columns]
        if missing:
            raise DataError(f"X has no column {missing[0]!r}; it has {list(X.columns)[:8]}")
        chosen = np.asarray(_chosen(X, wanted))
    elif kind == "stored":
        from .stored import StoredRuns

        runs = StoredRuns(X, wanted)
        chosen = np.concatenate(list(runs))
        runs.close()
    else:
        raise DataError(f"{names!r} names a column, but {type(X).__name__} has no column names")
    return chosen[:, 0] if isinstance(names, str) else chosen


def _chosen(frame: Any, names: Sequence[str] | None) -> Any:
    """Columns of a data frame in the given order; all of them where no names are known."""
    if names is None or list(frame.columns) == list(names):
        return frame
    return frame[list(names)] if hasattr(frame, "loc") else frame.select(list(names))


class _Slices:
    """Runs of an array in memory."""

    def __init__(self, X: AnyArray) -> None:
        if X.ndim != 2:
            raise DataError(f"Expected a 2D array of rows, got shape {X.shape}")
        self.X, self.n_rows, self.n_columns = X, X.shape[0], X.shape[1]

    def __iter__(self) -> Iterator[Any]:
        step = rows_per_run(self.n_columns, self.X.itemsize)
        for start in range(0, self.n_rows, step):
            yield self.X[start : start + step]

    def close(self) -> None:
        """Nothing is held open."""


class _FrameRuns:
    """Runs of a data frame in memory, each converted on its own."""

    def __init__(self, frame: Any, names: Sequence[str] | None) -> None:
        self.frame = _chosen(frame, names)
        self.n_rows, self.n_columns = self.frame.shape

    def __iter__(self) -> Iterator[Any]:
        step = rows_per_run(self.n_columns, 8)
        rows = self.frame.iloc if hasattr(self.frame, "iloc") else self.frame
        for start in range(0, self.n_rows, step):
            yield np.asarray(rows[start : start + step])

    def close(self) -> None:
        """Nothing is held open."""
