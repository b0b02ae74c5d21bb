"""What blocks are made of: rows of X, y, weights and offset, and the borders of each block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from daskreg.exceptions import DataError

from .sources.base import Rows

#: Blocks alive in a stream: the one in the kernel and the one being read.
IN_FLIGHT = 2


@dataclass(frozen=True, slots=True)
class BlockSpec:
    """Which rows a block holds, and the segment that it is summed into."""

    index: int
    start: int
    stop: int
    segment: int


@dataclass(frozen=True)
class Columns:
    """The rows of everything that a block is made of."""

    X: Rows
    y: Rows | None = None
    sample_weight: Rows | None = None
    offset: Rows | None = None

    def parts(self) -> list[tuple[str, Rows]]:
        """Name and rows of what is there."""
        named = (("X", self.X), ("y", self.y), ("sample_weight", self.sample_weight))
        return [(k, v) for k, v in (*named, ("offset", self.offset)) if v is not None]

    def cut(self, start: int, stop: int) -> Columns:
        """The recipes of rows ``start:stop``."""
        return Columns(**{name: rows.cut(start, stop) for name, rows in self.parts()})

    @property
    def futures(self) -> list[Any]:
        """Futures that ``open`` needs, flat."""
        return [future for _, rows in self.parts() for future in rows.futures]


def check_lengths(columns: Columns) -> None:
    """Raise ``DataError`` where y, weights or offset have another length than X."""
    weight, n_rows = columns.sample_weight, columns.X.n_rows
    if weight is not None and weight.n_columns != 1:
        raise DataError(
            f"sample_weight has {weight.n_columns} columns ({weight.describe}): one weight a row "
            "is expected"
        )
    if n_rows is None:
        return
    if n_rows == 0:
        raise DataError(
            f"Found array with 0 sample(s) (shape=(0, {columns.X.n_columns})) in "
            f"{columns.X.describe} while a minimum of 1 is required."
        )
    if columns.X.n_columns == 0:
        raise DataError(
            f"Found array with 0 feature(s) (shape=({n_rows}, 0)) in {columns.X.describe} "
            "while a minimum of 1 is required."
        )
    for name, rows in columns.parts()[1:]:
        if rows.n_rows is not None and rows.n_rows != n_rows:
            raise DataError(
                f"X has {n_rows} rows ({columns.X.describe}) but {name} has {rows.n_rows} "
                f"({rows.describe}): inconsistent numbers of samples. Both must describe the "
                "same rows"
            )
