"""A function of rows, applied to X wherever X lies: predictions have the kind of the input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from daskreg.exceptions import DataError

#: Rows of a dense in-memory X are handed over in runs of this many bytes, so that what the
#: function makes of them stays small.
RUN_NBYTES = 64 * 2**20

Function = Callable[..., Any]


def map_rows(
    X: Any,
    function: Function,
    n_columns_out: int | None,
    dtype: Any,
    *,
    n_features: int,
    feature_names: Sequence[str] | None = None,
    sample_dim: str | Sequence[str] | None = None,
    missing_chunks: str = "raise",
    offset: Any = None,
    column_dim: str = "target",
    column_labels: Sequence[Any] | None = None,
) -> Any:
    """Apply ``function`` to every row of X and return the kind of array that X is.

    Parameters
    ----------
    X : anything that ``as_design`` takes, of ``n_features`` columns
        Rows of files and stores are read in runs: memory stays bounded.
    function : callable
        ``function(X_run)`` or, with ``offset``, ``function(X_run, offset_run)``; returns
        ``(n_run,)`` or ``(n_run, n_columns_out)``.  X_run is an ndarray or a scipy.sparse matrix.
        Picklable where X is a Dask collection.
    n_columns_out : int or None
        Columns of the result; None means a one-dimensional result.
    dtype : dtype
        Of the result.
    n_features : int
    feature_names : sequence of str or None
        Columns to take, in this order, from tables.
    sample_dim : str or sequence of str or None
        The dimension(s) of rows of an xarray object; None: those the result of fit had.
    missing_chunks : {'raise', 'fill'}
        What absent chunks of a store mean.
    offset : array of n_samples or (n_samples, n_columns_out) or None
        Rides along with the rows.
    column_dim, column_labels : str, sequence
        Name and coordinate of the result's second dimension where X is an xarray object.

    Returns
    -------
    ndarray, lazy dask array or DataArray of shape (n_samples,) or (n_samples, n_columns_out)
        numpy, lists, scipy.sparse, in-memory data frames, stores and paths give ndarrays; Dask
        arrays and frames give lazy Dask arrays; xarray objects give DataArrays with the
        coordinates of their sample dimensions, lazy where they are.

    Raises
    ------
    DataError
        X has another number of columns, or an offset does not fit its rows.
    """
    call = _Call(function, n_columns_out, np.dtype(dtype), n_features, offset)
    kind = kind_of(X)
    if kind == "dense":
        return call.over(_Slices(np.asarray(X)))
    if kind == "sparse":
        return call.once(X)
    if kind == "dask":
        return call.lazily(X)
    if kind == "dask_frame":
        return call.lazily(_columns(X, feature_names).to_dask_array())
    if kind == "frame":
        return call.over(_Slices(_columns(X, feature_names).to_numpy()))
    if kind == "xarray":
        from .rowwise_xarray import map_xarray

        return map_xarray(X, call, sample_dim, feature_names, (column_dim, column_labels))
    with _open(X, feature_names, missing_chunks) as rows:
        return call.over(rows)


def kind_of(X: Any) -> str:
    """Say how X is held: dense, sparse, frame, dask, dask_frame, xarray or stored."""
    if isinstance(X, np.ndarray):
        return "dense"
    root = type(X).__module__.partition(".")[0]
    if root == "scipy":
        return "sparse"
    if root == "dask" or root == "dask_expr":
        return "dask_frame" if hasattr(X, "to_dask_array") else "dask"
    if root in ("pandas", "polars", "pyarrow", "modin", "cudf"):
        return "frame"
    if root == "xarray":
        return "xarray"
    if root == "zarr" or isinstance(X, str) or hasattr(X, "__fspath__"):
        return "stored"
    return "dense"


class _Call:
    """A function of rows with what is needed to check it and to shape its results."""

    def __init__(
        self, function: Function, width: int | None, dtype: Any, n_features: int, offset: Any
    ) -> None:
        self.function, self.width, self.dtype = function, width, dtype
        self.n_features, self.offset = n_features, offset

    def check_width(self, X: Any) -> None:
        if len(X.shape) != 2 or X.shape[1] != self.n_features:
            raise DataError(
                f"X has shape {tuple(X.shape)}; expected rows of {self.n_features} features"
            )

    def once(self, X: Any) -> Any:
        self.check_width(X)
        if self.offset is None:
            return self.function(X)
        return self.function(X, self._host_offset(X.shape[0]))

    def over(self, rows: Any) -> Any:
        """Run over a source of rows with ``shape``, ``run`` and ``read(start, stop)``."""
        self.check_width(rows)
        n, run = rows.shape[0], rows.run
        offset = None if self.offset is None else self._host_offset(n)
        out = np.empty((n,) if self.width is None else (n, self.width), self.dtype)
        for start in range(0, n, run):
            stop = min(start + run, n)
            block = rows.read(start, stop)
            more = () if offset is None else (offset[start:stop],)
            out[start:stop] = self.function(block, *more)
        return out

    def _host_offset(self, n: int) -> Any:
        offset = np.asarray(self.offset, dtype=np.float64)
        if offset.ndim == 0 or offset.shape[0] != n:
            raise DataError(f"offset has shape {offset.shape}; X has {n} rows")
        return offset

    def lazily(self, X: Any) -> Any:
        """Map over a Dask array whose columns may be chunked and whose rows may be unknown."""
        import dask.array as da

        self.check_width(X)
        arrays: list[Any] = [X, "ij"]
        if self.offset is not None:
            offset = self._lazy_offset(X)
            arrays += [offset, "ik"[: offset.ndim]]
            if offset.ndim == 2:
                offset = offset.rechunk({1: -1})
                arrays[2] = offset
        out, new = ("i", None) if self.width is None else ("io", {"o": self.width})
        return da.blockwise(
            self.function,
            out,
            *arrays,
            new_axes=new,
            concatenate=True,
            align_arrays=False,
            dtype=self.dtype,
            meta=np.empty((0,) * len(out), self.dtype),
            name=None,
            token=None,
        )

    def _lazy_offset(self, X: Any) -> Any:
        import dask.array as da

        known = not any(np.isnan(c) for c in X.chunks[0])
        if known:
            offset = da.asarray(self.offset)
            if offset.ndim == 0 or offset.shape[0] != X.shape[0]:
                raise DataError(f"offset has shape {offset.shape}; X has {X.shape[0]} rows")
            return offset.rechunk({0: X.chunks[0]})
        if not isinstance(self.offset, da.Array) or len(self.offset.chunks[0]) != X.numblocks[0]:
            raise DataError(
                "the row chunks of X are unknown: pass offset as a dask array with the same "
                "chunks, or call X.compute_chunk_sizes() first"
            )
        return self.offset


class _Slices:
    """An array in memory as a source of runs; also closes over nothing that needs closing."""

    def __init__(self, X: np.ndarray[Any, Any]) -> None:
        self.X, self.shape = X, X.shape
        width = X.shape[1] if X.ndim == 2 else 1
        self.run = max(1, RUN_NBYTES // max(1, width * max(X.itemsize, 8)))

    def read(self, start: int, stop: int) -> Any:
        return self.X[start:stop]


def _columns(X: Any, names: Sequence[str] | None) -> Any:
    """Pick the named columns of a data frame; X itself where no names are known."""
    if names is None or list(X.columns) == list(names):
        return X
    return X[list(names)] if hasattr(X, "loc") else X.select(list(names))


def _open(X: Any, feature_names: Sequence[str] | None, missing_chunks: str) -> Any:
    from .rowwise_stored import StoredRows

    return StoredRows(X, feature_names, missing_chunks)
