"""A shard: a run of segments, kept as a recipe; what it keeps lives in its process alone."""

from __future__ import annotations

import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import cached_property
from typing import Any

from daskreg._blas import single_threaded_blas
from daskreg._typing import Partial, State
from daskreg.design.columns import BlockSpec, Columns
from daskreg.design.device.lane import Lane, open_lane
from daskreg.design.device.need import DeviceShare
from daskreg.design.device.shelf import SHELF
from daskreg.design.device.use import DeviceUse
from daskreg.design.partials import absorbed

from .cancelled import Cancelled, Flag
from .dyadic import DyadicSum, Node
from .keeping import Keeper, release
from .ledger import LEDGER
from .lender import Lender
from .outcome import Outcome
from .portions import Portion
from .proofs import Proofs
from .retries import RetryLog
from .runs import Run
from .seals import Seals
from .supply import Supply
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
        self.keeper = Keeper(self.data, self.pins, self.budget, self.device, self._at_hand())
        self._token = self.keeper.token
        self.proofs = Proofs(self.names)
        self._tier: Tier | None = None
        self.retries = RetryLog()
        weakref.finalize(self, release, self._token)

    def _at_hand(self) -> frozenset[str]:
        """Return names of what is resident in this process in all runs."""
        parts = [run.columns.parts() for run in self.runs]
        resident = [{name for name, rows in run if rows.resident} for run in parts]
        return frozenset(set.intersection(*resident) if resident else ())

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

    @cached_property
    def _lone(self) -> frozenset[int]:
        """Segments of one block."""
        found = Counter(spec.segment for spec in self.specs)
        return frozenset(segment for segment, n_blocks in found.items() if n_blocks == 1)

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
        device = self.device and replace(self.device, blocks=frozenset(), nbytes=0)
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
            Looked at between blocks, of small ones that are kept after some.
        progress : callable, optional
            Told rows done and bytes read as often.
        skip : set of int, optional
            Numbers of blocks that are left out this time.

        Raises
        ------
        DataError
            For a block that does not pass validation, the first time it is read here.
        Cancelled
        """
        tally = Tally()
        self.proofs.begin()
        reads_X = getattr(kernel, "reads_X", True)
        lane = self._lane(kernel, state) if reads_X and self.device is not None else None
        supply = Supply(
            self,
            values,
            reads_X=reads_X,
            seals=self.seals if getattr(kernel, "compares", True) else None,
            proves=hasattr(kernel, "proves_finite"),
            tally=tally,
            lane=lane,
        )

        def share_of(block: Any, onto: Partial | None) -> Partial | None:
            if lane is not None:
                return lane.sum(block)
            return self.proofs.share(kernel, block, state, onto)

        with single_threaded_blas(), ExitStack() as stack, lane or nullcontext():
            total, bytes_read, cancelled = self._sum(
                supply.portions(stack, skip), share_of, tally, lane, cancel, progress
            )
            before = time.perf_counter()
            nodes = list(total.nodes.items() if lane is None else lane.fetched(total.nodes).items())
            tally.compute += time.perf_counter() - before
        self.keeper.end_pass(reads_X and not skip and not cancelled)
        outcome = self._outcome(nodes, bytes_read, tally, lane)
        if cancelled:
            raise Cancelled(outcome)
        return outcome

    def _sum(
        self,
        portions: Iterator[Portion],
        share_of: Callable[[Any, Partial | None], Partial | None],
        tally: Tally,
        lane: Lane | None,
        cancel: Flag | None,
        progress: Callable[[int, int], None] | None,
    ) -> tuple[DyadicSum, int, bool]:
        """Sum blocks by segments; returns bytes read, and whether it was told to stop, as well.

        What it has seen is known in here alone: where an error passes, a lane takes it from here.
        """
        plus = absorbed if lane is None else lane.plus
        total = DyadicSum(self.n_segments, plus=plus)
        segment, partial, bytes_read = -1, None, 0
        for portion in portions:
            stops = cancel is not None and cancel.is_set()
            before = time.perf_counter()
            for number, blocks in portion.segments:
                if partial is not None and number != segment:
                    total.add((0, segment), partial)
                    partial = None
                if stops:
                    return total, bytes_read, True
                segment = number
                for block in blocks:
                    onto = total.waiting(segment)
                    if onto is not None and segment not in self._lone:
                        onto = None
                    share = share_of(block, onto)
                    if share is None:  # it has been added to what waited for it
                        total.grown(segment)
                    else:
                        partial = share if partial is None else plus(partial, share)
            tally.compute += time.perf_counter() - before
            tally.add(portion)
            bytes_read += portion.read
            if lane is not None:
                self.keeper.keep(block, lent=True)  # each comes alone then
            if progress is not None:
                progress(portion.n_rows, portion.read)
            del portion, blocks, block, share, onto  # the next one is being made
        if partial is not None:
            total.add((0, segment), partial)
        return total, bytes_read, False

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
            retries=self.retries.taken(),
            device=DeviceUse() if lane is None else lane.use,
        )

    def _lane(self, kernel: Any, state: State) -> Lane | None:
        """The way to this process's card in a pass, if there is one and the kernel uses it."""
        assert self.device is not None
        X, moved = self.runs[0].columns.X, self.keeper.moved
        self.keeper.promise()
        return open_lane(self._token, kernel, state, X.dtype, X.sparse, self.device, moved)

    def tier_of(self, columns: Columns) -> Tier | None:
        """What holds blocks of these columns on the local disk; None: nothing does."""
        X = columns.X
        if self.spooling is None or X.resident or X.persisted:
            return None
        if self._tier is None:
            self._tier = Tier(self.spooling, X.plain_file, self.data)
            weakref.finalize(self, self._tier.close)
        return self._tier
