"""The chunks of a file as boxes of rows and columns."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np

from daskreg._typing import AnyArray

from .chunk_tiles import Run, borders

#: Decoded chunks that HDF5 keeps of every open variable, as netCDF sets it by default.
CHUNK_CACHE = 64 << 20
#: Chunks that zarr decodes together by default.
CONCURRENCY = 10
#: Chunks of columns whose whole rows are larger are written to scratch once.
MAX_STRIP = 256 << 20
#: HDF5 is not thread-safe: one read at a time in this process.
READ_LOCK = threading.Lock()


@dataclass(frozen=True)
class ZarrBoxes:
    """The chunks of a zarr array, shape (n_rows, n_columns)."""

    array: Any

    @property
    def rows(self) -> list[Run]:
        return borders(self.array.shape[0], self.array.chunks[0])

    @property
    def columns(self) -> list[AnyArray]:
        return [np.arange(*run) for run in borders(self.array.shape[1], self.array.chunks[1])]

    def read(self, rows: Run, at: int) -> AnyArray:
        start, stop = borders(self.array.shape[1], self.array.chunks[1])[at]
        return np.asarray(self.array[slice(*rows), start:stop])


@dataclass(frozen=True)
class VariableBoxes:
    """The chunks of labelled variables in a file; sample dimensions are stacked into rows.

    A run of rows is a run of the outermost sample dimension and all of the inner ones; a set of
    columns is what one chunk holds of the other dimensions of one variable.

    Parameters
    ----------
    variables : tuple of xarray.Variable
    sample_dims : tuple of str
    height : int
        Of a run, along the outermost sample dimension.
    chunks : tuple of dict
        Of each variable the lengths of its chunks, by dimension.
    aligned : bool
        Whether runs of rows must be read whole, because the library keeps no chunk for the next.
    """

    variables: tuple[Any, ...]
    sample_dims: tuple[str, ...]
    height: int
    chunks: tuple[dict[str, int], ...]
    aligned: bool

    @property
    def rows(self) -> list[Run]:
        sizes = [self.variables[0].sizes[dim] for dim in self.sample_dims]
        inner = math.prod(sizes[1:])
        return [(start * inner, stop * inner) for start, stop in borders(sizes[0], self.height)]

    @property
    def columns(self) -> list[AnyArray]:
        widths = [math.prod(v.sizes[dim] for dim in self._others(v)) for v in self.variables]
        starts = list(accumulate(widths, initial=0))
        sets = []
        for i, box in self._corners:
            shape = [self.variables[i].sizes[dim] for dim in box]
            places = np.arange(math.prod(shape)).reshape(shape)
            sets.append(starts[i] + places[tuple(box.values())].reshape(-1))
        return sets

    def read(self, rows: Run, at: int) -> AnyArray:
        i, box = self._corners[at]
        inner = math.prod(self.variables[0].sizes[dim] for dim in self.sample_dims[1:])
        run = slice(rows[0] // inner, rows[1] // inner)
        part = self.variables[i].isel({self.sample_dims[0]: run, **box})
        return loaded(part, self.sample_dims).reshape(rows[1] - rows[0], -1)

    def _others(self, variable: Any) -> list[str]:
        return [str(dim) for dim in variable.dims if dim not in self.sample_dims]

    @cached_property
    def _corners(self) -> list[tuple[int, dict[str, slice]]]:
        """Variable, and where its chunks are along its other dimensions."""
        corners = []
        for i, (variable, lengths) in enumerate(zip(self.variables, self.chunks, strict=True)):
            grid: list[dict[str, slice]] = [{}]
            for dim in self._others(variable):
                runs = borders(variable.sizes[dim], lengths[dim])
                grid = [{**box, dim: slice(*run)} for box in grid for run in runs]
            corners += [(i, box) for box in grid]
        return corners


def boxes_of(variables: Sequence[Any], sample_dims: tuple[str, ...]) -> VariableBoxes | None:
    """The chunks of variables in a file; None where one lies in memory or is not chunked."""
    chunks = [chunk_sizes(variable) for variable in variables]
    if any(lengths is None for lengths in chunks):
        return None
    known = tuple(lengths for lengths in chunks if lengths is not None)
    height = max(lengths[sample_dims[0]] for lengths in known)
    hdf5 = all("chunksizes" in variable.encoding for variable in variables)
    return VariableBoxes(tuple(map(bare, variables)), sample_dims, height, known, not hdf5)


def bare(variable: Any) -> Any:
    """The variable without its attributes, which may be long."""
    copied = variable.copy(deep=False)
    copied.attrs, copied.encoding = {}, {}
    return copied


def chunk_sizes(variable: Any) -> dict[str, int] | None:
    """Lengths of the chunks of a variable in a file, by dimension."""
    lengths = variable.encoding.get("preferred_chunks")
    if in_memory(variable) or not lengths or not set(variable.dims) <= set(lengths):
        return None
    return {str(dim): min(int(lengths[dim]), variable.sizes[dim]) or 1 for dim in variable.dims}


def cache_nbytes(variable: Any) -> int:
    """What a library holds beside a block that is read of a variable."""
    lengths = chunk_sizes(variable)
    if lengths is None:
        return 0
    chunk = math.prod(lengths.values()) * variable.dtype.itemsize
    if "chunksizes" in variable.encoding:
        # Beside the cache: a chunk on its way in and one on its way out, and what malloc keeps.
        return int(min(CHUNK_CACHE, variable.nbytes)) + 4 * chunk
    n_chunks = math.prod(-(-variable.sizes[dim] // lengths[dim]) for dim in lengths)
    return 2 * min(CONCURRENCY, n_chunks) * chunk


def loaded(part: Any, sample_dims: Sequence[str]) -> AnyArray:
    """Values of a part of a variable, sample dimensions first.

    It is loaded before its axes are moved: files are read in their own order.
    """
    if not in_memory(part):
        with READ_LOCK:
            part.load()
    return np.asarray(part.transpose(*sample_dims, ...).values)


def in_memory(variable: Any) -> bool:
    """Whether reading a variable copies nothing from a file."""
    return bool(getattr(variable, "_in_memory", False))
