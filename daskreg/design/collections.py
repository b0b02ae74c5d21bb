"""Dask arrays, Dask data frames and xarray objects over them, as rows."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from daskreg.exceptions import DataError

from .matrices import Convert, frame_dtype, is_sparse_meta
from .sources.base import Reader, Rows, Table

#: Rows of chunks that are put together from column chunks stay below these bytes.
MAX_CHUNK = 256 << 20
#: Else their rows are cut to chunks of about these bytes.
CUT_CHUNK = 64 << 20


class DaskRows(Rows):
    """Rows of a Dask collection; ``settle`` makes them ready to be cut and read.

    Parameters
    ----------
    collection : dask Array or Frame
        Each key is one run of rows.
    lengths : sequence of int or None
        Rows of each key; None while unknown.
    convert : Convert
    source : Any, optional
        What rows that were read together share (the data frame).
    """

    def __init__(
        self,
        collection: Any,
        lengths: Sequence[int] | None,
        convert: Convert,
        *,
        names: tuple[str, ...] | None = None,
        describe: str = "dask array",
    ) -> None:
        self.collection, self.convert = collection, convert
        self.lengths = None if lengths is None else tuple(int(n) for n in lengths)
        self.n_rows = None if self.lengths is None else sum(self.lengths)
        self.row_chunks = (
            None if self.lengths is None else tuple(n for n in self.lengths if n) or None
        )
        self.n_columns, self.dtype, self.sparse = convert.n_columns, convert.dtype, convert.sparse
        self.names, self.describe = names, describe
        self.decode_factor = 3.0

    def open(self, values: Sequence[Any] = ()) -> Reader:
        raise RuntimeError(f"{self.describe}: settle() makes these rows ready to be read")

    @property
    def row_nbytes(self) -> float:
        dense = self.n_columns * max(self.dtype.itemsize, 1)
        return dense * 0.2 if self.sparse else dense


class FrameTable(Table):
    """The columns of a Dask data frame."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self.columns = tuple(frame.columns)
        self.describe = "dask data frame"

    def rows(self, columns: Sequence[str]) -> Rows:
        self.require(columns)
        if len(set(columns)) != len(columns):
            raise DataError(f"{self.describe}: a column is chosen twice in {list(columns)}")
        chosen = self._frame[list(columns)]
        dtype = frame_dtype(dict(chosen.dtypes), self.describe)
        return _frame_rows(chosen, tuple(columns), dtype, self.describe)


class DatasetTable(Table):
    """The variables of an xarray Dataset over Dask arrays; other dimensions than those of the
    sample become several columns."""

    def __init__(self, dataset: Any, sample_dim: Any) -> None:
        self._dataset = dataset
        self._sample_dims = _sample_dims(dataset, sample_dim)
        self.columns = tuple(
            str(name)
            for name, variable in dataset.data_vars.items()
            if set(self._sample_dims) <= set(variable.dims)
        )
        self.describe = "xarray Dataset"

    def rows(self, columns: Sequence[str]) -> Rows:
        import dask.array as da

        self.require(columns)
        pieces, names = [], []
        for column in columns:
            array = self._dataset[column]
            matrix = _stacked(array, self._sample_dims)
            width = matrix.shape[1]
            pieces.append(matrix)
            names += [column] if width == 1 else [f"{column}[{i}]" for i in range(width)]
        whole = pieces[0] if len(pieces) == 1 else da.concatenate(pieces, axis=1)
        rows = _array_rows(whole, "xarray Dataset")
        rows.names = tuple(names)
        return rows


def open_collection(obj: Any, *, sample_dim: Any = None, role: str = "X") -> Rows | Table:
    """Rows, or a table of named columns, of a Dask collection; computes nothing.

    Parameters
    ----------
    obj : dask Array, data frame or series; xarray DataArray or Dataset over Dask arrays
    sample_dim : str or sequence of str, optional
        Dimensions of an xarray object that become rows, in this order; the first by default.
    role : str
        "X", "y", "sample_weight" or "offset": X must have two dimensions.

    Raises
    ------
    DataError
        If the shape or type cannot be rows.
    TypeError
        If ``obj`` is no such collection.
    """
    kind = _kind(obj)
    if kind == "array":
        return _array_rows(_two_dimensional(obj, role), "dask array")
    if kind == "frame":
        return FrameTable(obj)
    if kind == "series":
        dtype = frame_dtype({obj.name: obj.dtype}, "dask series")
        name = () if obj.name is None else (str(obj.name),)
        return _frame_rows(obj, None, dtype, "dask series", names=name or None)
    if kind == "dataset":
        return DatasetTable(obj, sample_dim)
    if kind == "dataarray":
        return _dataarray_rows(obj, sample_dim, role)
    raise TypeError(f"{type(obj).__name__} is no Dask collection")


def _kind(obj: Any) -> str | None:
    module = type(obj).__module__
    if module.startswith("xarray."):
        return "dataset" if hasattr(obj, "data_vars") else "dataarray"
    if not hasattr(obj, "__dask_graph__"):
        return None
    if hasattr(obj, "map_partitions"):
        return "frame" if hasattr(obj, "columns") and obj.ndim == 2 else "series"
    return "array" if hasattr(obj, "chunks") else None


