"""Design: rows of X and what lies beside, and the one verb *sum a kernel over the rows*."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from daskreg._callers import outside
from daskreg._typing import Partial, State

from .columns import Columns
from .facts import Facts
from .layout import Layout
from .origin import Origin, check_columns
from .passes.outcome import PassResult
from .passes.running import Journal, Running
from .passes.scheduler import Progress, sum_over_rows
from .passes.tally import PassRecord
from .passes.tier import Spooled
from .placement import Placement
from .plan import Plan
from .ready import Readiness
from .recognise import open_rows
from .sources.base import Rows
from .sources.selected import select_columns
from .work import Beside, Work

#: No other design is read in turn.
NOTHING = Beside()


class Design(Facts):
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
    bytes_spooled : int
        Bytes of blocks that are kept on local disks since reading them there is faster.
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
        cache: str | None = "auto",
        worker_timeout: float | None = None,
    ) -> None:
        self.feature_names = feature_names or columns.X.names
        self.labels = getattr(columns.X, "labels", None)
        self._placement = Placement(
            columns,
            memory_limit=memory_limit,
            block_size=block_size,
            ready=ready,
            origin=origin,
            names=self.feature_names,
            cache=cache,
            worker_timeout=worker_timeout,
        )
        self.origin = origin
        self.n_passes = 0
        self.bytes_read = 0
        self.bytes_pinned = 0
        self.bytes_spooled = 0
        self.kernel_seconds = 0.0
        self._warned = False
        self.progress: Progress | None = None
        #: Told of each pass that was made, when it has ended.
        self.on_pass: Callable[[PassRecord], None] | None = None
        self.journal: Journal | None = None
        self._seen = False

    @property
    def placement(self) -> Placement:
        return self._placement

    def prepare(
        self,
        passes: int | None = None,
        partial_bytes: int = 0,
        temporaries: int = 0,
        client_bytes: int = 0,
        note: str = "",
        selected_bytes: int = 0,
        libraries: tuple[str, ...] = (),
        beside: Beside = NOTHING,
    ) -> Plan:
        """Make the final plan for what a solver asks and deal the rows out to shards.

        Parameters
        ----------
        passes : int, optional
            Passes the solver is going to make; 1 means that nothing is kept in memory.
        partial_bytes, temporaries, client_bytes, note, selected_bytes, libraries, beside
            As in ``Work``.

        Raises
        ------
        MemoryPlanError
            Before the first byte is read, where that does not fit.
        """
        return self._place(
            Work(
                *(passes, partial_bytes, temporaries, client_bytes, selected_bytes),
                *(note, libraries, beside),
            )
        )

    def _place(self, work: Work | None = None) -> Plan:
        """Place the rows for the work; for the work of the last time where none is given."""
        self.bytes_read += self.placement.place(work or self.placement.work)
        self.bytes_pinned = 0
        self._seen = False
        return self.plan

    def _placed(self) -> Layout:
        """Blocks and segments, once shards are placed."""
        if self.placement.scheduler is None:
            self._place()
        assert self.placement.layout is not None
        return self.placement.layout

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
        self._placed()
        reads_X = getattr(kernel, "reads_X", True)
        if self.journal is None:
            result = self._pass(kernel, state or {})
        else:
            result = self.journal.summed(kernel, state or {}, self._pass)
        if not reads_X:
            self.bytes_read += result.bytes_read
            return result.partial
        first = self.n_passes == 0 and result.bytes_read > 0
        if first and self.origin is not None and self.takes_whole_rows:
            self.origin.charge(result.bytes_read)
        else:
            self.bytes_read += result.bytes_read
        self.n_passes += result.n_passes
        self._seen = True
        self.bytes_pinned = result.bytes_pinned
        self.kernel_seconds += result.kernel_seconds
        self._note(result.spooled)
        return result.partial

    def _pass(self, kernel: Any, state: State, running: Running | None = None) -> PassResult:
        reads_X = getattr(kernel, "reads_X", True)
        result = sum_over_rows(
            self.placement.placed(),
            kernel,
            state,
            self._placed().n_segments,
            self.placement.work.partial_bytes,
            None if getattr(kernel, "quiet", not reads_X) else self.progress,
            running,
        )
        if self.on_pass is not None and result.record is not None:
            self.on_pass(result.record)
        return result

    def keep_in(self, journal: Journal) -> None:
        """Let a journal keep the sums of passes, before the plan is made."""
        self.journal = journal
        self.placement.keep_in(journal)

    def _note(self, spooled: Spooled) -> None:
        """Tell what is spooled, and warn once where that came to an end early."""
        self.bytes_spooled = spooled.nbytes
        self.placement.note(spooled)
        if spooled.chosen and spooled.trouble and not self._warned:
            self._warned = True
            warnings.warn(spooled.trouble, RuntimeWarning, stacklevel=outside())

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
        layout = self._placed()
        names, place = self.feature_names, self.placement
        return Design(
            replace(self._columns, X=select_columns(self._columns.X, chosen)),
            memory_limit=place.memory_limit,
            block_size=place.block_size,
            feature_names=None if names is None else tuple(names[i] for i in chosen),
            ready=None if place.ready is None else place.ready.shared(),
            origin=Origin(self, chosen, layout),
            # Whoever selects columns wants them kept.
            cache=place.cache or "memory",
            worker_timeout=place.worker_timeout,
        )

    @property
    def reads_columns(self) -> bool:
        """Whether ``select`` may do with less than reading whole rows from storage: X lies in
        memory, all of it is pinned, or columns can be read alone."""
        if self._columns.X.reads_columns:
            return True
        if self.placement.scheduler is None:
            return False
        # By the plan, so that a fit that goes on from a checkpoint decides as it did before.
        return self._seen and self.plan.bytes_streamed == 0 < self.plan.bytes_pinned

    def replace_groups(self, groups: Any) -> None:
        """Lay ``groups``, an array of shape (n_samples,), beside X; plan and shards are made anew.

        Raises
        ------
        DataError
            For another number of rows.
        """
        rows = open_rows(groups, missing_chunks="raise", sample_dim=None, role="groups")
        assert isinstance(rows, Rows)
        self.placement.replace_groups(rows)

    def close(self) -> None:
        """Let go of shards, pinned blocks and scratch files."""
        self.placement.close()

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
