"""Labelled arrays, in memory or lazily backed by a file, as rows; Dask-backed ones lie elsewhere."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from daskreg._typing import AnyArray
from daskreg.exceptions import DataError

from .base import Reader, Rows, Table
from .checks import common_dtype, native_dtype
from .labels import Labels
from .memory import fill

#: HDF5 is not thread-safe: one read at a time in this process.
READ_LOCK = threading.Lock()

SampleDim = str | Sequence[str] | None


class XarrayRows(Rows):
    """One or several variables; sample dimensions are stacked into rows, the rest into columns.

    Parameters
    ----------
    variables : sequence of xarray.Variable
        Each has all sample dimensions; its other ones become columns in C order.
    sample_dims : tuple of str
        Outermost first: the last one runs fastest.
    dtype : numpy.dtype
    labels : Labels or None
        Kept by the caller: a pickle goes without.
    """

    decode_factor = 1.3

    def __init__(
        self,
        variables: Sequence[Any],
        sample_dims: tuple[str, ...],
        dtype: np.dtype[Any],
        *,
        labels: Labels | None = None,
        describe: str = "xarray",
    ) -> None:
        self._variables = tuple(_bare(variable, sample_dims) for variable in variables)
        self._sample_dims = sample_dims
        self._sizes = tuple(self._variables[0].sizes[dim] for dim in sample_dims)
        self.dtype, self.describe, self.labels = dtype, describe, labels
        self.names = None if labels is None else labels.feature_names
        self.n_rows = math.prod(self._sizes)
        self.n_columns = sum(self._widths)
        self.resident = all(_in_memory(variable) for variable in self._variables)

    @property
    def _widths(self) -> list[int]:
        return [math.prod(v.shape[len(self._sample_dims) :]) for v in self._variables]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "labels": None, "names": None}

    def cut(self, start: int, stop: int) -> Rows:
        """In memory and of one sample dimension: these rows only."""
        if not self.resident or len(self._sizes) > 1:
            return self
        return _CutRows(self, start, stop)

    def open(self, values: Sequence[Any] = ()) -> Reader:
        return _XarrayReader(self._variables, self._sizes, self._widths, self.dtype)


class _CutRows(XarrayRows):
    """A run of rows in memory that keeps its row numbers."""

    def __init__(self, whole: XarrayRows, start: int, stop: int) -> None:
        dim = whole._sample_dims[0]
        parts = [variable.isel({dim: slice(start, stop)}) for variable in whole._variables]
        super().__init__(parts, whole._sample_dims, whole.dtype, describe=whole.describe)
        self.n_rows, self._first = whole.n_rows, start

    def open(self, values: Sequence[Any] = ()) -> Reader:
        return _Shifted(super().open(), self._first)


class _Shifted(Reader):
    def __init__(self, reader: Reader, first: int) -> None:
        self._reader, self._first = reader, first

    def read(self, start: int, stop: int, out: AnyArray | None = None) -> Any:
        return self._reader.read(start - self._first, stop - self._first, out)


class _XarrayReader(Reader):
    def __init__(
        self,
        variables: Sequence[Any],
        sizes: tuple[int, ...],
        widths: list[int],
        dtype: np.dtype[Any],
    ) -> None:
        self._variables, self._sizes, self._widths = variables, sizes, widths
        self._dtype = dtype

    def read(self, start: int, stop: int, out: AnyArray | None = None) -> AnyArray:
        boxes = list(boxes_of_rows(start, stop, self._sizes))
        if len(boxes) == len(self._variables) == 1:
            rows = self._values(self._variables[0], boxes[0]).reshape(stop - start, -1)
            plain = rows.flags.c_contiguous and rows.dtype == self._dtype
            return rows if plain else fill(out, rows, self._dtype)
        shape = stop - start, sum(self._widths)
        if out is None or out.shape != shape or out.dtype != self._dtype:
            out = np.empty(shape, self._dtype)
        columns = list(itertools.accumulate(self._widths, initial=0))
        row = 0
        for box in boxes:
            n = math.prod(part.stop - part.start for part in box)
            for j, variable in enumerate(self._variables):
                values = self._values(variable, box)
                out[row : row + n, columns[j] : columns[j + 1]] = values.reshape(n, -1)
            row += n
        return out

    def _values(self, variable: Any, box: tuple[slice, ...]) -> AnyArray:
        part = variable[box]
        if _in_memory(variable):
            return np.asarray(part.values)
        with READ_LOCK:
            return np.asarray(part.values)


def boxes_of_rows(start: int, stop: int, sizes: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Cover rows of stacked dimensions with boxes, in order and without a row too many.

    Examples
    --------
    >>> list(boxes_of_rows(2, 8, (3, 4)))
    [(slice(0, 1, None), slice(2, 4, None)), (slice(1, 2, None), slice(0, 4, None))]
    """
    if len(sizes) == 1:
        yield (slice(start, stop),)
        return
    inner = math.prod(sizes[1:])
    row = start
    while row < stop:
        index, within = divmod(row, inner)
        if within == 0 and stop - row >= inner:
            whole = (stop - row) // inner
            yield (slice(index, index + whole), *(slice(0, size) for size in sizes[1:]))
            row += whole * inner
            continue
        end = min(inner, within + stop - row)
        for box in boxes_of_rows(within, end, sizes[1:]):
            yield (slice(index, index + 1), *box)
        row += end - within


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
        return XarrayRows(variables, self._dims, dtype, labels=labels, describe=self.describe)


