"""What is asked for beside the data, and what is said where they cannot be rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from daskreg.design.sources.base import Rows, Table
from daskreg.design.sources.checks import LABELLED
from daskreg.exceptions import DataError

ACCEPTED = (
    "a numpy array or np.memmap, scipy.sparse matrix, pandas, polars, Arrow or Dask data frame, "
    "Dask array, xarray DataArray or Dataset, zarr array, or the path of a .npy, .zarr, .parquet, "
    ".nc, .csv or .tsv"
)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for beside the object itself."""

    role: str
    missing_chunks: str
    sample_dim: str | Sequence[str] | None

    @property
    def labels(self) -> bool:
        return self.role in LABELLED


Opened = Rows | Table
Recogniser = Callable[[Any, Request], Opened | None]


def check_dimensions(shape: tuple[int, ...], request: Request, kind: str) -> None:
    """Raise ``DataError`` unless the shape is that of rows and columns, or of a column beside X."""
    role = request.role
    if len(shape) == 2 or (len(shape) == 1 and role != "X"):
        return
    if len(shape) < 2:
        raise too_few(shape, role, "X.reshape(-1, 1)" if kind == "numpy" else "X[:].reshape(-1, 1)")
    raise DataError(
        f"{role} has {len(shape)} dimensions, shape {shape}; expected rows and columns: pass "
        f"{role}.reshape({role}.shape[0], -1), or a DataArray and sample_dim"
    )


def too_few(shape: tuple[int, ...], role: str, remedy: str) -> DataError:
    """The error for a scalar, or for one dimension where X has two."""
    if not shape:
        return DataError(f"{role} is a scalar; expected {ACCEPTED}")
    return DataError(
        f"{role} has 1 dimension, shape {shape}; expected rows and columns: pass {remedy} if it is "
        "one feature, or X.reshape(1, -1) if it is one row"
    )


def module_of(obj: Any) -> str:
    """The package that the type of an object comes from."""
    return type(obj).__module__.partition(".")[0]
