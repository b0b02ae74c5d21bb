"""How rows lie in memory whose products are made in the registers of the processor."""

from __future__ import annotations

from typing import Any

import numpy as np

from .processor import can

#: Bytes of a vector: those of AVX-512, of AVX, and of what every processor has.
VECTOR = 64 if can("avx512f") else 32 if can("avx") else 16
#: A tile of products has so many rows of the left matrix, or columns, and so many vectors of the
#: right one: all their sums, one left number and the right ones fill the registers, of which there
#: are 32 or 16.
LEFT = 8 if can("avx512f") or can("neon") else 4
RIGHT = 3
#: Columns of coefficients are multiplied by so many at a time with rows, and with residuals by
#: twice as many where there are registers for them.
FOURS = 4


def padded(n_columns: int, dtype: np.dtype[Any]) -> int:
    """Return the columns that rows and their products need in memory, with those that are zeros."""
    unit = max(LEFT, VECTOR // dtype.itemsize)
    return -(-n_columns // unit) * unit
