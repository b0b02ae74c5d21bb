"""What the first pass refuses, with the block, the rows and the column at fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from daskreg._array import is_float, name_of
from daskreg._typing import AnyArray, Matrix
from daskreg.design.blocks import Block
from daskreg.exceptions import DataError

#: Bytes looked at together, so that the check runs from cache.
_TILE_BYTES = 1 << 20


def check_X(block: Block, names: Sequence[str] | None = None) -> None:
    """Raise ``DataError`` for the first value of X that no model can use.

    Parameters
    ----------
    block : Block
    names : sequence of str, optional
        Column names of X for the message.
    """
    _check_finite("X", block.X, block, names)


def check_beside(block: Block) -> None:
    """Raise ``DataError`` for the first y, weight, offset or group that no model can use."""
    for name, values in block.beside().items():
        _check_present(name, values, block)
        _check_finite(name, values, block, None)
    if block.sample_weight is not None:
        negative = np.flatnonzero(block.sample_weight < 0)
        if negative.size:
            row = int(negative[0])
            raise DataError(
                f"Negative values in sample_weight: {negative.size} in {_where(block)}, the first "
                f"in row {block.start + row} ({block.sample_weight[row]:g}); weights must be >= 0"
            )


def _check_finite(role: str, values: Matrix, block: Block, names: Sequence[str] | None) -> None:
    sparse = not isinstance(values, np.ndarray)
    data: AnyArray = values.data if sparse else values
    if not is_float(data.dtype) or _all_finite(data):
        return
    bad = np.argwhere(~np.isfinite(data))
    if sparse:
        position = int(bad[0, 0])
        row = int(np.searchsorted(values.indptr, position, side="right") - 1)
        column = int(values.indices[position])
    else:
        row = int(bad[0, 0])
        column = int(bad[0, 1]) if data.ndim == 2 else 0
    value: Any = data[tuple(bad[0])]
    what = "NaN" if np.isnan(value) else "infinity"
    rows = bad[:, 0] if not sparse else np.searchsorted(values.indptr, bad[:, 0], side="right") - 1
    label = f" ({names[column]!r})" if names is not None and role == "X" else ""
    raise DataError(
        f"Input {role} contains {what}: row {block.start + row}, column {column}{label}; "
        f"{len(bad)} such value(s) in rows {block.start + int(rows.min())} to "
        f"{block.start + int(rows.max())} of {_where(block)}. Every value must be finite "
        f"(no NaN, no infinity): drop those rows or fill the values first"
    )


#: Bits that are all set in what is not finite; sums of short floats take ten times as long.
_FULL_EXPONENTS = {"float16": np.uint16(0x7C00), "bfloat16": np.uint16(0x7F80)}


def _all_finite(data: AnyArray) -> bool:
    flat = data.reshape(-1)
    step = max(1, _TILE_BYTES // data.itemsize)
    full = _FULL_EXPONENTS.get(name_of(data.dtype))
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, flat.size, step):
            tile = flat[start : start + step]
            if full is not None:
                if (tile.view(np.uint16) & full == full).any():
                    return False
                continue
            # A sum is finite unless a value is not, or the sum itself overflows: look closer then.
            if not np.isfinite(tile.sum()) and not np.isfinite(tile).all():
                return False
    return True


def _check_present(role: str, values: AnyArray, block: Block) -> None:
    if values.dtype.kind != "O":
        return
    for row, value in enumerate(values.reshape(-1)):
        if value is None or value != value:
            raise DataError(
                f"Input {role} contains NaN: row {block.start + row} of {_where(block)} has no "
                "value; drop such rows first"
            )


def _where(block: Block) -> str:
    return f"block {block.index} (rows {block.start} to {block.start + block.n_rows - 1})"