def _two_dimensional(array: Any, role: str) -> Any:
    if array.ndim == 1 and role != "X":
        return array
    if array.ndim == 1:
        raise DataError(
            f"Expected 2D array, got 1D array instead: {role} is a dask array of shape "
            f"{array.shape}. Reshape your data either using array.reshape(-1, 1) if your data has "
            "a single feature or array.reshape(1, -1) if it contains a single sample."
        )
    if array.ndim != 2:
        raise DataError(f"{role} must have two dimensions; this dask array has shape {array.shape}")
    return array


def _array_rows(array: Any, describe: str) -> DaskRows:
    width = 1 if array.ndim == 1 else array.shape[1]
    if isinstance(width, float) and math.isnan(width):
        raise DataError(
            f"{describe}: the number of columns is unknown; call compute_chunk_sizes() first"
        )
    dtype = np.dtype(array.dtype)
    if dtype.kind in "OT":
        dtype = np.dtype("U")
    convert = Convert(int(width), dtype, is_sparse_meta(array._meta), describe=describe)
    rows = array.chunks[0]
    if _unknown(rows):
        whole = array if array.ndim == 1 or array.numblocks[1] == 1 else array.rechunk({1: -1})
        return DaskRows(whole, None, convert, describe=describe)
    whole = _whole_rows(array, convert)
    return DaskRows(whole, whole.chunks[0], convert, describe=describe)


def _whole_rows(array: Any, convert: Convert) -> Any:
    """Put column chunks side by side, in runs of rows that memory can hold."""
    if array.ndim == 1 or array.numblocks[1] <= 1:
        return array
    row = max(1, convert.n_columns * max(convert.dtype.itemsize, 1))
    if max(array.chunks[0]) * row <= MAX_CHUNK:
        return array.rechunk({1: -1}, method="tasks")
    return array.rechunk({0: max(1, CUT_CHUNK // row), 1: -1}, method="tasks")


def _unknown(lengths: Sequence[float]) -> bool:
    return any(math.isnan(n) for n in lengths)


def _frame_rows(
    frame: Any,
    columns: tuple[Any, ...] | None,
    dtype: np.dtype[Any],
    describe: str,
    names: tuple[str, ...] | None = None,
) -> DaskRows:
    convert = Convert(len(columns or (0,)), dtype, columns=columns or (), describe=describe)
    if columns is not None:
        names = tuple(str(name) for name in columns)
    return DaskRows(frame, _frame_lengths(frame), convert, names=names, describe=describe)


def _frame_lengths(frame: Any) -> tuple[int, ...] | None:
    """Rows of each partition where the source knows them without reading (Parquet footers)."""
    try:
        from dask.dataframe.dask_expr._expr import Lengths, Literal

        found = Lengths(frame.expr).optimize()
    except (ImportError, AttributeError):
        return None
    if not isinstance(found, Literal) or len(found.value) != len(frame.optimize().__dask_keys__()):
        return None
    return tuple(found.value)


def _sample_dims(obj: Any, sample_dim: Any) -> tuple[Hashable, ...]:
    dims = tuple(obj.dims)
    if sample_dim is None:
        chosen: tuple[Hashable, ...] = dims[:1]
    elif isinstance(sample_dim, str) or not isinstance(sample_dim, Sequence):
        chosen = (sample_dim,)
    else:
        chosen = tuple(sample_dim)
    absent = [dim for dim in chosen if dim not in dims]
    if absent or not chosen:
        raise DataError(f"sample_dim {sample_dim!r} is no dimension of X; its dimensions are {dims}")
    return chosen


def _stacked(array: Any, sample_dims: tuple[Hashable, ...]) -> Any:
    """The two-dimensional Dask array (stacked samples, stacked features) of a DataArray."""
    import dask.array as da

    features = [dim for dim in array.dims if dim not in sample_dims]
    ordered = array.transpose(*sample_dims, *features)
    data = ordered.data if hasattr(ordered.data, "dask") else da.from_array(ordered.data)
    n = math.prod(ordered.sizes[dim] for dim in sample_dims)
    width = math.prod(ordered.sizes[dim] for dim in features)
    if data.ndim == 2 and len(sample_dims) == 1:
        return data
    return data.reshape((n, width))


def _dataarray_rows(array: Any, sample_dim: Any, role: str) -> Rows:
    if role == "X" and array.ndim < 2:
        raise DataError(
            f"Expected 2D array, got 1D array instead: {role} is a DataArray with dimensions "
            f"{array.dims}. Reshape your data, or stack its features into a dimension."
        )
    sample_dims = _sample_dims(array, sample_dim)
    rows = _array_rows(_stacked(array, sample_dims), "xarray DataArray")
    rows.names, rows.labels = _labels(array, sample_dims)
    return rows


def _labels(array: Any, sample_dims: tuple[Hashable, ...]) -> tuple[tuple[str, ...] | None, Any]:
    """Feature names and how features lie over the dimensions of the object."""
    features = [dim for dim in array.dims if dim not in sample_dims]
    names = None
    if len(features) == 1 and features[0] in array.coords:
        names = tuple(str(value) for value in array.coords[features[0]].values)
    coords = {
        dim: np.asarray(array.coords[dim].values) for dim in features if dim in array.coords
    }
    try:
        from .sources.labels import Labels
    except ImportError:
        return names, None
    return names, Labels(feature_names=names, dims=tuple(features), coords=coords)