def data_array_rows(
    array: Any,
    *,
    sample_dim: SampleDim = None,
    describe: str = "xarray DataArray",
    labels: bool = False,
) -> XarrayRows:
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
    return XarrayRows([array.variable], dims, dtype, labels=found, describe=describe)


def labels_of(array: Any, sample_dims: Sequence[str]) -> Labels:
    """How the columns of a DataArray lie over its dimensions other than those of rows."""
    dims = tuple(str(dim) for dim in array.dims if dim not in sample_dims)
    return Labels(
        feature_names=tuple(column_names(array, sample_dims)) if dims or array.name else None,
        dims=dims,
        shape=tuple(array.sizes[dim] for dim in dims),
        coords={dim: np.asarray(array[dim].values) for dim in dims if dim in array.coords},
    )


def column_names(array: Any, sample_dims: Sequence[str]) -> list[str]:
    """Name every column after the variable and its place: ``tas[lat=10.5,lon=3]``.

    Places are values of the coordinates where there are some, else numbers.  Where an unnamed
    array has one such dimension with strings for coordinates, these are the names.
    """
    dims = [dim for dim in array.dims if dim not in sample_dims]
    name = "" if array.name is None else str(array.name)
    if not dims:
        return [name or "x0"]
    if len(dims) == 1 and dims[0] in array.coords and array[dims[0]].dtype.kind in "UTO":
        values = array[dims[0]].values
        if all(isinstance(value, str) for value in values):
            return [str(value) for value in values]
    places = [_places(array, dim) for dim in dims]
    return [f"{name or 'X'}[{','.join(place)}]" for place in itertools.product(*places)]


def _places(array: Any, dim: str) -> list[str]:
    if dim not in array.coords:
        return [f"{dim}={number}" for number in range(array.sizes[dim])]
    index = array.indexes.get(dim)
    levels = getattr(index, "names", [dim])
    if len(levels) > 1:
        pairs = (zip(levels, value, strict=True) for value in array[dim].values)
        return [",".join(f"{level}={value}" for level, value in pair) for pair in pairs]
    return [f"{dim}={value}" for value in array[dim].values]


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
    return array.ndim > 0 and array.dtype.kind in "biufU"


def _bare(variable: Any, sample_dims: tuple[str, ...]) -> Any:
    """Sample dimensions first; attributes, which may be long, left behind."""
    bare = variable.transpose(*sample_dims, ...)
    bare.attrs, bare.encoding = {}, {}
    return bare


def _in_memory(variable: Any) -> bool:
    return bool(getattr(variable, "_in_memory", False))
