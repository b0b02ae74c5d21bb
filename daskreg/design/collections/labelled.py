"""xarray objects over Dask arrays, as rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from daskreg.design.sources.base import Rows, Table
from daskreg.design.sources.labels import Labels, column_names, labels_of
from daskreg.exceptions import DataError

from .rows import DaskRows, array_rows


class DatasetTable(Table):
    """The variables of a Dataset; dimensions other than those of rows become several columns.

    Parameters
    ----------
    dataset : xarray.Dataset
    sample_dim : str, sequence of str or None
        None: the first dimension of the first variable that has one.
    """

    describe = "xarray Dataset"

    def __init__(self, dataset: Any, sample_dim: Any) -> None:
        variables = dataset.data_vars
        if sample_dim is None:
            sample_dim = next((v.dims[0] for v in variables.values() if v.dims), None)
        self._dataset = dataset
        self._dims = _sample_dims(tuple(dataset.dims), sample_dim, self.describe)
        self.columns = tuple(
            str(name) for name, v in variables.items() if set(self._dims) <= set(v.dims)
        )

    def rows(self, columns: Sequence[str]) -> Rows:
        import dask.array as da

        self.require(columns)
        arrays = [self._dataset[name] for name in columns]
        matrices = [_stacked(array, self._dims) for array in arrays]
        whole = matrices[0] if len(matrices) == 1 else da.concatenate(matrices, axis=1)
        if len(arrays) == 1:
            labels = labels_of(arrays[0], self._dims)
        else:
            labels = Labels(tuple(n for a in arrays for n in column_names(a, self._dims)))
        return _labelled(array_rows(whole, self.describe), labels)


def data_array_rows(array: Any, sample_dim: Any, role: str) -> DaskRows:
    """Rows of a DataArray: sample dimensions stacked, the others side by side.

    Raises
    ------
    DataError
        No such dimension, or X without a dimension for its columns.
    """
    if array.ndim < (2 if role == "X" else 1):
        raise DataError(
            f"Expected 2D array, got {array.ndim}D array instead: {role} is a DataArray with "
            f"dimensions {array.dims}. Reshape your data: expand_dims adds a dimension of features."
        )
    chosen = array.dims[0] if sample_dim is None else sample_dim
    dims = _sample_dims(array.dims, chosen, "xarray DataArray")
    return _labelled(array_rows(_stacked(array, dims), "xarray DataArray"), labels_of(array, dims))


def _labelled(rows: DaskRows, labels: Labels) -> DaskRows:
    rows.labels, rows.names = labels, labels.feature_names
    return rows


def _sample_dims(dims: tuple[Any, ...], wanted: Any, what: str) -> tuple[Any, ...]:
    names = tuple(wanted) if isinstance(wanted, list | tuple) else (wanted,)
    for name in names:
        if name not in dims:
            raise DataError(
                f"{what} has no dimension {name!r}; sample_dim must be among "
                f"{', '.join(map(str, dims))}"
            )
    if len(set(names)) < len(names) or not names:
        raise DataError(f"sample_dim must name different dimensions, got {names}")
    return names


def _stacked(array: Any, sample_dims: tuple[Any, ...]) -> Any:
    """The Dask array (stacked samples, stacked features) of a DataArray."""
    import dask.array as da

    features = [dim for dim in array.dims if dim not in sample_dims]
    ordered = array.transpose(*sample_dims, *features)
    data = ordered.data if hasattr(ordered.data, "dask") else da.from_array(ordered.data)
    if data.ndim == 2 and len(sample_dims) == 1:
        return data
    n_rows = math.prod(ordered.sizes[dim] for dim in sample_dims)
    return data.reshape((n_rows, math.prod(ordered.sizes[dim] for dim in features)))
