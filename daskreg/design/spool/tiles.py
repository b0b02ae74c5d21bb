"""Chunks of some columns of many rows, each once in scratch, from which runs of rows are read."""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from daskreg._typing import AnyArray
from daskreg.design.sources.base import Reader, Rows
from daskreg.design.sources.selected import describe as describe_selection
from daskreg.design.sources.selected import names_of

from .rawarray import RawArray

#: Bytes of a block that are put together at once, so that they stay in cache.
_TILE_NBYTES = 1 << 20


class TiledRows(Rows):
    """Rows of a matrix whose chunks lie in scratch as they are, each in row order.

    A chunk of columns holds rows of many blocks.  In scratch its rows can be read without the
    rest of it, so that writing each chunk once takes the memory of one chunk.

    Parameters
    ----------
    tiles : sequence of sequence of RawArray
        For each run of rows, its chunks.
    columns : sequence of ndarray of int, optional
        For each chunk of such a run the places of its columns, ascending; from left to right if
        not given.
    names, describe
        As in ``Rows``.
    """

    #: The pieces of a block, then the block.
    decode_factor = 2.0

    def __init__(
        self,
        tiles: Sequence[Sequence[RawArray]],
        *,
        columns: Sequence[AnyArray] | None = None,
        names: tuple[str, ...] | None = None,
        describe: str = "tiles",
    ) -> None:
        self._tiles = tuple(tuple(row) for row in tiles)
        self._rows = [*accumulate((row[0].shape[0] for row in self._tiles), initial=0)]
        self._widths = [tile.shape[1] for tile in self._tiles[0]]
        self.n_rows: int = self._rows[-1]
        self.dtype = self._tiles[0][0].dtype
        self.names, self.describe = names, describe
        self.bytes_spooled = sum(tile.nbytes for row in self._tiles for tile in row)
        placed = np.arange(sum(self._widths)) if columns is None else np.concatenate(columns)
        #: Of each column the tile that holds it, and its place in there.
        self._owner, self._inside = np.empty_like(placed), np.empty_like(placed)
        self._owner[placed] = np.repeat(np.arange(len(self._widths)), self._widths)
        self._inside[placed] = np.concatenate([np.arange(width) for width in self._widths])
        self._choose(np.arange(sum(self._widths)))

    def _choose(self, columns: AnyArray) -> None:
        self._columns, self.n_columns = columns, len(columns)
        owner, inside = self._owner[columns], self._inside[columns]
        order = np.argsort(owner, kind="stable")
        cuts = np.searchsorted(owner[order], np.arange(len(self._widths) + 1))
        #: Tile, columns of the block, columns of the tile.
        self._places: list[tuple[int, AnyArray | slice, AnyArray | slice]] = [
            (j, _run(order[low:high]), _run(inside[order[low:high]]))
            for j, (low, high) in enumerate(pairwise(cuts))
            if low < high
        ]

    @property
    def reads_columns(self) -> bool:
        return len(self._widths) > 1

    def select(self, columns: AnyArray) -> Rows:
        """Only tiles with these columns are read."""
        rows = copy.copy(self)
        rows.names = names_of(self, columns)
        rows.describe = describe_selection(self, columns)
        rows._choose(self._columns[columns])
        read = sum(self._widths[j] for j, _, _ in rows._places)
        rows.decode_factor = 1.0 + read / len(columns)
        return rows

    def open(self, values: Sequence[Any] = ()) -> Reader:
        return _TileReader(self)


class _TileReader(Reader):
    def __init__(self, rows: TiledRows) -> None:
        self._of = rows
        self._nbytes = 0
        #: The pieces of a block, which the next one uses again.
        self._room = np.empty(0, rows.dtype)

    def read(self, start: int, stop: int, out: AnyArray | None = None) -> AnyArray:
        rows = self._of
        shape = stop - start, rows.n_columns
        if out is None or out.shape != shape or out.dtype != rows.dtype:
            out = np.empty(shape, rows.dtype)
        self._nbytes = 0
        at = max(0, bisect_right(rows._rows, start) - 1)
        while at < len(rows._tiles) and rows._rows[at] < stop:
            low, high = rows._rows[at : at + 2]
            first, last = max(start, low), min(stop, high)
            self._fill(rows._tiles[at], slice(first - low, last - low), out[first - start :])
            at += 1
        return out

    def _fill(self, tiles: Sequence[RawArray], run: slice, out: AnyArray) -> None:
        places = self._of._places
        pieces = self._pieces([tiles[j] for j, _, _ in places], run)
        self._nbytes += sum(piece.nbytes for piece in pieces)
        step = max(64, _TILE_NBYTES // max(1, out.strides[0]))
        for start in range(0, run.stop - run.start, step):
            some = slice(start, min(start + step, run.stop - run.start))
            for piece, (_, there, inside) in zip(pieces, places, strict=True):
                out[some, there] = piece[some, inside]

    def _pieces(self, tiles: Sequence[RawArray], run: slice) -> list[AnyArray]:
        """The rows of a run of each tile."""
        n_rows = run.stop - run.start
        sizes = [n_rows * tile.shape[1] for tile in tiles]
        if sum(sizes) > self._room.size:
            self._room = np.empty(0, self._room.dtype)  # not both at once
            self._room = np.empty(sum(sizes), self._room.dtype)
        parts = np.split(self._room[: sum(sizes)], np.cumsum(sizes)[:-1])
        widths = [tile.shape[1] for tile in tiles]
        pieces = [part.reshape(n_rows, m) for part, m in zip(parts, widths, strict=True)]
        for tile, piece in zip(tiles, pieces, strict=True):
            tile.read_into(run.start, piece)
        return pieces

    def nbytes_read(self, values: AnyArray) -> int:
        return self._nbytes


def _run(places: AnyArray) -> AnyArray | slice:
    """Ascending places as a slice, where they follow each other."""
    first, last = int(places[0]), int(places[-1])
    return slice(first, last + 1) if last - first + 1 == len(places) else places
