"""Moments and Gram matrix of dense tiles in numpy and BLAS, a piece of a tile at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Float

from .tiles import tile_borders

#: Bytes of the rows that are shifted and summed while they are in the second-level cache.
PIECE_BYTES = 2**19
#: Bytes of rows that are multiplied together, and how many there are at least, with half as many as
#: columns: each product is made in memory of its own, and added.
ROOM_BYTES, ROOM_ROWS = 2**20, 1024


class PieceSums:
    """What :class:`Running` needs of a dense tile; see ``TileSums``, which does it compiled.

    Parameters
    ----------
    n_features : int
    dtype : dtype
        Type of the Gram products; they are added in float64.
    gram : ndarray, shape (p, p) or (p, f), or None
    columns : ndarray of int, shape (f,), or None
    """

    def __init__(
        self,
        n_features: int,
        dtype: np.dtype[Any],
        gram: Float | None,
        columns: AnyArray | None,
    ) -> None:
        self.n_features = n_features
        self.dtype = dtype
        self.gram = gram
        self.columns = columns
        p = max(1, n_features)
        self.rows = max(PIECE_BYTES // (8 * p), 16)
        most = max(ROOM_BYTES // (dtype.itemsize * p), ROOM_ROWS, p // 2)
        self._together = self.rows if gram is None else most // self.rows * self.rows or self.rows
        self._piece = np.empty((0, n_features))
        self._room: AnyArray = np.empty((0, n_features), dtype)

    def add(
        self, tile: AnyArray, shift: Float, root: Float | None, right: Float
    ) -> tuple[Float, Float]:
        """Return the sums of ``d = root (tile - shift)`` with ``right``, (p, 1 + q), and of d d.

        Parameters are those of ``TileSums``; ``root`` None: ones.
        """
        sums = np.zeros((right.shape[1], self.n_features))
        squares = np.zeros(self.n_features)
        own_squares = self.gram is None or self.columns is not None or self.dtype != np.float64
        for first, last in tile_borders(len(tile), self._together):
            room = self._rows_of_room(last - first)
            for start, stop in tile_borders(last - first, self.rows):
                own = slice(first + start, first + stop)
                piece = self._shifted(tile[own], shift, room, start)
                if root is not None:
                    piece *= root[own, None]
                sums += right[own].T @ piece
                if own_squares:
                    squares += np.einsum("ij,ij->j", piece, piece)
                if room is not None and room.dtype != piece.dtype:
                    room[start:stop] = piece
            if room is not None:
                product = self._add_product(room)
                squares += 0.0 if own_squares else product.diagonal()
        return sums.T, squares

    def finish(self) -> None:
        """Nothing waits."""

    def _rows_of_room(self, n_rows: int) -> AnyArray | None:
        if self.gram is None:
            return None
        if n_rows > len(self._room):
            self._room = np.empty((n_rows, self.n_features), self.dtype)
        return self._room[:n_rows]

    def _shifted(self, rows: AnyArray, shift: Float, room: AnyArray | None, start: int) -> Float:
        """Return rows less their shift, in the room for products if that is float64."""
        if room is not None and room.dtype == np.float64:
            out = room[start : start + len(rows)]
        else:
            if len(rows) > len(self._piece):
                self._piece = np.empty(rows.shape)
            out = self._piece[: len(rows)]
        if rows.dtype == np.float64:
            return np.subtract(rows, shift, out=out)
        np.copyto(out, rows)  # a cast and a subtraction in one would go through small buffers
        out -= shift
        return out

    def _add_product(self, room: AnyArray) -> AnyArray:
        assert self.gram is not None
        product = room.T @ (room if self.columns is None else room[:, self.columns])
        self.gram += product
        return product
