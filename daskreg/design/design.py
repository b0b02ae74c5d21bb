"""Design: rows of X and what lies beside, and the one verb *sum a kernel over the rows*."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import numpy as np

from daskreg._typing import Partial, State

from .columns import Columns, check_lengths
from .layout import MAX_SEGMENTS, Layout, by_home, make_layout
from .passes.active import active_scheduler
from .passes.runs import make_runs, spread_pins
from .passes.scheduler import Progress, Scheduler, sum_over_rows
from .passes.shards import Shard
from .passes.threads import Threads
from .plan import SMALL, Plan, Work, choose_block, make_plan
from .ready import Readiness
from .recognise import open_rows
from .sources.base import Rows

#: Shards for each worker thread, so that a pass ends evenly.
SHARDS_PER_THREAD = 2
#: Bytes after which a shard would take about a minute.
LONG_SHARD = 16 << 30


class Design:
    """Data to fit on, wherever it lies; made by :func:`as_design`.

    Nothing is read before the first pass, except where row counts are unknown or a collection
    must be made ready (``prepare``), which is counted in ``bytes_read``.

    Attributes
    ----------
    n_samples : int or None
        None while unknown.
    n_features, n_targets : int
    dtype : numpy.dtype
        Storage type of X.
    feature_names : tuple of str or None
    labels : object or None
        How the columns lie over the dimensions of the xarray object they came from.
    n_passes : int
        Passes over X so far.
    bytes_read : int
        Decoded bytes of blocks that came from below the memory of the processes.
    """

    def __init__(
        self,
        columns: Columns,
        *,
        memory_limit: int | None = None,
        block_size: int | None = None,
        feature_names: tuple[str, ...] | None = None,
        ready: Readiness | None = None,
    ) -> None:
        self._columns = columns
        self._memory_limit = memory_limit
        self._block_size = block_size
        self._ready = ready
        self._is_ready = False
        self._layout: Layout | None = None
        self._plan: Plan | None = None
        self._scheduler: Scheduler | None = None
        self._work = Work()
        self.feature_names = feature_names or columns.X.names
        self.labels = getattr(columns.X, "labels", None)
        self.n_passes = 0
        self.bytes_read = 0
        self.bytes_pinned = 0
        self.kernel_seconds = 0.0
        self.progress: Progress | None = None
        check_lengths(columns)

    @property
    def n_samples(self) -> int | None:
        return self._columns.X.n_rows

    @property
    def n_features(self) -> int:
        return self._columns.X.n_columns

    @property
    def n_targets(self) -> int:
        return self._columns.y.n_columns if self._columns.y is not None else 0

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._columns.X.dtype

    @property
    def sparse(self) -> bool:
        return self._columns.X.sparse

    @property
    def has_weights(self) -> bool:
        return self._columns.sample_weight is not None

    @property
    def has_offset(self) -> bool:
        return self._columns.offset is not None

    @property
    def has_groups(self) -> bool:
        return self._columns.groups is not None

    @property
    def resident(self) -> bool:
        """Whether X lies in the memory of this process."""
        return self._columns.X.resident

    @property
    def layout(self) -> Layout | None:
        """Borders of blocks and segments; None until the rows are known and the plan is made."""
        return self._layout

    @property
    def plan(self) -> Plan:
        """What a fit would read, keep and cost; printing it shows a table.

        Raises
        ------
        MemoryPlanError
            If the data cannot be worked on inside the memory limit.
        """
        if self._plan is None:
            self._make_plan(self._choose_scheduler(), self._work)
        assert self._plan is not None
        return self._plan

    def prepare(
        self,
        passes: int | None = None,
        partial_bytes: int = 0,
        temporaries: int = 0,
        client_bytes: int = 0,
        note: str = "",
    ) -> Plan:
        """Make the final plan for what a solver asks and deal the rows out to shards.

        Parameters
        ----------
        passes : int, optional
            Passes the solver is going to make; 1 means that nothing is kept in memory.
        partial_bytes, temporaries, client_bytes, note
            As in ``Work``.

        Raises
        ------
        MemoryPlanError
            Before the first byte is read, where that does not fit.
        """
        scheduler = self._choose_scheduler()
        self._work = Work(passes, partial_bytes, temporaries, client_bytes, note)
        self._lay_out(scheduler)
        if not self._is_ready and self._ready is not None:
            before = self._columns
            self._columns, read = self._ready(before, scheduler)
            self._is_ready = True
            self.bytes_read += read
            if self._columns is not before:
                check_lengths(self._columns)
                self._lay_out(scheduler)
        assert self._plan is not None
        assert self._layout is not None
        shards, homes = self._deal(scheduler, self._layout, self._plan)
        scheduler.place(shards, keep=passes != 1, homes=homes)
        self._scheduler = scheduler
        return self._plan

    def sum_over_rows(self, kernel: Any, state: State | None = None) -> Partial:
        """Sum ``kernel(block, state)`` over all blocks: one pass.

        Parameters
        ----------
        kernel : callable with a ``name``
            Frozen, picklable, defined at module level. ``reads_X = False`` on it makes a pass over
            what lies beside X only, which does not count.
        state : mapping of str to array, optional

        Returns
        -------
        partial
            Whatever the kernel returns, added up in one fixed tree.

        Raises
        ------
        DataError
            In the first pass, for the first value that no model can use.
        """
        if self._scheduler is None:
            self.prepare(self._work.passes, self._work.partial_bytes)
        assert self._scheduler is not None
        assert self._layout is not None
        reads_X = getattr(kernel, "reads_X", True)
        result = sum_over_rows(
            self._scheduler,
            kernel,
            state or {},
            self._layout.n_segments,
            self._work.partial_bytes,
            self.progress if reads_X else None,
        )
        self.bytes_read += result.bytes_read
        if reads_X:
            self.n_passes += 1
            self.bytes_pinned = result.bytes_pinned
            self.kernel_seconds += result.kernel_seconds
        return result.partial

    def replace_groups(self, groups: Any) -> None:
        """Lay ``groups``, an array of shape (n_samples,), beside X; plan and shards are made anew.

        Raises
        ------
        DataError
            For another number of rows.
        """
        rows = open_rows(groups, missing_chunks="raise", sample_dim=None, role="groups")
        assert isinstance(rows, Rows)
        columns = replace(self._columns, groups=rows)
        check_lengths(columns)
        if self._scheduler is not None:
            self._scheduler.release()
            self._scheduler = None
        self._columns, self._plan, self._is_ready = columns, None, False

    def close(self) -> None:
        """Let go of shards, pinned blocks and scratch files."""
        if self._scheduler is not None:
            self._scheduler.release()
            self._scheduler = None
        if self._ready is not None:
            self._ready.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        rows = "unknown" if self.n_samples is None else f"{self.n_samples:,}"
        return f"<Design of {self._columns.X.describe}: {rows} rows x {self.n_features:,} columns>"

    def _choose_scheduler(self) -> Scheduler:
        X = self._columns.X
        if X.resident and (X.n_rows or 0) * X.row_nbytes < SMALL:
            return Threads(self._memory_limit)
        return active_scheduler(self._memory_limit)

    def _lay_out(self, scheduler: Scheduler) -> None:
        self._layout = None
        self._make_plan(scheduler, self._work)

    def _make_plan(self, scheduler: Scheduler, work: Work) -> None:
        columns, workers = self._columns, scheduler.workers
        block = choose_block(columns, workers, self._block_size, work.partial_bytes)
        persisted = columns.X.persisted
        if columns.X.n_rows is not None and self._layout is None:
            rows_per_block = max(1, int(block // max(1.0, columns.X.row_nbytes)))
            self._layout = make_layout(
                columns.X.n_rows,
                rows_per_block=rows_per_block,
                row_chunks=columns.X.row_chunks,
                whole_chunks=persisted,
                max_segments=None if persisted else MAX_SEGMENTS,
            )
        self._plan = make_plan(
            columns,
            self._layout,
            workers,
            work,
            block_bytes=block,
            n_shards=self._n_shards(workers),
            persisted=persisted,
        )

    def _n_shards(self, workers: Sequence[Any]) -> int:
        if self._layout is None:
            return 0
        total = self._layout.n_rows * self._columns.X.row_nbytes
        if self._columns.X.resident and total < SMALL:
            return 1
        threads = sum(worker.threads for worker in workers)
        wanted = max(threads * SHARDS_PER_THREAD, int(total // LONG_SHARD))
        return min(self._layout.n_segments, wanted)

    def _deal(
        self, scheduler: Scheduler, layout: Layout, plan: Plan
    ) -> tuple[list[Shard], list[str | None]]:
        groups: list[tuple[Sequence[int], str | None]]
        homes = getattr(self._columns.X, "chunk_homes", None)
        if homes is not None and plan.n_workers >= 1 and not isinstance(scheduler, Threads):
            groups = by_home(homes(scheduler), plan.n_shards)
        else:
            groups = [(run, None) for run in layout.deal(plan.n_shards)]
        share = plan.bytes_pinned / plan.total_bytes if plan.total_bytes else 0.0
        pins = spread_pins(layout.rows, share)
        runs = [
            make_runs(self._columns, layout.rows, layout.segments, list(chosen))
            for chosen, _ in groups
        ]
        shards = [
            Shard(
                own,
                layout.n_segments,
                pins=pins.intersection(spec.index for run in own for spec in run.specs),
                budget=plan.pin_capacity,
                names=self.feature_names,
            )
            for own in runs
        ]
        return shards, [home for _, home in groups]
