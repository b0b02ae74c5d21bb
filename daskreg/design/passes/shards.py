"""A shard: a run of segments, kept as a recipe; what it pins lives in the process's ledger."""

from __future__ import annotations

import time
import uuid
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from daskreg._typing import AnyArray, Partial, State
from daskreg.design.blocks import Block
from daskreg.design.columns import IN_FLIGHT, BlockSpec, Columns
from daskreg.design.sources.selected import take_columns

from .blas import single_threaded_blas
from .dyadic import DyadicSum, Node
from .ledger import LEDGER, owned
from .runs import Run
from .stream import BlockReader, ReadAhead
from .validate import check_beside, check_X


class Cancelled(RuntimeError):
    """The pass was given up by whoever started it."""


class Flag(Protocol):
    """Whether a pass was given up."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True)
class Outcome:
    """What a shard gives back from one pass.

    Attributes
    ----------
    nodes : list of (node, partial)
        The largest nodes of the summation tree that the shard completes.
    bytes_read : int
        Decoded bytes that came from below the process's memory.
    bytes_pinned : int
        Bytes the shard now keeps in the ledger of its process.
    seconds : float
        Wall time of the task.
    kernel_seconds : float
        The part of it spent in the kernel.
    """

    nodes: list[tuple[Node, Partial]]
    bytes_read: int
    bytes_pinned: int
    seconds: float
    kernel_seconds: float

    @property
    def nbytes(self) -> int:
        return sum(partial.nbytes for _, partial in self.nodes)


@dataclass(frozen=True)
class Lender:
    """Data of which some columns are wanted; its pinned blocks in this process spare a reading.

    Attributes
    ----------
    data : str
        As its shards call it; its blocks have the borders of those that are wanted.
    columns : ndarray of int
    """

    data: str
    columns: AnyArray

    def blocks(self) -> dict[int, Block]:
        """What this process holds of it now, by number."""
        return LEDGER.of_data(self.data)

    def selected(self, block: Block) -> Block:
        """The block with the wanted columns only."""
        return replace(block, X=take_columns(block.X, self.columns))


class Shard:
    """A share of the rows, on one worker.

    It pickles as its recipe alone: a copy that lands elsewhere (stealing, spilling, a lost worker)
    pins anew what the ledger there allows and streams the rest.

    Parameters
    ----------
    runs : sequence of Run
    n_segments : int
        Segments of the whole data.
    pins : set of int
        Numbers of the blocks to keep between passes.
    budget : int
        Bytes that all shards of a process may keep together.
    names : tuple of str, optional
        Column names for error messages.
    data : str
        Names the rows and their blocks: no other design, and no other layout, has this name.
    lender : Lender, optional
        Whose pinned blocks hold these columns among others.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        n_segments: int,
        pins: frozenset[int] = frozenset(),
        budget: int = 0,
        names: tuple[str, ...] | None = None,
        data: str = "",
        lender: Lender | None = None,
    ) -> None:
        self.runs = tuple(runs)
        self.n_segments = n_segments
        self.pins = pins
        self.budget = budget
        self.names = names
        self.data = data
        self.lender = lender
        self.first: Outcome | None = None
        self._start_empty()

    def _start_empty(self) -> None:
        self._token = uuid.uuid4().hex
        self._validated: set[tuple[str, int]] = set()
        self._settled = False
        LEDGER.open(self._token, self.data)
        weakref.finalize(self, LEDGER.release, self._token)

    def __getstate__(self) -> dict[str, Any]:
        kept = ("runs", "n_segments", "pins", "budget", "names", "data", "lender", "first")
        return {name: getattr(self, name) for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start_empty()

    def __sizeof__(self) -> int:
        return 1024 + LEDGER.held_by(self._token)

    def release(self) -> None:
        """Let go of what is pinned, whoever else still refers to the shard."""
        self.pins = frozenset()
        LEDGER.release(self._token)

    @property
    def specs(self) -> list[BlockSpec]:
        """All blocks of the shard, in order."""
        return [spec for run in self.runs for spec in run.specs]

    def run(
        self,
        kernel: Any,
        state: State,
        values: Sequence[Any] = (),
        cancel: Flag | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Outcome:
        """Sum the kernel over the shard's rows: one pass over them.

        Parameters
        ----------
        kernel : callable
            ``kernel(block, state)`` returns a partial.
        state : mapping
            Handed to the kernel.
        values : sequence
            Results of the futures of the runs' recipes, in order.
        cancel : threading.Event or alike, optional
            Looked at between blocks.
        progress : callable, optional
            Told rows done and bytes read after each block.

        Raises
        ------
        DataError
            For a block that does not pass validation, the first time it is read here.
        Cancelled
        """
        started = time.perf_counter()
        kernel_seconds = 0.0
        total = DyadicSum(self.n_segments)
        segment, partial, bytes_read = -1, None, 0
        with single_threaded_blas(), ExitStack() as stack:
            for spec, (block, read) in self._blocks(
                stack, values, getattr(kernel, "reads_X", True)
            ):
                if cancel is not None and cancel.is_set():
                    raise Cancelled("the pass was cancelled")
                bytes_read += read
                if partial is not None and spec.segment != segment:
                    total.add((0, segment), partial)
                    partial = None
                before = time.perf_counter()
                share = kernel(block, state)
                kernel_seconds += time.perf_counter() - before
                segment, partial = spec.segment, share if partial is None else partial + share
                if progress is not None:
                    progress(block.n_rows, read)
        if partial is not None:
            total.add((0, segment), partial)
        if getattr(kernel, "reads_X", True):
            self._settled = True
        return Outcome(
            nodes=list(total.nodes.items()),
            bytes_read=bytes_read,
            bytes_pinned=LEDGER.held_by(self._token),
            seconds=time.perf_counter() - started,
            kernel_seconds=kernel_seconds,
        )

    def _blocks(
        self, stack: ExitStack, values: Sequence[Any], reads_X: bool
    ) -> Iterator[tuple[BlockSpec, tuple[Block, int]]]:
        left = list(values)
        pinned = LEDGER.blocks(self._token)
        lent = self.lender.blocks() if self.lender is not None else {}
        for run in self.runs:
            n_futures = len(run.columns.futures)
            own, left = left[:n_futures], left[n_futures:]
            missing = [spec for spec in run.specs if spec.index not in {**lent, **pinned}]
            stream = self._stream(stack, run.columns, missing, own, reads_X)
            for spec in run.specs:
                block = pinned.get(spec.index)
                if block is not None:
                    yield spec, (block, 0)
                elif self.lender is not None and spec.index in lent:
                    block = self.lender.selected(lent[spec.index])
                    yield spec, self._take((block, 0), reads_X)
                else:
                    yield spec, self._take(next(stream), reads_X)
            # Persisted blocks lie in any order: hundreds of runs, each with open files.
            stack.close()

    def _stream(
        self,
        stack: ExitStack,
        columns: Columns,
        specs: list[BlockSpec],
        values: Sequence[Any],
        reads_X: bool,
    ) -> Iterator[tuple[Block, int]]:
        def open_reader() -> BlockReader:
            return BlockReader(columns, values, reads_X)

        if not specs:
            return iter(())
        if columns.X.resident or len(specs) == 1 or columns.futures:
            reader = open_reader()
            stack.callback(reader.close)
            return (reader.read(spec) for spec in specs)
        return iter(stack.enter_context(ReadAhead(open_reader, specs, self._ring(columns, specs))))

    def _ring(
        self, columns: Columns, specs: list[BlockSpec]
    ) -> Callable[[BlockSpec], AnyArray | None]:
        """Buffers for the blocks that stream; those to be pinned get memory of their own."""
        if columns.X.sparse or (self.pins and not self._settled):
            return lambda spec: None
        most = max(spec.stop - spec.start for spec in specs)
        shape = (most, columns.X.n_columns)
        ring: list[AnyArray] = []
        turn = iter(range(len(specs) + 1))

        def buffer(spec: BlockSpec) -> AnyArray:
            number = next(turn)
            if len(ring) < IN_FLIGHT:
                ring.append(np.empty(shape, dtype=columns.X.dtype))
            return ring[number % IN_FLIGHT][: spec.stop - spec.start]

        return buffer

    def _take(self, result: tuple[Block, int], reads_X: bool) -> tuple[Block, int]:
        block, _ = result
        if reads_X and ("X", block.index) not in self._validated:
            check_X(block, self.names)
            self._validated.add(("X", block.index))
        if ("beside", block.index) not in self._validated:
            check_beside(block)
            self._validated.add(("beside", block.index))
        if reads_X and not self._settled and block.index in self.pins:
            LEDGER.pin(self._token, owned(block), self.budget)
        return result
