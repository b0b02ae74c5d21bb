"""Row tiles of a dense block on a card: how large they are, and in what type."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Storage types that a card can multiply, some of them after a tile is widened.
STORED = ("bool", "int8", "uint8", "int16", "uint16", "float16", "float32", "float64")
#: Bytes of a tile of X, of what it is widened to, and of its predictors: half a large card's
#: second-level cache.
CARD_TILE_BYTES = 2**25


def card_tile_rows(n_features: int, n_columns: int, stored: Any, computed: Any) -> int:
    """Return the rows of a tile, a multiple of 256.

    Parameters
    ----------
    n_features, n_columns : int
    stored, computed : dtype
        Of X, and of the products.
    """
    stored, computed = np.dtype(stored), np.dtype(computed)
    wide = stored.itemsize + (computed.itemsize if stored != computed else 0)
    row = n_features * wide + n_columns * computed.itemsize
    return min(max(CARD_TILE_BYTES // max(1, row), 256), 2**17) // 256 * 256


def dtype_of(x: Any) -> np.dtype[Any]:
    """Return the type of an array's numbers, whatever its library calls it."""
    return np.dtype(str(x.dtype).rsplit(".", 1)[-1])


def widened(xp: Any, tile: Any, dtype: np.dtype[Any], shift: Any) -> Any:
    """Return a tile in the type of the products, less the shift; as it is, where it is so."""
    if dtype_of(tile) != dtype:
        tile = xp.astype(tile, getattr(xp, dtype.name))
    return tile if shift is None else tile - shift
