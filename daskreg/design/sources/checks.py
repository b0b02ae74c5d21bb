"""Refusals that need no pass over the data: types, shapes, missing files and libraries."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from daskreg._array import is_number
from daskreg.exceptions import DataError, MissingDependencyError

#: What may hold labels: strings beside numbers.
LABELLED = ("y", "groups")
#: Labels of unknown width; every block has its own.
STRING = np.dtype("U")


def native_dtype(dtype: Any, what: str, *, labels: bool = False) -> np.dtype[Any]:
    """Return the type in the byte order of this machine, or say why blocks cannot hold it.

    Parameters
    ----------
    dtype : dtype
    what : str
        What has this type, for the message: "X (zarr data.zarr)", "column 'age' of cars.csv".
    labels : bool
        Whether strings are welcome.

    Raises
    ------
    DataError
        Complex, dates, objects, structures, extended precision; strings unless ``labels``.
    """
    dtype = np.dtype(dtype)
    if is_number(dtype) and dtype.itemsize <= 8:
        return dtype.newbyteorder("=")
    if labels and dtype.kind in "UT":
        return dtype.newbyteorder("=") if dtype.kind == "U" else STRING
    raise DataError(f"{what} has type {dtype}: {_remedy(dtype)}")


def _remedy(dtype: np.dtype[Any]) -> str:
    if dtype.type is np.void and dtype.names is None and dtype.itemsize == 2:
        return (
            "bytes that do not say what they are, as numpy stores bfloat16: where they are that, "
            "import ml_dtypes and pass .view('bfloat16')"
        )
    if dtype.kind == "V" and dtype.names is None:
        return "convert it, for example with .astype('float32')"
    remedies = {
        "c": "complex numbers have no order; pass the real and imaginary parts as columns",
        "M": "turn dates into numbers first, for example days since the first one",
        "m": "turn durations into numbers first, for example divide by np.timedelta64(1, 's')",
        "O": "expected bool, integer or float; convert it, for example with .astype('float64')",
        "U": "encode strings as numbers first, for example one column for each category",
        "T": "encode strings as numbers first, for example one column for each category",
        "S": "encode bytes as numbers first, for example one column for each category",
        "V": "pass its fields as columns of one plain type",
        "f": "use float64: .astype('float64')",
    }
    return remedies.get(dtype.kind, "expected bool, integer or float")


def common_dtype(
    dtypes: Iterable[Any], names: Sequence[str], what: str, *, labels: bool = True
) -> np.dtype[Any]:
    """The type that holds all these columns; a lone column may hold labels.

    Raises
    ------
    DataError
        Names the columns whose type cannot go into a matrix.
    """
    dtypes = [np.dtype(dtype) for dtype in dtypes]
    if len(dtypes) == 1:
        return native_dtype(dtypes[0], f"column {names[0]!r} of {what}", labels=labels)
    strings = [name for name, dtype in zip(names, dtypes, strict=True) if dtype.kind in "UT"]
    if strings:
        raise strings_among_features(strings, what)
    for name, dtype in zip(names, dtypes, strict=True):
        native_dtype(dtype, f"column {name!r} of {what}")
    return joint_dtype(dtypes, names, what).newbyteorder("=")


def joint_dtype(dtypes: Sequence[np.dtype[Any]], names: Sequence[Any], what: str) -> np.dtype[Any]:
    """The type that holds numbers of all these types.

    Raises
    ------
    DataError
        There is none, as for float16 and bfloat16: names a column of each.
    """
    try:
        return np.result_type(*dtypes)
    except TypeError:  # numpy has more kinds of it
        first = {dtype: name for name, dtype in reversed(list(zip(names, dtypes, strict=True)))}
        shown = ", ".join(f"{name!r} ({dtype})" for dtype, name in first.items())
        raise DataError(
            f"{what}: no type holds the numbers of columns {shown}; convert them to one type, "
            "for example float32"
        ) from None


def strings_among_features(names: Sequence[str], what: str) -> DataError:
    """The error for string or categorical columns among several."""
    shown = ", ".join(map(repr, names[:8])) + (" ..." if len(names) > 8 else "")
    return DataError(
        f"{what}: {shown} hold strings or categories: encode them first, for example one 0/1 "
        "column for each category (pandas.get_dummies), or leave them out; a lone y may be labels"
    )


def need(module: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional library.

    Raises
    ------
    MissingDependencyError
        Names the extra to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{purpose} needs {module.partition('.')[0]}, which cannot be imported ({error}): "
            f"pip install 'daskreg[{extra}]'"
        ) from error


def existing(path: str | os.PathLike[str]) -> Path:
    """The absolute path, or ``DataError`` that names the nearest folder that exists."""
    found = Path(path).expanduser().absolute()
    if found.exists():
        return found
    parent = next(folder for folder in found.parents if folder.exists())
    raise DataError(f"no such file or folder: {found} (the nearest that exists is {parent})")
