"""Arrow columns as numpy values."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._typing import AnyArray
from daskreg.exceptions import DataError

from .checks import STRING


def numpy_dtype(kind: Any, name: str, what: str) -> np.dtype[Any]:
    """The numpy type of a column of an Arrow type; strings and their dictionaries are ``STRING``.

    Raises
    ------
    DataError
        Lists, structures, bytes ...
    """
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return STRING
    if pa.types.is_decimal(kind):
        return np.dtype(np.float64)
    try:
        return np.dtype(kind.to_pandas_dtype())
    except (NotImplementedError, TypeError) as error:
        raise DataError(
            f"column {name!r} of {what} has type {kind}: expected bool, integer or float"
        ) from error


def column_values(column: Any, name: str, dtype: np.dtype[Any], first: int) -> AnyArray:
    """Values of an Arrow array; nulls are NaN where blocks hold floats.

    Parameters
    ----------
    column : pyarrow.Array
    name : str
    dtype : numpy.dtype
    first : int
        Number of its first row, for the message.

    Raises
    ------
    DataError
        Nulls where there is no NaN.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.null_count and dtype.kind != "f":
        row = first + int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise DataError(
            f"column {name!r} holds {column.null_count} or more missing values, the first in row "
            f"{row}, and {dtype} has no NaN: fill them or drop those rows"
        )
    if pa.types.is_decimal(column.type) or (column.null_count and dtype.kind == "f"):
        column = column.cast(pa.float64())
    values: AnyArray = column.to_numpy(zero_copy_only=False)
    return values.astype(dtype) if dtype.kind == "U" else values
