"""Facts: what is known of a design's rows, and planned for them, without reading any."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from .columns import Columns
from .layout import Hand, Layout
from .passes.scheduler import Scheduler
from .placement import Placement
from .plan import Plan


class Facts(ABC):
    """Sizes and types of the columns of a design, and where its rows are to be."""

    @property
    @abstractmethod
    def placement(self) -> Placement:
        """The rows, planned and dealt out."""

    @property
    def _columns(self) -> Columns:
        """The rows of X and of what lies beside."""
        return self.placement.columns

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
    def row_chunks(self) -> tuple[int, ...] | None:
        """Lengths of the natural runs of rows of X."""
        return self._columns.X.row_chunks

    @property
    def beside_is_cheap(self) -> bool:
        """Whether what lies beside X can be read without computing a collection."""
        return not any(rows.computed for name, rows in self._columns.parts() if name != "X")

    @property
    def row_nbytes(self) -> float:
        """Bytes of a row of X in its storage type; of sparse X on average."""
        return float(self._columns.X.row_nbytes)

    @property
    def resident(self) -> bool:
        """Whether X lies in the memory of this process."""
        return self._columns.X.resident

    @property
    def takes_whole_rows(self) -> bool:
        """Whether these are selected columns, and whole rows are read for them."""
        return self._columns.X.takes_whole_rows

    @property
    def memory_limit(self) -> int | None:
        """Bytes that each process may hold; None: what the machine has."""
        return self.placement.memory_limit

    @property
    def process_memory(self) -> int | None:
        """Bytes that the smallest process which runs shards may hold, as far as it is known."""
        return self.placement.process_memory

    @property
    def layout(self) -> Layout | None:
        """Borders of blocks and segments; None until the rows are known and the plan is made."""
        return self.placement.layout

    @property
    def plan(self) -> Plan:
        """What a fit would read, keep and cost; printing it shows a table.

        Raises
        ------
        MemoryPlanError
            If the data cannot be worked on inside the memory limit.
        """
        return self.placement.plan

    @property
    def scheduler(self) -> Scheduler | None:
        """Who holds the shards; None before they are placed."""
        return self.placement.scheduler

    @property
    def hands(self) -> list[Hand]:
        """Segments of each shard and the worker that it is on; none before shards are placed."""
        return self.placement.hands

    @property
    def data(self) -> str:
        """What the shards call these rows; another name each time that they are placed."""
        return self.placement.data

    @property
    def most_columns(self) -> int:
        """How many selected columns the plan has left room for; all where nobody asked for room.

        Columns of a sparse matrix differ: they are taken for four times the average.
        """
        X, room = self._columns.X, self.placement.work.selected_bytes
        total = int((X.n_rows or 0) * X.row_nbytes)  # a row of a sparse matrix has parts of bytes
        if not room or room >= total:
            return self.n_features
        share = room / total / (4 if self.sparse else 1)
        return max(1, int(share * self.n_features))

    @property
    def spare_bytes(self) -> int:
        """Bytes that the plan leaves to a process while no columns are selected."""
        plan = self.plan
        return max(0, plan.usable - plan.peak) + self.placement.work.selected_bytes
