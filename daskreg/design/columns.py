"""What blocks are made of: rows of X and of what lies beside, and the borders of each block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from daskreg.exceptions import DataError

from .blocks import BESIDE
from .sources.base import Rows

#: Blocks alive in a stream: the one in the kernel and those that are read ahead; of large ones as
#: many as there is room for, and two at least.
IN_FLIGHT, LEAST_IN_FLIGHT = 4, 2
IN_FLIGHT_NBYTES = 2**27
#: What a block has, in order.
ROLES = ("X", *BESIDE)


def blocks_in_flight(block_nbytes: float) -> int:
    """Blocks of a stream that are alive together, the largest of which has so many bytes.

    Where reading takes about as long as the arithmetic, one block ahead evens out neither: with
    three of half the size a thread waits about half as long, in the same memory.
    """
    return max(LEAST_IN_FLIGHT, min(IN_FLIGHT, int(IN_FLIGHT_NBYTES // max(1.0, block_nbytes))))


def nbytes_in_flight(block_nbytes: int) -> int:
    """Bytes of these blocks at most, for a shard may have none of the largest."""
    return min(IN_FLIGHT * block_nbytes, max(LEAST_IN_FLIGHT * block_nbytes, IN_FLIGHT_NBYTES))


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
    groups: Rows | None = None

    def parts(self) -> list[tuple[str, Rows]]:
        """Name and rows of what is there."""
        known = self.__dict__
        return [(name, known[name]) for name in ROLES if known[name] is not None]

    def cut(self, start: int, stop: int) -> Columns:
        """The recipes of rows ``start:stop``."""
        return Columns(**{name: rows.cut(start, stop) for name, rows in self.parts()})

    @property
    def futures(self) -> list[Any]:
        """Futures that ``open`` needs, flat."""
        return [future for _, rows in self.parts() for future in rows.futures]


def check_lengths(columns: Columns) -> None:
    """Raise ``DataError`` where what lies beside X has another length, or too many columns."""
    for name, one in (("sample_weight", "weight"), ("groups", "group")):
        rows: Rows | None = getattr(columns, name)
        if rows is not None and rows.n_columns != 1:
            raise DataError(
                f"{name} has {rows.n_columns} columns ({rows.describe}): one {one} a row is "
                "expected"
            )
    n_rows = columns.X.n_rows
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
