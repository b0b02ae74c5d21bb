"""Columns put side by side as the rows of a block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from daskreg._typing import AnyArray

#: Rows and columns that are turned at once: both sides of them stay in the core's cache.
ROWS, COLUMNS = 2048, 32


def put_columns(out: AnyArray, first: int, columns: Sequence[AnyArray]) -> None:
    """Write columns into ``out[:, first:]``, cast to its type.

    One column at a time would touch every cache line of the block for each of them: eight times
    slower, as measured on 128 columns of float32.

    Parameters
    ----------
    out : ndarray, shape (n_rows, n_columns)
        C-contiguous.
    first : int
    columns : sequence of ndarray, shape (n_rows,)

    Examples
    --------
    >>> out = np.zeros((2, 3))
    >>> put_columns(out, 1, [np.array([1, 2]), np.array([3, 4])])
    >>> out.tolist()
    [[0.0, 1.0, 3.0], [0.0, 2.0, 4.0]]
    """
    for low in range(0, len(columns), COLUMNS):
        some = columns[low : low + COLUMNS]
        at = first + low
        buffer = np.empty((len(some), min(ROWS, len(out))), out.dtype)
        for start in range(0, len(out), ROWS):
            rows = slice(start, min(start + ROWS, len(out)))
            tile = buffer[:, : rows.stop - start]
            for line, column in zip(tile, some, strict=True):
                line[...] = column[rows]
            out[rows, at : at + len(some)] = tile.T
