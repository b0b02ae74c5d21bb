"""The only file that asks what kind of array it has: dense or sparse, on the host or a device."""

from __future__ import annotations

import sys
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from ._typing import AnyArray, Float, Matrix


@cache
def name_of(dtype: Any) -> str:
    """Return the name of a type of numbers, which numpy puts together anew for each who asks."""
    return np.dtype(dtype).name


def places(chosen: AnyArray) -> AnyArray:
    """Return where a vector is not zero: ``np.flatnonzero`` in a fifth of its time."""
    found: AnyArray = chosen.nonzero()[0]
    return found


def is_bfloat16(dtype: Any) -> bool:
    """Whether this is the bfloat16 of ``ml_dtypes``, to numpy bytes without meaning."""
    return getattr(dtype, "kind", "") == "V" and name_of(dtype) == "bfloat16"


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether numbers of this type have a point."""
    return dtype.kind == "f" or is_bfloat16(dtype)


def is_number(dtype: np.dtype[Any]) -> bool:
    """Whether blocks may hold numbers of this type: bool, signed, unsigned, float."""
    return dtype.kind in "biu" or is_float(dtype)


def is_sparse(X: Matrix) -> bool:
    """Whether X is a compressed sparse row matrix; asks for its parts, not for its type's name."""
    return hasattr(X, "indptr")


def take_rows(X: Matrix, start: int, stop: int) -> Matrix:
    """Return rows ``start:stop``: a view, but for what tells rows of a sparse X apart."""
    if not is_sparse(X):
        return X[start:stop]
    if start == 0 and stop >= X.shape[0]:
        return X
    pointers = X.indptr[start : stop + 1]
    part = slice(pointers[0], pointers[-1])
    return csr_like(X, X.data[part], X.indices[part], pointers - pointers[0])


def csr_like(X: Matrix, data: AnyArray, indices: AnyArray, indptr: AnyArray) -> Matrix:
    """Return a sparse matrix of X's kind and width from its three parts, which it shares."""
    return csr_of(type(X), data, indices, indptr, X.shape[1])


def csr_of(
    kind: Any, data: AnyArray, indices: AnyArray, indptr: AnyArray, n_columns: int
) -> Matrix:
    """Return a matrix of some class of CSR that shares its three parts, which fit each other.

    That of SciPy would look through them, and copy those that are small parts of something larger.
    """
    made = kind((len(indptr) - 1, n_columns))
    made.data, made.indices, made.indptr = data, indices, indptr
    return made


def with_data(X: Matrix, data: AnyArray) -> Matrix:
    """Return the sparse matrix X with other numbers in the same places."""
    return csr_like(X, data, X.indices, X.indptr)


def scale_rows(X: Matrix, factor: Float) -> Matrix:
    """Return the sparse matrix ``diag(factor) @ X`` in float64; X itself stays as it is."""
    repeated = np.repeat(factor, np.diff(X.indptr))
    return with_data(X, X.data.astype(np.float64) * repeated)


def as_type(X: Matrix, dtype: np.dtype[Any] | str) -> Matrix:
    """Return X in ``dtype``, without a copy where it is already."""
    if not is_sparse(X):
        return X.astype(dtype, copy=False)
    return X if X.dtype == dtype else with_data(X, X.data.astype(dtype))


def to_dense(X: Matrix) -> AnyArray:
    """Return X as an ndarray."""
    return np.asarray(X.toarray() if hasattr(X, "toarray") else X)


def namespace(x: Any) -> Any:
    """Return the module of array functions that x belongs to: numpy for what is no array."""
    if isinstance(x, np.ndarray):
        return np
    cupy = sys.modules.get("cupy")  # a run on the host never pays for the import
    # Another thread may be in the middle of importing it: then nothing can be one of its arrays.
    if cupy is not None and isinstance(x, getattr(cupy, "ndarray", ())):
        return cupy
    own = getattr(x, "__array_namespace__", None)
    return np if own is None or isinstance(x, np.generic) else own()


def is_on_host(x: Any) -> bool:
    """Whether x is a numpy array, a number, or anything else that lives in host memory."""
    return isinstance(x, np.ndarray) or namespace(x) is np


def beside(x: Any, values: Any) -> Any:
    """Return ``values`` as an array of x's kind on x's device; they stay what they are if so.

    Parameters
    ----------
    x : array of any kind
    values : number, ndarray or array of x's kind
    """
    xp = np if isinstance(x, np.ndarray) else namespace(x)
    if xp is np:
        return np.asarray(values)
    if not is_on_host(values):
        return values
    if getattr(xp, "__name__", "") == "cupy":
        return xp.asarray(values)
    return xp.asarray(np.ascontiguousarray(values), device=x.device)


def contiguous(x: Any) -> Any:
    """Return x with its last axis first in memory, as it is, where its library knows of memory."""
    xp = namespace(x)
    return xp.ascontiguousarray(x) if hasattr(xp, "ascontiguousarray") else x


def stable_order(x: Any) -> Any:
    """Return the places of the numbers of a vector in rising order; equal ones stay in theirs."""
    xp = namespace(x)
    if xp is np or getattr(xp, "__name__", "") == "cupy":
        return x.argsort(kind="stable")  # neither takes the name that the standard has for it
    return xp.argsort(x, stable=True)


def running_sum(x: Any) -> Any:
    """Return the sums of all rows up to each one, in the type of x, which is no short integer."""
    xp = namespace(x)
    # The standard's name came late to CuPy 14.
    return xp.cumulative_sum(x, axis=0) if hasattr(xp, "cumulative_sum") else xp.cumsum(x, axis=0)


def concatenated(parts: Any, axis: int = 0) -> Any:
    """Return arrays of one library, one after the other along an axis."""
    xp = namespace(parts[0])
    # CuPy has had numpy's old name for longer.
    join = xp.concatenate if hasattr(xp, "concatenate") else xp.concat
    return join(parts, axis=axis)


def to_host(x: Any) -> Any:
    """Return x with all its arrays on the host: arrays, mappings, sequences and data classes.

    What is on the host already is returned as it is.
    """
    if isinstance(x, np.ndarray | np.generic | str | bytes | int | float | None):
        return x
    if isinstance(x, dict):
        return type(x)({name: to_host(value) for name, value in x.items()})
    if isinstance(x, list | tuple):
        return type(x)(to_host(value) for value in x)
    if hasattr(x, "on_host"):
        return x.on_host()
    if is_dataclass(x) and not isinstance(x, type):
        return replace(x, **{part.name: to_host(getattr(x, part.name)) for part in fields(x)})
    xp = namespace(x)
    if xp is np:
        return x
    if hasattr(x, "get"):
        return x.get()
    return np.from_dlpack(xp.asarray(x, device=xp.Device("CPU_DEVICE")))
