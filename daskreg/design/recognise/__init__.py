"""From whatever holds rows to ``Rows`` or a ``Table``: a chain of small recognisers."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from daskreg._typing import AnyArray
from daskreg.exceptions import DataError

from .sources.base import Rows, Table
from .sources.checks import LABELLED, existing
from .sources.memory import ArrayRows
from .sources.npy import memmap_rows, npy_rows

ACCEPTED = (
    "a numpy array or np.memmap, scipy.sparse matrix, pandas, polars, Arrow or Dask data frame, "
    "Dask array, xarray DataArray or Dataset, zarr array, or the path of a .npy, .zarr, .parquet, "
    ".nc, .csv or .tsv"
)


@dataclass(frozen=True, slots=True)
class _Request:
    """What was asked for beside the object itself."""

    role: str
    missing_chunks: str
    sample_dim: str | Sequence[str] | None

    @property
    def labels(self) -> bool:
        return self.role in LABELLED


Opened = Rows | Table
Recogniser = Callable[[Any, _Request], Opened | None]


def open_rows(
    obj: Any,
    *,
    missing_chunks: str = "raise",
    sample_dim: str | Sequence[str] | None = None,
    role: str = "X",
) -> Opened:
    """Look at data where it lies, without reading it.

    Parameters
    ----------
    obj : array, matrix, data frame, labelled array, collection or path
        Paths may be inside a zarr store, as in ``data.zarr/X``.
    missing_chunks : {'raise', 'fill'}
        What to do about chunks that a zarr store lacks.
    sample_dim : str, sequence of str or None
        Dimension(s) of labelled arrays that become rows, outermost first; None: the first one.
    role : {'X', 'y', 'sample_weight', 'offset', 'groups'}
        For messages; X must have two dimensions, the others may have one, and y and groups may
        hold labels.

    Returns
    -------
    Rows or Table
        A Table where columns are still to be chosen by name.

    Raises
    ------
    DataError
        What came cannot be rows; the message says what to change.
    MissingChunksError
        Chunks are absent and ``missing_chunks`` is 'raise'.
    MissingDependencyError
        An optional library is needed.

    Examples
    --------
    >>> import numpy as np
    >>> rows = open_rows(np.eye(3))
    >>> rows.n_rows, rows.n_columns, rows.dtype
    (3, 3, dtype('float64'))
    >>> open_rows(np.arange(3.0))
    Traceback (most recent call last):
    ...
    daskreg.exceptions.DataError: X has 1 dimension, shape (3,); expected rows and columns: ...
    """
    if missing_chunks not in ("raise", "fill"):
        raise DataError(f"missing_chunks must be 'raise' or 'fill', not {missing_chunks!r}")
    request = _Request(role, missing_chunks, sample_dim)
    for recognise in RECOGNISERS:
        found = recognise(obj, request)
        if found is not None:
            return found
    kind = f"{type(obj).__module__}.{type(obj).__qualname__}"
    raise DataError(f"{role} is a {kind}, which cannot be read; expected {ACCEPTED}")


def _rows(obj: Any, request: _Request) -> Opened | None:
    return obj if isinstance(obj, (Rows, Table)) else None


def _path(obj: Any, request: _Request) -> Opened | None:
    if not isinstance(obj, (str, os.PathLike)):
        return None
    path = os.fspath(obj)
    parts = PurePath(path).parts
    if any(part.endswith(".zarr") for part in parts) or path.rstrip("/").endswith(".zarr"):
        from .sources.zarrs import open_zarr

        return open_zarr(
            path,
            missing_chunks=request.missing_chunks,
            sample_dim=request.sample_dim,
            role=request.role,
        )
    return _file(path, request)


def _file(path: str, request: _Request) -> Opened:
    suffixes = PurePath(path).suffixes
    last = suffixes[-1].lower() if suffixes else ""
    if last == ".npy":
        rows = npy_rows(path, labels=request.labels)
        rows.describe = f"npy {PurePath(path).name}"
        return rows
    if last in (".nc", ".nc4", ".cdf"):
        from .sources.netcdf import netcdf_table

        return netcdf_table(path, sample_dim=request.sample_dim)
    if last in (".parquet", ".pq"):
        from .sources.parquet import ParquetTable

        return ParquetTable(path)
    if {".csv", ".tsv"} & {suffix.lower() for suffix in suffixes[-2:]}:
        from .sources.csv import CsvTable

        return CsvTable(path)
    file = existing(path)
    if file.is_dir() and any(file.glob("*.parquet")):
        from .sources.parquet import ParquetTable

        return ParquetTable(path)
    hint = ""
    if last == ".npz":
        hint = "; load it, numpy.load(path)['X'], or write its arrays with numpy.save"
    raise DataError(
        f"{request.role}: {file} has no suffix that is known; expected {ACCEPTED}{hint}"
    )


def _sparse(obj: Any, request: _Request) -> Opened | None:
    scipy_sparse = sys.modules.get("scipy.sparse")
    if scipy_sparse is None or not scipy_sparse.issparse(obj):
        return None
    if request.role != "X":
        raise DataError(f"{request.role} is sparse; pass it dense, {request.role}.toarray()")
    from .sources.sparse import SparseRows

    return SparseRows(obj, what=f"{type(obj).__name__}")


def _zarr(obj: Any, request: _Request) -> Opened | None:
    zarr = sys.modules.get("zarr")
    if zarr is None or not isinstance(obj, zarr.Array):
        return None
    _check_dimensions(obj.shape, request, "zarr")
    from .sources.zarrs import zarr_array_rows

    return zarr_array_rows(
        obj,
        missing_chunks=request.missing_chunks,
        what=f"zarr array {obj.path}".rstrip(),
        labels=request.labels,
    )


def _dask(obj: Any, request: _Request) -> Opened | None:
    if _module(obj) == "xarray":
        variables = obj.data_vars.values() if hasattr(obj, "data_vars") else [obj]
        if not any(variable.chunks for variable in variables):
            return None
    elif _module(obj) not in ("dask", "dask_expr"):
        return None
    from .collections.opening import open_collection

    return open_collection(obj, sample_dim=request.sample_dim, role=request.role)


def _xarray(obj: Any, request: _Request) -> Opened | None:
    if _module(obj) != "xarray":
        return None
    from .sources.xr import XarrayTable, data_array_rows

    if hasattr(obj, "data_vars"):
        return XarrayTable(obj, sample_dim=request.sample_dim)
    if request.role == "X" and obj.ndim < 2:
        raise _too_few(tuple(obj.shape), request.role, "X.expand_dims('feature', axis=1)")
    return data_array_rows(obj, sample_dim=request.sample_dim, labels=request.labels)


def _frame(obj: Any, request: _Request) -> Opened | None:
    if _module(obj) not in ("pandas", "polars", "pyarrow", "modin", "cudf", "narwhals"):
        return None
    from .sources.frames import FrameTable, series_rows

    kind = type(obj).__name__
    if kind in ("Series", "ChunkedArray"):
        if request.role == "X":
            raise _too_few((len(obj),), "X", "X.to_frame()")
        return series_rows(obj, what=f"{_module(obj)} series")
    if kind in ("Index", "Array"):
        return None
    return FrameTable(obj, what=f"{_module(obj)} data frame")


def _array(obj: Any, request: _Request) -> Opened | None:
    if isinstance(obj, (list, tuple)):
        obj = _from_sequence(obj, request)
    if not isinstance(obj, np.ndarray):
        return None
    if isinstance(obj, np.ma.MaskedArray):
        raise DataError(
            f"{request.role} is a masked array: fill it, {request.role}.filled(value), or drop "
            "the masked rows"
        )
    _check_dimensions(obj.shape, request, "numpy")
    mapped = memmap_rows(obj, labels=request.labels)
    if mapped is not None:
        mapped.describe = f"memmap {os.path.basename(mapped.path)}"
        return mapped
    array = np.asarray(obj)
    if array.dtype.kind == "O" and request.labels:
        array = _labels(array, request.role)
    return ArrayRows(array, what=f"{request.role} (numpy array)", labels=request.labels)


def _labels(array: AnyArray, role: str) -> AnyArray:
    """Strings that came as objects, as data frames hand them out."""
    for row, value in enumerate(array.flat):
        if role == "groups" and (value is None or value != value):
            raise DataError(
                f"Input groups contains NaN: row {row} has no group; name it or drop it"
            )
    if all(isinstance(value, str) for value in array.flat):
        return array.astype(np.str_)
    return array


def _from_sequence(obj: Sequence[Any], request: _Request) -> AnyArray:
    try:
        return np.asarray(obj)
    except ValueError as error:
        raise DataError(f"{request.role} is a list of unequal rows: {error}") from error


def _check_dimensions(shape: tuple[int, ...], request: _Request, kind: str) -> None:
    role = request.role
    if len(shape) == 2 or (len(shape) == 1 and role != "X"):
        return
    if len(shape) < 2:
        raise _too_few(
            shape, role, "X.reshape(-1, 1)" if kind == "numpy" else "X[:].reshape(-1, 1)"
        )
    raise DataError(
        f"{role} has {len(shape)} dimensions, shape {shape}; expected rows and columns: pass "
        f"{role}.reshape({role}.shape[0], -1), or a DataArray and sample_dim"
    )


def _too_few(shape: tuple[int, ...], role: str, remedy: str) -> DataError:
    if not shape:
        return DataError(f"{role} is a scalar; expected {ACCEPTED}")
    return DataError(
        f"{role} has 1 dimension, shape {shape}; expected rows and columns: pass {remedy} if it is "
        "one feature, or X.reshape(1, -1) if it is one row"
    )


def _module(obj: Any) -> str:
    return type(obj).__module__.partition(".")[0]


#: Asked in this order; the first that knows the object answers.
RECOGNISERS: tuple[Recogniser, ...] = (
    _rows,
    _path,
    _array,
    _sparse,
    _dask,
    _zarr,
    _xarray,
    _frame,
)
