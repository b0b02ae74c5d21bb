"""Making blocks of what their parts give, wherever those lie."""

from __future__ import annotations

import time
from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Matrix
from daskreg.design.blocks import BESIDE, Block
from daskreg.design.columns import BlockSpec, Columns
from daskreg.design.sources.base import Reader, Rows, matrix_nbytes
from daskreg.design.sources.chunked import by_whole_chunks
from daskreg.exceptions import DaskregError, DataError

from .retries import RetryLog, passes, persistently
from .seals import Seals
from .tally import Tally, user_seconds
from .tier import Tier


class BlockReader:
    """Makes blocks of their parts; used by one thread.

    Parameters
    ----------
    columns : Columns
    values : sequence
        Results of the futures of the columns, in order.
    reads_X : bool
    tier : Tier, optional
        Holds blocks nearer than their source; what it lacks, but for ``pinned`` blocks, is offered.
    pinned : container of int
        Numbers of the blocks that are going to stay in memory.
    seals : Seals, optional
        Compares what is read from a source with what it was.
    retries : RetryLog, optional
        Counts reads that were tried again.
    tally : Tally, optional
        Counts what making the blocks takes, and where their bytes come from.
    """

    def __init__(
        self,
        columns: Columns,
        values: Sequence[Any] = (),
        reads_X: bool = True,
        tier: Tier | None = None,
        pinned: Container[int] = (),
        seals: Seals | None = None,
        retries: RetryLog | None = None,
        tally: Tally | None = None,
    ) -> None:
        self._seals, self._retries = seals, retries
        self._tally = Tally() if tally is None else tally
        self._plain = columns.X.plain_file is not None  # there is nothing to decode
        self._tier, self._pinned = tier, pinned
        self._rows: dict[str, tuple[Rows, Sequence[Any]]] = {}
        self._open: dict[str, Reader] = {}
        left = list(values)
        for name, rows in columns.parts():
            own, left = left[: len(rows.futures)], left[len(rows.futures) :]
            if name != "X" or reads_X:
                self._rows[name] = rows, own

    def read(self, spec: BlockSpec, out: AnyArray | None = None) -> tuple[Block, int]:
        """The block and the bytes that came from below this process's memory."""
        parts, read = self._parts(spec, out)
        X = parts.pop("X", None)
        block = Block(
            X=X if X is not None else _NoColumns(spec.stop - spec.start),
            **{name: _column(name, parts[name]) if name in parts else None for name in BESIDE},
            start=spec.start,
            index=spec.index,
        )
        return block, read

    def _parts(self, spec: BlockSpec, out: AnyArray | None) -> tuple[dict[str, Any], int]:
        tier = self._tier
        user, started = user_seconds(), time.perf_counter()
        near = {} if tier is None else tier.take(spec.index, self._far(), out)
        read = sum(map(matrix_nbytes, near.values()))
        self._tally.disk += read
        parts: dict[str, Any] = dict(near)
        for name in [name for name in self._rows if name not in near]:
            parts[name], nbytes = self._from_source(name, spec, out if name == "X" else None)
            read += nbytes
            self._tally.source += nbytes
        took = 0.0 if near or self._plain else user_seconds() - user
        self._tally.add_making(time.perf_counter() - started, took)
        if tier is not None and not near and "X" in parts:
            tier.observe(time.perf_counter() - started, read)
            if spec.index not in self._pinned:
                tier.offer(spec.index, {name: parts[name] for name in self._far()})
        return parts, read

    def _far(self) -> list[str]:
        """What does not lie in memory anyway."""
        return [
            name for name, (rows, _) in self._rows.items() if not (rows.resident or rows.persisted)
        ]

    def _from_source(self, name: str, spec: BlockSpec, out: AnyArray | None) -> tuple[Matrix, int]:
        rows = self._rows[name][0]
        values = self._guarded(rows, name, spec, out)
        if values.shape[0] != spec.stop - spec.start:
            raise DataError(
                f"{rows.describe} gave {values.shape[0]} rows of {name} where rows "
                f"{spec.start} to {spec.stop - 1} were asked for: did the data change?"
            )
        if self._seals is not None:
            self._seals.check(spec, name, rows, values)
        far = not (rows.resident or rows.persisted)
        return values, self._open[name].nbytes_read(values) if far else 0

    def _guarded(self, rows: Rows, name: str, spec: BlockSpec, out: AnyArray | None) -> Matrix:
        """What the reader reads, sooner or later; where a library raises, the error says of which
        rows."""
        what = f"rows {spec.start} to {spec.stop - 1} of {name}"

        def read() -> Matrix:
            if name not in self._open:
                self._open[name] = by_whole_chunks(*self._rows[name])
            return self._open[name].read(spec.start, spec.stop, out)

        try:
            return persistently(read, lambda: self._let_go(name), what, self._retries)
        except (DaskregError, MemoryError):
            raise
        except Exception as error:
            raise DataError(
                f"{what} ({rows.describe}{rows.where(spec.start, spec.stop)}) cannot be read: "
                f"{type(error).__name__}: {error}. "
                + (
                    "The storage failed again and again: try later, with resume=True where there "
                    "is a checkpoint"
                    if passes(error)
                    else "Was the data moved, changed or cut short?"
                )
            ) from error

    def _let_go(self, name: str) -> None:
        reader = self._open.pop(name, None)
        if reader is not None:
            with suppress(Exception):
                reader.close()

    def close(self) -> None:
        """Let go of files."""
        for name in list(self._open):
            self._open.pop(name).close()


@dataclass(frozen=True, slots=True)
class _NoColumns:
    """Stands where X would be in a pass that does not read it."""

    n_rows: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.n_rows, 0


def _column(name: str, values: Matrix) -> AnyArray:
    as_stored = name in ("y", "groups")
    array = np.asarray(values, dtype=None if as_stored else np.float64)
    return array[:, 0] if name in ("sample_weight", "groups") else array
