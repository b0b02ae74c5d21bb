"""Rows of a Dask array: one task a run of rows, nothing computed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from daskreg.exceptions import DataError

from .call import Call


@dataclass(frozen=True)
class OnBlock:
    """The function for blocks whose leading axes are rows and whose other axes are columns."""

    function: Any
    n_sample_axes: int

    def __call__(self, block: Any, offset: Any = None) -> Any:
        head = block.shape[: self.n_sample_axes]
        rows = block.reshape((math.prod(head), -1)) if block.ndim != 2 else block
        if offset is None:
            result = self.function(rows)
        else:
            result = self.function(rows, offset.reshape((len(rows), *offset.shape[len(head) :])))
        return np.reshape(result, (*head, *result.shape[1:]))


def map_dask(X: Any, call: Call, n_sample_axes: int = 1) -> Any:
    """Return the lazy result for a Dask array, its columns whole or in chunks.

    The leading ``n_sample_axes`` axes of X are rows, in C order; they stay apart in the result.
    Chunks of rows may have unknown lengths.
    """
    import dask.array as da

    if X.ndim <= n_sample_axes:
        raise DataError(f"Expected a 2D array of rows, got shape {X.shape}. Reshape your data.")
    call.check_width(math.prod(X.shape[n_sample_axes:]))
    axes = tuple(range(X.ndim))
    samples = axes[:n_sample_axes]
    arrays: list[Any] = [X, axes]
    if call.offset is not None:
        offset = _lazy_offset(call.offset, X, n_sample_axes)
        arrays += [offset, samples if offset.ndim == n_sample_axes else (*samples, X.ndim)]
    out, new = samples, None
    if call.width is not None:
        out, new = (*samples, X.ndim + 1), {X.ndim + 1: call.width}
    return da.blockwise(
        OnBlock(call.function, n_sample_axes),
        out,
        *arrays,
        new_axes=new,
        concatenate=True,
        align_arrays=False,
        dtype=call.dtype,
        meta=np.empty((0,) * len(out), call.dtype),
    )


def _lazy_offset(offset: Any, X: Any, n_sample_axes: int) -> Any:
    """The offset as a Dask array chunked as the rows of X."""
    import dask.array as da

    heads = X.chunks[:n_sample_axes]
    if any(math.isnan(n) for chunks in heads for n in chunks):
        if isinstance(offset, da.Array) and len(offset.chunks[0]) == X.numblocks[0]:
            return offset
        raise DataError(
            "the row chunks of X are unknown: pass offset as a dask array with the same chunks, "
            "or call X.compute_chunk_sizes() first"
        )
    values = da.asarray(getattr(offset, "data", offset) if hasattr(offset, "dims") else offset)
    shape = X.shape[:n_sample_axes]
    if (
        values.ndim
        and values.shape[:n_sample_axes] != shape
        and values.shape[0] == math.prod(shape)
    ):
        values = values.reshape((*shape, *values.shape[1:]))
    if values.ndim == 0 or values.shape[:n_sample_axes] != shape:
        raise DataError(f"offset has shape {values.shape}, but the rows of X have shape {shape}")
    tail = dict.fromkeys(range(n_sample_axes, values.ndim), -1)
    return values.rechunk(dict(enumerate(heads)) | tail)
