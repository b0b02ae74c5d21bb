"""Design: rows of X and what lies beside, and the one verb *sum a kernel over the rows*."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import numpy as np

from daskreg._typing import Partial, State

from .columns import Columns, check_lengths
from .dealing import Hand, choose_scheduler, deal, draft, make_shards
from .layout import Layout
from .origin import Origin, check_columns
from .passes.scheduler import Progress, Scheduler, sum_over_rows
from .plan import Plan
from .ready import Readiness
from .recognise import open_rows
from .sources.base import Rows
from .work import Work
from .workers import Worker


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
        origin: Origin | None = None,
    ) -> None:
        self._columns = columns
        self._memory_limit = memory_limit
        self._block_size = block_size
        self._ready = ready
        self.origin = origin
        self.data = ""
        self._segments: list[Sequence[int]] = []
        self._layout: Layout | None = None if origin is None else origin.layout
        self._plan: Plan | None = None
        self._scheduler: Scheduler | None = None
        self._measured: dict[str, Worker] = {}
        self._work = Work()
        self.feature_names = feature_names or columns.X.names
        self.labels = getattr(columns.X, "labels", None)
        self.n_passes = 0
        self.bytes_read = 0
        self.bytes_pinned = 0
        self.kernel_seconds = 0.0
        self._closed = False
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
    def row_nbytes(self) -> float:
        """Bytes of a row of X in its storage type; of sparse X on average."""
        return float(self._columns.X.row_nbytes)

    @property
    def memory_limit(self) -> int | None:
        """Bytes that each process may hold; None: what the machine has."""
        return self._memory_limit

    @property
    def process_memory(self) -> int | None:
        """Bytes that the smallest process which runs shards may hold, as far as it is known."""
        return self._memory_limit if self._plan is None else self._plan.memory_limit

    @property
    def resident(self) -> bool:
        """Whether X lies in the memory of this process."""
        return self._columns.X.resident

    @property
    def takes_whole_rows(self) -> bool:
        """Whether these are selected columns, and whole rows are read for them."""
        return self._columns.X.takes_whole_rows

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
            self._draft(self._choose_scheduler(), self._work)
        assert self._plan is not None
        return self._plan

    def prepare(
        self,
        passes: int | None = None,
        partial_bytes: int = 0,
        temporaries: int = 0,
        client_bytes: int = 0,
        note: str = "",
        selected_bytes: int = 0,
        libraries: tuple[str, ...] = (),
    ) -> Plan:
        """Make the final plan for what a solver asks and deal the rows out to shards.

        Parameters
        ----------
        passes : int, optional
            Passes the solver is going to make; 1 means that nothing is kept in memory.
        partial_bytes, temporaries, client_bytes, note, selected_bytes, libraries
            As in ``Work``.

        Raises
        ------
        MemoryPlanError
            Before the first byte is read, where that does not fit.
        """
        return self._prepare(
            Work(passes, partial_bytes, temporaries, client_bytes, selected_bytes, note, libraries)
        )

    def _prepare(self, work: Work) -> Plan:
        scheduler = self._choose_scheduler()
        self._work = work
        self._draft(scheduler, work)
        if self._ready is not None:
            before = self._columns
            # What it has made ready once is left as it is.
            self._columns, read = self._ready(before, scheduler)
            self.bytes_read += read
            if self._columns is not before:
                check_lengths(self._columns)
                self._draft(scheduler, work)
        assert self._plan is not None
        assert self._layout is not None
        self._place(scheduler, self._layout, self._plan)
        return self._plan

    def _place(self, scheduler: Scheduler, layout: Layout, plan: Plan) -> None:
        self._release()
        origin = self.origin
        hands = origin.hands if origin is not None else None
        hands = hands or deal(self._columns, layout, plan, scheduler)
        # A new name: nothing that older shards have pinned is taken for a block of these.
        self.data = uuid.uuid4().hex
        shards = make_shards(
            self._columns,
            layout,
            plan,
            hands,
            names=self.feature_names,
            data=self.data,
            lender=origin.lender if origin is not None else None,
        )
        scheduler.place(shards, keep=self._work.passes != 1, homes=[home for _, home in hands])
        self._segments = [segments for segments, _ in hands]
        self._scheduler, self.bytes_pinned = scheduler, 0

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
            self._prepare(self._work)
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
        if not reads_X:
            self.bytes_read += result.bytes_read
            return result.partial
        first = self.n_passes == 0 and result.bytes_read > 0
        if first and self.origin is not None and self.takes_whole_rows:
            self.origin.charge(result.bytes_read)
        else:
            self.bytes_read += result.bytes_read
        self.n_passes += 1
        self.bytes_pinned = result.bytes_pinned
        self.kernel_seconds += result.kernel_seconds
        return result.partial

    def select(self, columns: Any) -> Design:
        """A design of some columns: same rows, blocks and segments, workers and memory limit.

        It keeps its own n_rows x len(columns) values after its first pass, as far as they fit
        beside what this design keeps, and is closed on its own.  Values of X come, block by block,

        1. from what this design has pinned in the process that runs the shard;
        2. from X where it lies in memory, or from storage that gives these columns alone (column
           chunks of zarr, Fortran order, Parquet, data frames, several variables of a Dataset);
        3. else from whole rows, sliced where they are read: the first pass that reads such rows is
           one pass of this design, and its bytes are this design's; later passes, for what could
           not be kept, are the selection's own.

        Parameters
        ----------
        columns : array of int, shape (n_columns,)
            Ascending places of columns of X.

        Returns
        -------
        Design

        Raises
        ------
        ValueError
            Columns that are unsorted, repeated, out of range, or none.
        MemoryPlanError
            When it is planned and does not fit beside this design; ``selected_bytes`` of
            ``prepare`` leaves room.

        Examples
        --------
        >>> import numpy as np
        >>> from daskreg.design import as_design
        >>> with as_design(np.eye(4), np.ones(4)) as design, design.select([0, 2]) as two:
        ...     two.n_samples, two.n_features
        (4, 2)
        """
        chosen = check_columns(columns, self.n_features)
        if self._scheduler is None:
            self._prepare(self._work)
        assert self._layout is not None
        names = self.feature_names
        return Design(
            replace(self._columns, X=self._columns.X.select(chosen)),
            memory_limit=self._memory_limit,
            block_size=self._block_size,
            feature_names=None if names is None else tuple(names[i] for i in chosen),
            ready=None if self._ready is None else self._ready.shared(),
            origin=Origin(self, chosen, self._layout),
        )

    @property
    def reads_columns(self) -> bool:
        """Whether ``select`` may do with less than reading whole rows from storage: X lies in
        memory, all of it is pinned, or columns can be read alone."""
        if self._columns.X.reads_columns:
            return True
        if self._scheduler is None or self._plan is None:
            return False
        return self._plan.bytes_streamed == 0 < self.bytes_pinned

    @property
    def most_columns(self) -> int:
        """How many selected columns the plan has left room for; all where nobody asked for room.

        Columns of a sparse matrix differ: they are taken for four times the average.
        """
        X, room = self._columns.X, self._work.selected_bytes
        total = (X.n_rows or 0) * X.row_nbytes
        if not room or room >= total:
            return self.n_features
        share = room / total / (4 if self.sparse else 1)
        return max(1, int(share * self.n_features))

    @property
    def hands(self) -> list[Hand]:
        """Segments of each shard and the worker that it is on; none before shards are placed."""
        if self._scheduler is None:
            return []
        return list(zip(self._segments, self._scheduler.homes, strict=True))

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
        self._release()
        self._columns, self._plan = columns, None

    def close(self) -> None:
        """Let go of shards, pinned blocks and scratch files."""
        self._release()
        if self._ready is not None and not self._closed:
            self._ready.close()
        self._closed = True

    def _release(self) -> None:
        if self._scheduler is not None:
            self._scheduler.release()
            self._scheduler = None

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
        scheduler = self.origin.scheduler if self.origin is not None else None
        return scheduler or choose_scheduler(self._columns, self._memory_limit)

    def _draft(self, scheduler: Scheduler, work: Work) -> None:
        workers = list(scheduler.workers)
        if self._scheduler is not None:
            # What they have pinned since they were measured is let go before anything is placed.
            workers = [self._measured.get(worker.address, worker) for worker in workers]
        self._measured = {worker.address: worker for worker in workers}
        self._layout, self._plan = draft(
            self._columns, workers, work, self._block_size, self.origin
        )
