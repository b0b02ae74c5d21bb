"""A zarr array whose chunks hold few columns of many rows: written to scratch once, as tiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from daskreg._typing import AnyArray

from .base import Reader, Rows

if TYPE_CHECKING:
    from daskreg.design.spool.scratch import Scratch

#: Files that tiles are written to, at most.
FILES = 64

#: First and last row, first and last column.
_Place = tuple[int, int, int, int]


class ZarrTiles(Rows):
    """Rows that are not read before ``turn`` has written every chunk to scratch.

    Parameters
    ----------
    array : zarr.Array, shape (n_rows, n_columns)
    dtype : numpy.dtype
    describe : str
    """

    libraries = ("zarr",)
    decode_factor = 2.0

    def __init__(self, array: Any, dtype: np.dtype[Any], describe: str) -> None:
        self._array, self.dtype, self.describe = array, dtype, describe
        self.n_rows, self.n_columns = (int(n) for n in array.shape)
        # A chunk, its compressed bytes and what malloc keeps of them.
        self.settle_nbytes = 3 * math.prod(array.chunks) * dtype.itemsize
        self.spool_nbytes = self.n_rows * self.n_columns * dtype.itemsize

    @property
    def settled(self) -> bool:
        return False

    def open(self, values: Sequence[Any] = ()) -> Reader:
        raise RuntimeError(f"{self.describe}: turn() makes these rows ready to be read")

    def turn(self, scratch: Scratch, run: Callable[..., list[Any]]) -> tuple[Rows, int]:
        """Write every chunk to scratch; returns the rows and the bytes that were read.

        Raises
        ------
        DataError
            Scratch has no room for it.
        """
        from daskreg.design.spool.tiles import TiledRows

        why = f"its chunks hold {self._array.chunks[1]} of {self.n_columns} columns"
        scratch.require(self.spool_nbytes, self.describe, why)
        rows, columns = map(_borders, self._array.shape, self._array.chunks)
        grid = [(a, b, c, d) for a, b in rows for c, d in columns]
        n_files = min(FILES, len(grid))
        groups = [grid[i::n_files] for i in range(n_files)]
        arguments = [(self._array, self.dtype, own, scratch.new("tiles")) for own in groups]
        written = run(_write, arguments)
        by_place = {
            place: tile
            for own, tiles in zip(groups, written, strict=True)
            for place, tile in zip(own, tiles, strict=True)
        }
        tiles = [[by_place[a, b, c, d] for c, d in columns] for a, b in rows]
        made = TiledRows(tiles, names=self.names, describe=f"{self.describe} (turned)")
        made.labels = self.labels
        return made, made.bytes_spooled


def _borders(n: int, length: int) -> list[tuple[int, int]]:
    return [(start, min(start + length, n)) for start in range(0, n, length)]


def _write(array: Any, dtype: np.dtype[Any], places: Sequence[_Place], path: str) -> list[Any]:
    from daskreg.design.spool.rawarray import RawArray

    def tiles() -> Any:
        for a, b, c, d in places:
            tile: AnyArray = np.asarray(array[a:b, c:d])
            yield tile.astype(dtype, copy=False)

    return RawArray.write_all(tiles(), f"{path}.raw")
