"""Moments and Gram matrix of dense tiles, in machine code and BLAS, a piece of a tile at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._blas import blas_routine
from daskreg._typing import AnyArray, Float
from daskreg.compiled import add_moments

from .tiles import stored, tile_borders

#: Bytes of the rows that are shifted and multiplied while they are in cache.
PIECE_BYTES = 2**19
#: Columns up to which all pairs of them are multiplied in registers, not by BLAS; the bytes of a
#: piece then, which is read from the first cache or the second one; its fewest and most rows.
PAIRED_COLUMNS, PAIRED_BYTES, PAIRED_ROWS = 256, 2**17, (64, 256)
#: Rows whose products may be added up in float32.
FLUSH_ROWS = 4096
#: As many as no block has.
NEVER = 2**62
#: What moments alone are told of room and products.
NO_GRAM = None, None, None, None, 0, NEVER
#: Rows whose mean is the first shift of their columns: the rest of a wide block is read once.
FIRST_ROWS = 32


class TileSums:
    """What :class:`Running` needs of a dense tile; the Gram matrix is added up on the way.

    Parameters
    ----------
    n_features : int
    dtype : dtype
        Type of the Gram products; those in float32 are added in float64 every ``FLUSH_ROWS`` rows.
    gram : ndarray, shape (p, p) or (p, f), or None
        Where products are added; of all columns its upper triangle only, until :meth:`finish`.
    columns : ndarray of int, shape (f,), or None
        Right columns of the products; None: all.

    Attributes
    ----------
    one_hot : bool
        Each row has one of the targets, and no other: about their means they add up to zero.
    """

    def __init__(
        self,
        n_features: int,
        dtype: np.dtype[Any],
        gram: Float | None,
        columns: AnyArray | None,
    ) -> None:
        self.gram = gram
        self.columns = columns
        self.dtype = dtype
        row_bytes = max(1, n_features * dtype.itemsize)
        self.rows = min(max(PIECE_BYTES // row_bytes, 128, n_features // 8), 512)
        self.one_hot = False
        self._part: AnyArray | None = None
        self._pairs = gram is not None and columns is None and n_features <= PAIRED_COLUMNS
        self._waiting = 0
        if self._pairs:
            self._make_room_for_pairs(n_features)
            return
        self._room = np.empty((self.rows if gram is not None else 0, n_features), dtype)
        if gram is not None and columns is None:
            self._part = gram if dtype == np.float64 else np.zeros(gram.shape, dtype)

    def add(
        self, tile: AnyArray, shift: Float, root: Float | None, right: Float
    ) -> tuple[Float, Float]:
        """Return the sums of ``d = root (tile - shift)`` with ``right``, (p, 1 + q), and of d d.

        Parameters
        ----------
        tile : ndarray, shape (m, p)
        shift : ndarray, shape (p,)
        root : ndarray, shape (m,), or None
            Square roots of the weights; None: ones.
        right : ndarray, shape (m, 1 + q)
            The first column is ``root``.
        """
        roots = np.ascontiguousarray(right[:, 0])  # ones where there are none
        X, half = stored(tile)
        p, q = X.shape[1], right.shape[1] - 1
        told = q - 1 if self.one_hot and q > 1 else q  # the last one's products follow
        first, squares, cross = np.zeros(p), np.zeros(p), np.zeros((max(1, told), p))
        targets = np.ascontiguousarray(right[:, 1 : 1 + told].T) if q else np.zeros((1, len(tile)))
        sums = half, shift, roots, targets, first, squares, cross
        if self.gram is None:
            add_moments(X, *sums, *NO_GRAM)
        elif self._part is None:
            for start, stop in tile_borders(len(tile), self.rows):
                scaled = self._room[: stop - start]
                own_targets = np.ascontiguousarray(targets[:, start:stop])
                beside = half, shift, roots[start:stop], own_targets
                add_moments(X[start:stop], *beside, first, squares, cross, scaled, *NO_GRAM[1:])
                self.gram += scaled.T @ scaled[:, self.columns]
        else:
            routine = None if self._pairs else blas_routine("syrk", self.dtype)
            own = NEVER if self.dtype == np.float64 else FLUSH_ROWS
            room = self._room, routine, self._part, self.gram
            self._waiting = add_moments(X, *sums, *room, self._waiting, own)
        last = [-cross.sum(axis=0)] if told < q else []
        return np.column_stack([first, *cross[:told], *last]), squares

    def _make_room_for_pairs(self, n_features: int) -> None:
        """Have rows, with zeros after their columns, begin where a line of the cache does."""
        from daskreg.compiled.layout import VECTOR, padded

        itemsize, n = self.dtype.itemsize, padded(n_features, self.dtype)
        least, most = PAIRED_ROWS
        self.rows = min(max(PAIRED_BYTES // max(1, itemsize * n), least), most)
        zeros = np.zeros((self.rows + n) * n + VECTOR // itemsize, self.dtype)
        begin = -zeros.ctypes.data % VECTOR // itemsize
        self._room, self._part = np.split(
            zeros[begin : begin + (self.rows + n) * n].reshape(-1, n), [self.rows]
        )

    def finish(self) -> None:
        """Add what waits, and fill the lower triangle; nothing may be added after it."""
        if self.gram is None or self._part is None:
            return
        if self._part is not self.gram:
            p = len(self.gram)
            self.gram += self._part[:p, :p]
        mirror(self.gram)


def mirror(gram: Float) -> None:
    """Fill the lower triangle of a symmetric matrix, (p, p), from the upper one."""
    for start in range(0, len(gram), 256):
        stop = min(start + 256, len(gram))
        corner = gram[start:stop, start:stop]
        corner[:] = np.triu(corner) + np.triu(corner, 1).T
        gram[stop:, start:stop] = gram[start:stop, stop:].T


def inner_point(tile: AnyArray, root: Float | None) -> Float:
    """Return a point inside each column: the mean of the first rows that weigh something.

    That of equal numbers is their number, to the last bit.
    """
    if root is None:
        first = tile[:FIRST_ROWS].astype(np.float64)
        mean = first.mean(axis=0)
    else:
        rows = np.flatnonzero(root)[:FIRST_ROWS]
        first = tile[rows].astype(np.float64)
        weight = np.square(root[rows])
        mean = weight @ first / weight.sum()
    return np.where((first == first[0]).all(axis=0), first[0], mean)
