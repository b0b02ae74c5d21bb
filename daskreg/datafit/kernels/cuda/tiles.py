"""Row tiles of a dense block on a card: how large they are, and in what type."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Storage types that a card can multiply, some of them after a tile is widened.
STORED = ("bool", "int8", "uint8", "int16", "uint16", "float16", "bfloat16", "float32", "float64")
#: Bytes of what is made beside a tile: X in another type, predictors.  Large enough that the card
#: has about as much to do as the host, which asks for five things a tile, each some 10 us: of 256
#: float32 columns the two products of a tile take 310 us at K = 250, and 31 to read X twice at 8.
#:
#: So a CUDA graph could make passes of 2 to some 40 columns faster, by 50 / 31 at most, at K = 8;
#: it is not there.  CuPy's products, and all functions of ``cupy_backends.cuda.libs.cublas``, set
#: the stream of the handle first, which refuses while a stream is captured (``cublas.setStream``,
#: on its main branch of August 2026 too).  cuBLAS itself allows it: called by ctypes or nvmath,
#: with a handle and a workspace of our own.  But a graph fixes every address: coefficients, tables
#: of folds and predictors would need places of their own that stay, for each block that does, and
#: a stale one is a wrong number without an error, which nothing but a card could show.
CARD_TILE_BYTES = 2**26
#: Rows whose products are added up in float32, at most, by type of the products.
MOST_ROWS = {"float32": 2**16, "float64": 2**20}
#: Predictors in float64, and what array functions make of them at the same time, at most.
ARRAYS_ABOUT = 16


def card_tile_rows(n_copied: int, beside: int, computed: Any) -> int:
    """Return the rows of a tile; many of them are a multiple of 256.

    Parameters
    ----------
    n_copied : int
        Features of the copy that a tile needs; 0: it is a view of X.
    beside : int
        Bytes a row takes for predictors and what comes of them.
    computed : dtype
        Of the products.
    """
    computed = np.dtype(computed)
    rows = CARD_TILE_BYTES // max(1, n_copied * computed.itemsize + beside)
    rows = min(max(rows, 16), MOST_ROWS[computed.name])
    return rows // 256 * 256 or rows


def dtype_of(x: Any) -> np.dtype[Any]:
    """Return the type of an array's numbers, whatever its library calls it."""
    return np.dtype(str(x.dtype).rsplit(".", 1)[-1])


def widened(xp: Any, tile: Any, dtype: np.dtype[Any], shift: Any) -> Any:
    """Return a tile in the type of the products, less the shift; as it is, where it is so."""
    if dtype_of(tile) == dtype:
        return tile if shift is None else tile - shift
    tile = xp.astype(tile, getattr(xp, dtype.name))
    if shift is not None:
        tile -= shift  # it is a copy by now
    return tile
