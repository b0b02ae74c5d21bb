"""Objects of libraries, which are loaded already where one of their objects comes."""

from __future__ import annotations

import sys
from typing import Any

from daskreg.exceptions import DataError

from .request import Opened, Request, check_dimensions, module_of, too_few


def of_sparse(obj: Any, request: Request) -> Opened | None:
    """Rows of a matrix of scipy.sparse."""
    scipy_sparse = sys.modules.get("scipy.sparse")
    if scipy_sparse is None or not scipy_sparse.issparse(obj):
        return None
    if request.role != "X":
        raise DataError(f"{request.role} is sparse; pass it dense, {request.role}.toarray()")
    from daskreg.design.sources.sparse import SparseRows

    return SparseRows(obj, what=f"{type(obj).__name__}")


def of_zarr(obj: Any, request: Request) -> Opened | None:
    """Rows of an open zarr array."""
    zarr = sys.modules.get("zarr")
    if zarr is None or not isinstance(obj, zarr.Array):
        return None
    check_dimensions(obj.shape, request, "zarr")
    from daskreg.design.sources.zarrs import zarr_array_rows

    return zarr_array_rows(
        obj,
        missing_chunks=request.missing_chunks,
        what=f"zarr array {obj.path}".rstrip(),
        labels=request.labels,
    )


def of_dask(obj: Any, request: Request) -> Opened | None:
    """Rows or a table of a collection, also within an xarray object."""
    if module_of(obj) == "xarray":
        variables = obj.data_vars.values() if hasattr(obj, "data_vars") else [obj]
        if not any(variable.chunks for variable in variables):
            return None
    elif module_of(obj) not in ("dask", "dask_expr"):
        return None
    from daskreg.design.collections.opening import open_collection

    return open_collection(obj, sample_dim=request.sample_dim, role=request.role)


def of_xarray(obj: Any, request: Request) -> Opened | None:
    """Rows of a labelled array, or a table of a data set."""
    if module_of(obj) != "xarray":
        return None
    from daskreg.design.sources.xr import XarrayTable, data_array_rows

    if hasattr(obj, "data_vars"):
        return XarrayTable(obj, sample_dim=request.sample_dim)
    if request.role == "X" and obj.ndim < 2:
        raise too_few(tuple(obj.shape), request.role, "X.expand_dims('feature', axis=1)")
    return data_array_rows(obj, sample_dim=request.sample_dim, labels=request.labels)


def of_frame(obj: Any, request: Request) -> Opened | None:
    """A table of a data frame, or rows of a series."""
    if module_of(obj) not in ("pandas", "polars", "pyarrow", "modin", "cudf", "narwhals"):
        return None
    from daskreg.design.sources.frames import FrameTable, series_rows

    kind = type(obj).__name__
    if kind in ("Series", "ChunkedArray"):
        if request.role == "X":
            raise too_few((len(obj),), "X", "X.to_frame()")
        return series_rows(obj, what=f"{module_of(obj)} series")
    if kind in ("Index", "Array"):
        return None
    return FrameTable(obj, what=f"{module_of(obj)} data frame")
