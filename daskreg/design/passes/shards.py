"""A shard: a run of segments, kept as a recipe; what it keeps lives in its process alone."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from typing import Any

import numpy as np

from daskreg._blas import single_threaded_blas
from daskreg._typing import Partial, State
from daskreg.design.blocks import Block
from daskreg.design.columns import BlockSpec, Columns
from daskreg.design.device.blocks import DeviceBlock
from daskreg.design.device.lane import Lane, open_lane
from daskreg.design.device.need import DeviceShare
from daskreg.design.device.shelf import SHELF
from daskreg.design.device.use import DeviceUse

from .ahead import stream
from .cancelled import Cancelled, Flag
from .dyadic import DyadicSum, Node
from .keeping import Keeper, release
from .ledger import LEDGER
from .lender import Lender
from .outcome import Outcome
from .proofs import Proofs
from .retries import RetryLog
from .runs import Run
from .seals import Seals
from .stream import BlockReader
from .tally import Tally
from .tier import Spooled, Spooling, Tier


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
    spooling : Spooling, optional
        What becomes of the blocks that are read in every pass; None: nothing.
    seals : Seals, optional
        Checksums of its blocks, which are compared whenever one is read again; None: there are
        none.
    device : DeviceShare, optional
        What it may keep on a card, if its process has one; None: it is summed by processors.
    """

    _recipe = (
        *("runs", "n_segments", "pins", "budget", "names", "data", "lender", "spooling"),
        *("seals", "device", "first"),
    )

    def __init__(
        self,
        runs: Sequence[Run],
        n_segments: int,
        pins: frozenset[int] = frozenset(),
        budget: int = 0,
        names: tuple[str, ...] | None = None,
        data: str = "",
        lender: Lender | None = None,
        spooling: Spooling | None = None,
        seals: Seals | None = None,
        device: DeviceShare | None = None,
    ) -> None:
        self.runs = tuple(runs)
        self.n_segments = n_segments
        self.pins = pins
        self.budget = budget
        self.names = names
        self.data = data
        self.lender = lender
        self.spooling = spooling
        self.seals = seals
        self.device = device
        self.first: Outcome | None = None
        self._start_empty()

    def _start_empty(self) -> None:
        self.keeper = Keeper(self.data, self.pins, self.budget, self.device)
        self._token = self.keeper.token
        self._proofs = Proofs(self.names)
        self._tier: Tier | None = None
        self._retries, self._compared = RetryLog(), self.seals
        weakref.finalize(self, release, self._token)

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._recipe}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start_empty()

    def __sizeof__(self) -> int:
        return 1024 + LEDGER.held_by(self._token)

    def release(self) -> None:
        """Let go of what is pinned and spooled, whoever else still refers to the shard."""
        self.pins = frozenset()
        self.keeper.release()
        if self._tier is not None:
            self._tier.close()

    @property
    def specs(self) -> list[BlockSpec]:
        """All blocks of the shard, in order."""
        return [spec for run in self.runs for spec in run.specs]

    @property
    def futures(self) -> list[Any]:
        """Futures that reading needs, flat."""
        return [future for run in self.runs for future in run.columns.futures]

    def part(self, blocks: frozenset[int]) -> Shard:
        """A shard of some of the blocks, which keeps nothing."""
        runs = [
            Run(run.columns, tuple(spec for spec in run.specs if spec.index in blocks))
            for run in self.runs
        ]
        device = None if self.device is None else DeviceShare(reserve=self.device.reserve)
        return Shard(runs, self.n_segments, names=self.names, seals=self.seals, device=device)

    def run(
        self,
        kernel: Any,
        state: State,
        values: Sequence[Any] = (),
        cancel: Flag | None = None,
        progress: Callable[[int, int], None] | None = None,
        skip: frozenset[int] = frozenset(),
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
        skip : set of int, optional
            Numbers of blocks that are left out this time.

        Raises
        ------
        DataError
            For a block that does not pass validation, the first time it is read here.
        Cancelled
        """
        tally = Tally()
        total = DyadicSum(self.n_segments)
        segment, partial, bytes_read, cancelled = -1, None, 0, False
        self._proofs.begin()
        self._compared = self.seals if getattr(kernel, "compares", True) else None
        reads_X = getattr(kernel, "reads_X", True)
        lane = self._lane(kernel, state) if reads_X and self.device is not None else None
        with single_threaded_blas(), ExitStack() as stack, lane or nullcontext():
            for spec, (block, read) in self._blocks(
                *(stack, values, reads_X, skip, hasattr(kernel, "proves_finite")),
                tally=tally,
                lane=lane,
            ):
                if partial is not None and spec.segment != segment:
                    total.add((0, segment), partial)
                    partial = None
                if cancel is not None and cancel.is_set():
                    cancelled, partial = True, None
                    break
                bytes_read += read
                before = time.perf_counter()
                share = (
                    self._proofs.share(kernel, block, state) if lane is None else lane.sum(block)
                )
                tally.compute += time.perf_counter() - before
                tally.add_block(block, read)
                if lane is not None:
                    self.keeper.keep(block)
                segment, partial = spec.segment, share if partial is None else partial + share
                if progress is not None:
                    progress(block.n_rows, read)
            if partial is not None:
                total.add((0, segment), partial)
            before = time.perf_counter()
            nodes = [(n, v if lane is None else lane.fetched(v)) for n, v in total.nodes.items()]
            tally.compute += time.perf_counter() - before
        self.keeper.end_pass(reads_X and not skip and not cancelled)
        outcome = self._outcome(nodes, bytes_read, tally, lane)
        if cancelled:
            raise Cancelled(outcome)
        return outcome

    def _outcome(
        self, nodes: list[tuple[Node, Partial]], bytes_read: int, tally: Tally, lane: Lane | None
    ) -> Outcome:
        pinned, on_card = LEDGER.held_by(self._token), SHELF.held_by(self._token)
        spooled = Spooled() if self._tier is None else self._tier.report
        return Outcome(
            nodes=nodes,
            bytes_read=bytes_read,
            bytes_pinned=pinned,
            seconds=tally.seconds,
            kernel_seconds=tally.compute,
            spooled=spooled,
            shards=(tally.record(pinned, spooled.nbytes, on_card),),
            seals={} if self.seals is None else self.seals.new(),
            retries=self._retries.taken(),
            device=DeviceUse() if lane is None else lane.use,
        )

    def _lane(self, kernel: Any, state: State) -> Lane | None:
        """The way to this process's card in a pass, if there is one and the kernel uses it."""
        assert self.device is not None
        X, moved = self.runs[0].columns.X, self.keeper.moved
        return open_lane(self._token, kernel, state, X.dtype, X.sparse, self.device, moved)

    def _blocks(
        self,
        stack: ExitStack,
        values: Sequence[Any],
        reads_X: bool,
        skip: frozenset[int] = frozenset(),
        proves: bool = False,
        *,
        tally: Tally,
        lane: Lane | None = None,
    ) -> Iterator[tuple[BlockSpec, tuple[Any, int]]]:
        left = list(values)
        pinned = self.keeper.blocks()
        lent = self.lender.blocks() if self.lender is not None else {}
        for run in self.runs:
            n_futures = len(run.columns.futures)
            own, left = left[:n_futures], left[n_futures:]
            specs = [spec for spec in run.specs if spec.index not in skip]
            missing = [s for s in specs if s.index not in lent and s.index not in pinned]
            blocks = self._stream(stack, run.columns, missing, own, reads_X, tally, lane)
            for spec in specs:
                block = pinned.get(spec.index)
                if block is not None:
                    if lane is None and isinstance(block, DeviceBlock):
                        block = block.on_host(reads_X)
                    yield spec, (block, 0)
                elif self.lender is not None and spec.index in lent:
                    block = self.lender.selected(lent[spec.index])
                    yield spec, self._take((block, 0), reads_X, proves, lane)
                else:
                    yield spec, self._take(next(blocks), reads_X, proves, lane)
            # Persisted blocks lie in any order: hundreds of runs, each with open files.
            stack.close()

    def _stream(
        self,
        stack: ExitStack,
        columns: Columns,
        specs: list[BlockSpec],
        values: Sequence[Any],
        reads_X: bool,
        tally: Tally,
        lane: Lane | None,
    ) -> Iterator[tuple[Block, int]]:
        tier = self._tier_of(columns)
        pinned = self.keeper.to_come
        return stream(
            stack,
            lambda: BlockReader(
                columns, values, reads_X, tier, pinned, self._compared, self._retries, tally
            ),
            columns,
            specs,
            # Blocks that are to be pinned need memory of their own.
            reuse=not pinned,
            tally=tally,
            empty=np.empty if lane is None else lane.card.page_locked,
        )

    def _tier_of(self, columns: Columns) -> Tier | None:
        X = columns.X
        if self.spooling is None or X.resident or X.persisted:
            return None
        if self._tier is None:
            self._tier = Tier(self.spooling, X.plain_file, self.data)
            weakref.finalize(self, self._tier.close)
        return self._tier

    def _take(
        self, result: tuple[Block, int], reads_X: bool, proves: bool, lane: Lane | None
    ) -> tuple[Block, int]:
        block, _ = result
        # Sums tell whether all values are finite: no look of its own at what lies in memory.
        by_sums = proves and lane is None and block.index not in self.keeper.to_come
        self._proofs.take(block, reads_X, by_sums)
        if reads_X and lane is None:  # a card may take it first
            self.keeper.keep(block)
        return result
