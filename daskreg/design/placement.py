"""Placement: the rows of a design planned, made ready, and dealt out to the processes in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from daskreg._tokens import fresh_token
from daskreg.exceptions import MemoryPlanError

from .columns import Columns, check_lengths
from .dealing import choose_scheduler, deal, draft, make_shards
from .layout import Hand, Layout
from .origin import Origin
from .passes.running import Journal
from .passes.scheduler import Scheduler
from .passes.seals import Key, Seal
from .passes.tier import PASSES, Spooled, Spooling
from .plan import Plan
from .ready import Readiness
from .sources.base import Rows
from .work import Work
from .workers import Worker


class Placement:
    """Where the rows of one design are now; made anew whenever the work to be done changes.

    Attributes
    ----------
    columns : Columns
    data : str
        Names the rows and their blocks: no other design, and no other layout, has this name.
    layout : Layout or None
        None until the rows are known and the plan is made.
    scheduler : Scheduler or None
        None until shards are placed.
    """

    def __init__(
        self,
        columns: Columns,
        *,
        memory_limit: int | None = None,
        block_size: int | None = None,
        ready: Readiness | None = None,
        origin: Origin | None = None,
        names: tuple[str, ...] | None = None,
        cache: str | None = "auto",
        worker_timeout: float | None = None,
    ) -> None:
        self.columns = columns
        self.cache, self.worker_timeout = cache, worker_timeout
        self.memory_limit, self.block_size = memory_limit, block_size
        self.ready, self.origin, self._names = ready, origin, names
        self.data = ""
        self.layout: Layout | None = None if origin is None else origin.layout
        self.scheduler: Scheduler | None = None
        self.work = Work()
        self._plan: Plan | None = None
        self._planned: Plan | None = None
        self._segments: list[Sequence[int]] = []
        self._measured: dict[str, Worker] = {}
        self._closed = False
        self._journal: Journal | None = None
        check_lengths(columns)

    @property
    def process_memory(self) -> int | None:
        """Bytes that the smallest process which runs shards may hold, as far as it is known."""
        return self.memory_limit if self._plan is None else self._plan.memory_limit

    @property
    def plan(self) -> Plan:
        """What the work would read, keep and cost; ``MemoryPlanError`` where it cannot fit."""
        if self._plan is None:
            self._draft(self._choose_scheduler(), self.work)
        assert self._plan is not None
        return self._plan

    @property
    def hands(self) -> list[Hand]:
        """Segments of each shard and the worker that it is on; none before shards are placed."""
        if self.scheduler is None:
            return []
        return list(zip(self._segments, self.scheduler.homes, strict=True))

    def place(self, work: Work) -> int:
        """Plan the work and deal the rows out; returns the bytes that were read to make them ready.

        Raises
        ------
        MemoryPlanError
            Before the first byte is read, where that does not fit.
        """
        scheduler = self._choose_scheduler()
        self.work = work
        self._draft(scheduler, work)
        read = 0
        if self.ready is not None:
            before = self.columns
            # What it has made ready once is left as it is.
            self.columns, read = self.ready(before, scheduler)
            if self.columns is not before:
                check_lengths(self.columns)
                self._draft(scheduler, work)
        self._deal(scheduler)
        return read

    def placed(self) -> Scheduler:
        """The scheduler that holds the shards."""
        assert self.scheduler is not None, "place() comes first"
        return self.scheduler

    def _deal(self, scheduler: Scheduler) -> None:
        layout, plan, origin = self.layout, self.plan, self.origin
        assert layout is not None
        self.release()
        hands = origin.hands if origin is not None else None
        hands = hands or deal(self.columns, layout, plan, scheduler)
        # A new name: nothing that older shards have pinned is taken for a block of these.
        self.data = fresh_token()
        shards = make_shards(
            self.columns,
            layout,
            plan,
            hands,
            names=self._names,
            data=self.data,
            lender=origin.lender if origin is not None else None,
            spooling=self._spooling(),
            seals=self._seals(layout),
        )
        scheduler.place(shards, keep=self.work.passes != 1, homes=[home for _, home in hands])
        self._segments = [segments for segments, _ in hands]
        self.scheduler = scheduler

    def _seals(self, layout: Layout) -> Mapping[Key, Seal] | None:
        """What blocks are compared with; None: they are read once, and nobody asks again."""
        if self._journal is not None and self.origin is None:
            return self._journal.seals_for(layout)
        return None if self.work.passes == 1 else {}

    def _spooling(self) -> Spooling | None:
        """What becomes of blocks that are read each pass."""
        plan = self.plan
        if self.cache not in ("auto", "disk") or plan.passes == 1 or not plan.bytes_streamed:
            return None
        workers = self._measured.values()
        hosts = [worker.host for worker in workers]
        running = min(plan.n_threads, -(-plan.n_shards // max(1, plan.n_workers)))
        return Spooling(
            always=self.cache == "disk",
            passes=(plan.passes or PASSES) - 1,
            abreast=running * max(map(hosts.count, hosts)),
            folder=None if self.ready is None else self.ready.folder_given,
        )

    def keep_in(self, journal: Journal) -> None:
        """Use the borders of blocks that the journal knows, and count what it keeps."""
        self._journal, self._plan = journal, None

    def note(self, spooled: Spooled) -> None:
        """Say in the plan what became of the blocks that are read each pass."""
        if self._planned is None or not str(spooled):
            return
        notes = *self._planned.notes, str(spooled)
        self._plan = replace(self._planned, notes=notes, bytes_spooled=spooled.nbytes)

    def replace_groups(self, groups: Rows) -> None:
        """Lay other groups beside X: the plan and the shards are to be made anew."""
        columns = replace(self.columns, groups=groups)
        check_lengths(columns)
        self.release()
        self.columns, self._plan = columns, None

    def release(self) -> None:
        """Let the shards go, and what they have pinned."""
        if self.scheduler is not None:
            self.scheduler.release()
            self.scheduler = None

    def close(self) -> None:
        """Let go of shards and of scratch files."""
        self.release()
        if self.ready is not None and not self._closed:
            self.ready.close()
        self._closed = True

    def _choose_scheduler(self) -> Scheduler:
        scheduler = self.origin.scheduler if self.origin is not None else None
        return scheduler or choose_scheduler(self.columns, self.memory_limit, self.worker_timeout)

    def _draft(self, scheduler: Scheduler, work: Work) -> None:
        workers = list(scheduler.workers)
        if self.scheduler is not None:
            # What they have pinned since they were measured is let go before anything is placed.
            workers = [self._measured.get(worker.address, worker) for worker in workers]
        self._measured = {worker.address: worker for worker in workers}
        try:
            self.layout, self._planned = self._drafted(workers, work)
        except MemoryPlanError:
            turned = self.columns.X.turned()
            if turned is None:
                raise
            self.columns = replace(self.columns, X=turned)
            self.layout, self._planned = self._drafted(workers, work)
        self._plan = self._planned

    def _drafted(self, workers: Sequence[Worker], work: Work) -> tuple[Layout | None, Plan]:
        kept = self._journal
        return draft(self.columns, workers, work, self.block_size, self.origin, self.cache, kept)
