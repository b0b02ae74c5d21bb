"""Rows of xarray objects: the result has the coordinates of the sample dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from daskreg.exceptions import DataError

from .call import Call, rows_per_run
from .lazily import OnBlock, map_dask


def map_labelled(
    X: Any,
    call: Call,
    sample_dim: Any,
    feature_dims: Sequence[str] | None,
    feature_names: Sequence[str] | None,
    column: tuple[str, Any],
) -> Any:
    """Return a DataArray over the sample dimensions of a DataArray or Dataset.

    A Dataset's variables lie side by side as columns; dimensions of theirs that are not samples
    are columns in C order.
    """
    import xarray as xr

    samples = _sample_dims(X, sample_dim, feature_dims)
    pieces = _pieces(X, samples, feature_dims, feature_names)
    offset = call.offset
    if hasattr(offset, "dims"):
        offset = offset.transpose(*samples, ...)
    call = Call(call.function, call.width, call.dtype, call.n_features, offset)
    call.check_width(sum(math.prod(piece.shape[len(samples) :]) for piece in pieces))
    lazy = any(piece.chunks is not None for piece in pieces)
    data = _lazy(pieces, samples, call) if lazy else _in_runs(pieces, samples, call)
    name, labels = column
    dims = samples if call.width is None else (*samples, name)
    coords = {
        key: value
        for key, value in X.coords.items()
        if value.dims and set(value.dims) <= set(samples)
    }
    if call.width is not None and labels is not None:
        coords[name] = np.asarray(labels)
    return xr.DataArray(data, dims=dims, coords=coords)


def _sample_dims(X: Any, sample_dim: Any, feature_dims: Sequence[str] | None) -> tuple[Any, ...]:
    dims = tuple(X.dims)
    if sample_dim is None:
        left = tuple(dim for dim in dims if dim not in (feature_dims or dims[1:]))
        return left or dims[:1]
    wanted = (sample_dim,) if isinstance(sample_dim, str) else tuple(sample_dim)
    absent = [dim for dim in wanted if dim not in dims]
    if absent:
        raise DataError(f"sample_dim {absent[0]!r} is no dimension of X; it has {dims}")
    return wanted


def _pieces(X: Any, samples: tuple[Any, ...], feature_dims: Any, feature_names: Any) -> list[Any]:
    """DataArrays with the sample dimensions first, side by side the columns of X."""
    if hasattr(X, "data_vars"):
        wanted = {*samples, *(feature_dims or ())}
        usable = [str(name) for name, value in X.data_vars.items() if wanted <= set(value.dims)]
        arrays = [X[name] for name in variables_of(feature_names, usable, feature_dims)]
    else:
        arrays = [X]
    pieces = []
    for array in arrays:
        rest = [dim for dim in array.dims if dim not in samples]
        if feature_dims and set(feature_dims) == set(rest):
            rest = list(feature_dims)
        pieces.append(array.transpose(*samples, *rest))
    if len(pieces) > 1 and feature_names is not None:
        _check_places(pieces, samples, feature_names)
    return pieces


def _check_places(pieces: list[Any], samples: tuple[Any, ...], names: Sequence[str]) -> None:
    """Raise ``DataError`` where variables of several dimensions lie in another order."""
    from daskreg.design.sources.labels import column_names

    found = [name for piece in pieces for name in column_names(piece, samples)]
    if found != list(names):
        strange = next((name for name in found if name not in names), "their order")
        raise DataError(f"the columns of X are not those of the fit: {strange} differs")


def variables_of(
    feature_names: Sequence[str] | None, known: Sequence[str], feature_dims: Any = None
) -> list[str]:
    """The variables that hold the named features, of which "name[place]" is part of "name".

    Names that are coordinates of ``feature_dims`` tell of no variable: then it is all of them.

    Raises
    ------
    DataError
        A feature's variable is not there.
    """
    if feature_names is None:
        return list(known)
    names = [n if n in known else n.partition("[")[0] for n in feature_names]
    placed = any("[" in name for name in feature_names)
    if feature_dims and not placed and not all(name in known for name in names):
        return list(known)
    absent = [name for name in names if name not in known]
    if absent:
        raise DataError(
            f"X lacks {absent[0]!r}, which the model was fitted on; it has "
            f"{', '.join(map(repr, known[:8]))}"
        )
    return list(dict.fromkeys(names))


def _lazy(pieces: Sequence[Any], samples: tuple[Any, ...], call: Call) -> Any:
    import dask.array as da

    n = len(samples)
    if len(pieces) == 1:
        return map_dask(da.asarray(pieces[0].data), call, n)
    head = pieces[0].shape[:n]
    flat = [da.asarray(piece.data).reshape((*head, -1)) for piece in pieces]
    return map_dask(da.concatenate(flat, axis=n), call, n)


def _in_runs(pieces: Sequence[Any], samples: tuple[Any, ...], call: Call) -> Any:
    """Read and compute slices along the first sample dimension; files are not loaded whole."""
    n = len(samples)
    head = pieces[0].shape[:n]
    offset = call.host_offset(None)
    tail = () if call.width is None else (call.width,)
    if offset is not None:
        if offset.shape[:n] != head and offset.shape[:1] != (math.prod(head),):
            raise DataError(f"offset has shape {offset.shape}, but the rows of X have shape {head}")
        extra = offset.shape[n:] if offset.shape[:n] == head else offset.shape[1:]
        offset = offset.reshape((*head, *extra))
    out = np.empty((*head, *tail), call.dtype)
    function = OnBlock(call.function, n)
    each = math.prod(head[1:])
    step = max(1, rows_per_run(call.n_features, 8) // max(1, each))
    for start in range(0, head[0], step):
        chosen = {samples[0]: slice(start, start + step)}
        parts = [np.asarray(piece.isel(chosen).data) for piece in pieces]
        flat = [part.reshape((*part.shape[:n], -1)) for part in parts]
        rows = flat[0] if len(flat) == 1 else np.concatenate(flat, axis=n)
        more = () if offset is None else (offset[start : start + step],)
        out[start : start + step] = function(rows, *more)
    return out
