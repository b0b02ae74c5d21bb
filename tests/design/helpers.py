"""Rows that count what is read of them, and a kernel to sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from daskreg.design.blocks import Block
from daskreg.design.columns import Columns
from daskreg.design.design import Design
from daskreg.design.sources.base import Reader, Rows


class CountingReader(Reader):
    def __init__(self, rows: ArrayRows) -> None:
        self.rows = rows

    def read(self, start: int, stop: int, out: Any = None) -> Any:
        self.rows.reads.append((start, stop))
        values = self.rows.array[start - self.rows.start : stop - self.rows.start]
        if out is None or out.shape != values.shape:
            return values if self.rows.resident else values.copy()
        out[...] = values
        return out


class ArrayRows(Rows):
    """An array that plays a file (or, ``resident``, itself)."""

    def __init__(
        self,
        array: Any,
        *,
        start: int = 0,
        resident: bool = False,
        row_chunks: tuple[int, ...] | None = None,
        reads: list[tuple[int, int]] | None = None,
    ) -> None:
        self.array = array
        self.start = start
        self.n_rows = array.shape[0] if start == 0 else None
        self.n_columns = array.shape[1]
        self.dtype = array.dtype
        self.resident = resident
        self.row_chunks = row_chunks
        self.reads = [] if reads is None else reads

    def cut(self, start: int, stop: int) -> ArrayRows:
        piece = self.array[start - self.start : stop - self.start]
        rows = type(self)(piece, start=start, resident=self.resident, reads=self.reads)
        rows.row_chunks, rows.sparse = None, self.sparse
        return rows

    def open(self, values: Any = ()) -> CountingReader:
        return CountingReader(self)


@dataclass(frozen=True)
class Correlate:
    """X'y times a number, in the precision of X."""

    name: ClassVar[str] = "correlate"

    def __call__(self, block: Block, state: Mapping[str, Any]) -> Any:
        assert block.y is not None
        return np.asarray(block.X.T @ block.y[:, 0].astype(block.X.dtype), float) * state["times"]


@dataclass(frozen=True)
class CountRows:
    """Rows and the sum of y; does not look at X."""

    name: ClassVar[str] = "count"
    reads_X: ClassVar[bool] = False

    def __call__(self, block: Block, state: Mapping[str, Any]) -> Any:
        assert block.y is not None
        return np.array([block.n_rows, block.y.sum()])


def make_data(n: int = 5000, p: int = 40, dtype: str = "float32") -> tuple[Any, Any]:
    rng = np.random.default_rng(7)
    return rng.standard_normal((n, p)).astype(dtype), rng.standard_normal((n, 1))


def make_design(X: Any, y: Any, **options: Any) -> Design:
    of_rows = {k: options.pop(k) for k in ("resident", "row_chunks") if k in options}
    return Design(Columns(ArrayRows(X, **of_rows), ArrayRows(y)), **options)


@dataclass(frozen=True)
class CheckGroups:
    """How many groups differ from those of the same row numbers, or in type; and rows."""

    groups: Any
    reads_X: bool = True
    name: ClassVar[str] = "check-groups"

    def reading(self, reads_X: bool) -> CheckGroups:
        return CheckGroups(self.groups, reads_X)

    def __call__(self, block: Block, state: Mapping[str, Any]) -> Any:
        expected = self.groups[block.start : block.start + block.n_rows]
        assert block.groups is not None
        assert block.groups.shape == (block.n_rows,)
        assert block.groups.dtype.kind == expected.dtype.kind
        return np.array([np.sum(block.groups != expected), block.n_rows])


@dataclass(frozen=True)
class GroupSums:
    """The sum of X over the rows of each group."""

    names: Any
    name: ClassVar[str] = "group-sums"

    def __call__(self, block: Block, state: Mapping[str, Any]) -> Any:
        return np.array([block.X[block.groups == name].sum() for name in self.names])


@dataclass(frozen=True)
class StartsAndSums:
    """Rows whose y is not their number in the whole data, and the rows."""

    name: ClassVar[str] = "starts"

    def __call__(self, block: Block, state: Mapping[str, Any]) -> Any:
        assert block.y is not None
        numbers = block.start + np.arange(block.n_rows)
        return np.array([np.sum(block.y[:, 0] != numbers), block.n_rows])


def sums(design: Design, times: tuple[float, ...] = (1.0, 2.0, 1.0)) -> list[Any]:
    """One pass for each factor; the design is closed after them."""
    with design:
        return [design.sum_over_rows(Correlate(), {"times": t}) for t in times]
