"""How the columns of X lie over the dimensions of a labelled array."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from daskreg._typing import AnyArray


@dataclass(frozen=True)
class Labels:
    """What a result needs to be labelled as X was.

    Attributes
    ----------
    feature_names : tuple of str or None
        One name for each column, as in ``tas[lat=10.5,lon=3]``.
    dims : tuple of str
        The dimensions of X that became columns, in C order; empty where several variables lie
        side by side.
    shape : tuple of int
        Lengths of ``dims``.
    coords : dict of str to ndarray
        One-dimensional coordinate of each of ``dims`` that has one.
    """

    feature_names: tuple[str, ...] | None
    dims: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    coords: dict[str, AnyArray] = field(default_factory=dict)


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
