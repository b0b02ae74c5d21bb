"""Arrays of numpy, and what becomes one: lists of rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from daskreg._typing import AnyArray
from daskreg.design.sources.memory import ArrayRows
from daskreg.design.sources.npy import memmap_rows
from daskreg.exceptions import DataError

from .request import Opened, Request, check_dimensions


def of_array(obj: Any, request: Request) -> Opened | None:
    """Rows of an array in memory, of one that is mapped, or of a list of rows."""
    if isinstance(obj, (list, tuple)):
        obj = _from_sequence(obj, request)
    if not isinstance(obj, np.ndarray):
        return None
    if isinstance(obj, np.ma.MaskedArray):
        raise DataError(
            f"{request.role} is a masked array: fill it, {request.role}.filled(value), or drop "
            "the masked rows"
        )
    check_dimensions(obj.shape, request, "numpy")
    mapped = memmap_rows(obj, labels=request.labels)
    if mapped is not None:
        mapped.describe = f"memmap {os.path.basename(mapped.path)}"
        return mapped
    values = np.asarray(obj)
    if values.dtype.kind == "O" and request.labels:
        values = _labels(values, request.role)
    return ArrayRows(values, what=f"{request.role} (numpy array)", labels=request.labels)


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


def _from_sequence(obj: Sequence[Any], request: Request) -> AnyArray:
    try:
        return np.asarray(obj)
    except ValueError as error:
        raise DataError(f"{request.role} is a list of unequal rows: {error}") from error
