"""From a Dask collection, or an xarray object over one, to rows; nothing is computed."""

from __future__ import annotations

from typing import Any

from daskreg.design.sources.base import Rows, Table
from daskreg.exceptions import DataError

from .labelled import DatasetTable, data_array_rows
from .matrices import frame_dtype
from .rows import FrameTable, array_rows, frame_rows


def open_collection(obj: Any, *, sample_dim: Any = None, role: str = "X") -> Rows | Table:
    """Rows, or a table of named columns, of a Dask collection; computes nothing.

    Parameters
    ----------
    obj : dask Array, data frame or series; xarray DataArray or Dataset over Dask arrays
    sample_dim : str or sequence of str, optional
        Dimensions of an xarray object that become rows, in this order; the first by default.
    role : str
        "X", "y", "sample_weight", "offset" or "groups": X must have two dimensions.

    Raises
    ------
    DataError
        If the shape or type cannot be rows.
    TypeError
        If ``obj`` is no such collection.
    """
    kind = _kind(obj)
    if kind == "array":
        return array_rows(_two_dimensional(obj, role), "dask array")
    if kind == "frame":
        return FrameTable(obj)
    if kind == "series":
        dtype = frame_dtype({obj.name: obj.dtype}, "dask series")
        name = () if obj.name is None else (str(obj.name),)
        return frame_rows(obj, None, dtype, "dask series", names=name or None)
    if kind == "dataset":
        return DatasetTable(obj, sample_dim)
    if kind == "dataarray":
        return data_array_rows(obj, sample_dim, role)
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
