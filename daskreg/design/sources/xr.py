"""Labelled arrays and datasets: which of their dimensions are rows, which variables columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from daskreg._array import is_number
from daskreg.exceptions import DataError

from .base import Rows, Table
from .checks import common_dtype, native_dtype
from .labels import Labels, column_names, labels_of
from .variables import XarrayRows

SampleDim = str | Sequence[str] | None


class XarrayTable(Table):
    """Variables of a Dataset that have the sample dimension(s).

    Parameters
    ----------
    data : xarray.Dataset
    sample_dim : str, sequence of str or None
        None: the first dimension of the first variable that has one.
    check : callable or None
        Called with the name of each variable that is chosen, before anything of it is read.

    Raises
    ------
    DataError
        No such dimension.
    """

    def __init__(
        self,
        data: Any,
        *,
        sample_dim: SampleDim = None,
        describe: str = "xarray Dataset",
        check: Callable[[str], None] | None = None,
    ) -> None:
        self.describe, self._check = describe, check
        usable = [name for name in data.data_vars if _usable(data[name])]
        if sample_dim is None:
            sample_dim = next((str(data[name].dims[0]) for name in usable), None)
            if sample_dim is None:
                raise DataError(f"{describe} has no numeric variable with a dimension")
        self._dims = _sample_dims(tuple(map(str, data.dims)), sample_dim, describe)
        self._data = data
        self.columns = tuple(str(n) for n in usable if set(self._dims) <= set(data[n].dims))

    def rows(self, columns: Sequence[str]) -> Rows:
        self.require(columns)
        for name in columns:
            if self._check is not None:
                self._check(name)
        arrays = [self._data[name] for name in columns]
        dtype = common_dtype([array.dtype for array in arrays], columns, self.describe)
        if len(arrays) == 1:
            labels = labels_of(arrays[0], self._dims)
        else:
            labels = Labels(tuple(n for a in arrays for n in column_names(a, self._dims)))
        variables = [array.variable for array in arrays]
        return _opened(
            XarrayRows(variables, self._dims, dtype, labels=labels, describe=self.describe)
        )


def data_array_rows(
    array: Any,
    *,
    sample_dim: SampleDim = None,
    describe: str = "xarray DataArray",
    labels: bool = False,
) -> Rows:
    """Rows of a DataArray that is not backed by Dask.

    Parameters
    ----------
    array : xarray.DataArray
    sample_dim : str, sequence of str or None
        Dimension(s) stacked into rows, outermost first; None: the first one.
    labels : bool
        Whether strings are welcome.

    Raises
    ------
    DataError
        No such dimension, no dimension at all, or a type that blocks cannot hold.
    """
    if not array.dims:
        raise DataError(f"{describe} is a scalar; expected at least one dimension")
    dims = _sample_dims(tuple(map(str, array.dims)), sample_dim or str(array.dims[0]), describe)
    dtype = native_dtype(array.dtype, describe, labels=labels)
    found = labels_of(array, dims)
    return _opened(XarrayRows([array.variable], dims, dtype, labels=found, describe=describe))


def _opened(rows: XarrayRows) -> Rows:
    """The rows, or their way over scratch where chunks would be decoded for every block."""
    return (rows.turned() if rows.has_wide_chunks else None) or rows


def _sample_dims(dims: tuple[str, ...], wanted: str | Sequence[str], what: str) -> tuple[str, ...]:
    names = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    for name in names:
        if name not in dims:
            raise DataError(
                f"{what} has no dimension {name!r}; sample_dim must be among {', '.join(dims)}"
            )
    if len(set(names)) < len(names) or not names:
        raise DataError(f"sample_dim must name different dimensions, got {names}")
    return names


def _usable(array: Any) -> bool:
    return array.ndim > 0 and (is_number(array.dtype) or array.dtype.kind == "U")
