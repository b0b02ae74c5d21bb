"""Files whose chunks hold few columns of many rows: written to scratch once, as tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from daskreg._typing import AnyArray

from .base import Reader, Rows

if TYPE_CHECKING:
    from daskreg.design.spool.scratch import Scratch

#: Files that tiles are written to, at most.
FILES = 64

#: First row or column and the one after the last.
Run = tuple[int, int]


class Boxes(Protocol):
    """A small, picklable recipe of a matrix that is read a box at a time.

    Attributes
    ----------
    rows : sequence of (int, int)
        Runs of rows, from the first one to the last.
    columns : sequence of ndarray of int
        Ascending places of columns, each column in one of them.  Every pair of a run of rows and
        a set of columns is one box, a file chunk or several whole ones.
    """

    @property
    def rows(self) -> Sequence[Run]: ...

    @property
    def columns(self) -> Sequence[AnyArray]: ...

    def read(self, rows: Run, at: int) -> AnyArray:
        """One box, its rows and the columns ``columns[at]``."""


class ChunkTiles(Rows):
    """Rows that are not read before ``turn`` has written every box to scratch.

    Parameters
    ----------
    boxes : Boxes
    like : Rows
        The same rows as they are, for type, names and the name in messages.
    """

    def __init__(self, boxes: Boxes, like: Rows) -> None:
        self._boxes = boxes
        self.dtype, self.describe, self.libraries = like.dtype, like.describe, like.libraries
        self.names, self.labels = like.names, like.labels
        self.n_rows, self.n_columns = boxes.rows[-1][1], sum(map(len, boxes.columns))
        self.decode_factor = 2.0
        self._widest = max(map(len, boxes.columns))
        box = self._widest * max(stop - start for start, stop in boxes.rows)
        # A box, the compressed bytes of it and what malloc keeps of them.
        self.settle_nbytes = 3 * box * self.dtype.itemsize
        self.spool_nbytes = self.n_rows * self.n_columns * self.dtype.itemsize

    @property
    def settled(self) -> bool:
        return False

    def open(self, values: Sequence[Any] = ()) -> Reader:
        raise RuntimeError(f"{self.describe}: turn() makes these rows ready to be read")

    def turn(self, scratch: Scratch, run: Callable[..., list[Any]]) -> tuple[Rows, int]:
        """Write every box to scratch; returns the rows and the bytes that were read.

        Raises
        ------
        DataError
            Scratch has no room for it.
        """
        from daskreg.design.spool.tiles import TiledRows

        boxes = self._boxes
        why = f"its chunks hold {self._widest} of {self.n_columns} columns"
        scratch.require(self.spool_nbytes, self.describe, why)
        sets = range(len(boxes.columns))
        grid = [(rows, at) for rows in boxes.rows for at in sets]
        n_files = min(FILES, len(grid))
        groups = [grid[i::n_files] for i in range(n_files)]
        arguments = [(boxes, self.dtype, own, scratch.new("tiles")) for own in groups]
        written = run(_write, arguments)
        by_place = {
            place: tile
            for own, tiles in zip(groups, written, strict=True)
            for place, tile in zip(own, tiles, strict=True)
        }
        tiles = [[by_place[rows, at] for at in sets] for rows in boxes.rows]
        made = TiledRows(
            tiles, columns=boxes.columns, names=self.names, describe=f"{self.describe} (turned)"
        )
        made.labels = self.labels
        return made, made.bytes_spooled


def borders(n: int, length: int) -> list[Run]:
    """Runs of some length that cover ``n`` places; the last may be shorter.

    Examples
    --------
    >>> borders(5, 2)
    [(0, 2), (2, 4), (4, 5)]
    """
    return [(start, min(start + length, n)) for start in range(0, n, length)]


def _write(
    boxes: Boxes, dtype: np.dtype[Any], places: Sequence[tuple[Run, int]], path: str
) -> list[Any]:
    from daskreg.design.spool.rawarray import RawArray

    values = (boxes.read(*place).astype(dtype, copy=False) for place in places)
    return RawArray.write_all(values, f"{path}.raw")
