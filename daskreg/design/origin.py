"""Where a design of selected columns comes from, and what it shares with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from daskreg._typing import AnyArray

from .layout import Hand, Layout
from .passes.lender import Lender
from .passes.scheduler import Scheduler
from .plan import Plan
from .work import Elsewhere


class Whole(Protocol):
    """What a selection of columns needs to know of the design that they are of.

    Attributes
    ----------
    n_passes, bytes_read, bytes_pinned : int
    origin : Origin or None
        Where its own columns were selected from.
    """

    n_passes: int
    bytes_read: int
    bytes_pinned: int
    origin: Origin | None

    @property
    def plan(self) -> Plan:
        """What its work reads and keeps."""

    @property
    def layout(self) -> Layout | None:
        """Its blocks and segments now."""

    @property
    def hands(self) -> list[Hand]:
        """How they are dealt out; empty where they are not."""

    @property
    def scheduler(self) -> Scheduler | None:
        """Who holds its shards."""

    @property
    def data(self) -> str:
        """What its shards call their blocks."""

    @property
    def takes_whole_rows(self) -> bool:
        """Whether whole rows are read for its columns."""


@dataclass(frozen=True)
class Origin:
    """The design that columns were selected from.

    Attributes
    ----------
    design : Whole
        It may have been planned anew, or closed, since.
    columns : ndarray of int, shape (n_columns,)
    layout : Layout
        Its blocks and segments when the columns were selected; those of the selection for ever.
    """

    design: Whole
    columns: AnyArray
    layout: Layout

    @property
    def hands(self) -> list[Hand] | None:
        """How its segments are dealt out, on which workers; None where it is dealt otherwise now.

        A shard of the selection is then where the whole rows are: it finds what is pinned there.
        """
        design = self.design
        return design.hands if design.layout == self.layout else None

    @property
    def scheduler(self) -> Scheduler | None:
        """One for the processes that it runs on; None where it runs nowhere now."""
        scheduler = self.design.scheduler
        return None if scheduler is None else scheduler.another()

    @property
    def lender(self) -> Lender | None:
        """Who holds whole blocks with the same borders."""
        return Lender(self.design.data, self.columns) if self.hands else None

    def charge(self, nbytes: int) -> None:
        """Count a pass that read whole rows for some of their columns: of whoever they are."""
        design = self.design
        if design.origin is not None and design.takes_whole_rows:
            design.origin.charge(nbytes)
            return
        design.n_passes += 1
        design.bytes_read += nbytes

    def elsewhere(self) -> Elsewhere:
        """What it pins in a process, and what of that is still to come, with its own origin."""
        design, above = self.design, Elsewhere()
        if design.origin is not None:
            above = design.origin.elsewhere()
        if not design.hands:
            return above
        pinned = design.plan.memory.get("blocks pinned between passes", 0)
        # Blocks are pinned in the first pass; after it they are part of the process.
        to_come = 0 if design.bytes_pinned else pinned
        return Elsewhere(above.pinned + pinned, above.to_come + to_come)


def check_columns(columns: Any, n_features: int) -> AnyArray:
    """The chosen columns as an array.

    Raises
    ------
    ValueError
        Not integers, none at all, not ascending, twice the same, or none of X.
    """
    chosen = np.asarray(columns)
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or not chosen.size:
        raise ValueError(
            f"columns must be a one-dimensional array of at least one integer; got shape "
            f"{chosen.shape} of {chosen.dtype}. Pass np.flatnonzero(mask) for a mask"
        )
    if chosen.min() < 0 or chosen.max() >= n_features:
        wrong = chosen[(chosen < 0) | (chosen >= n_features)][0]
        raise ValueError(f"column {wrong} is out of range: X has columns 0 to {n_features - 1}")
    steps = np.diff(chosen.astype(np.int64))
    if (steps <= 0).any():
        at = int(np.flatnonzero(steps <= 0)[0])
        what = "twice" if steps[at] == 0 else f"after column {chosen[at]}"
        raise ValueError(
            f"columns must ascend, each once; column {chosen[at + 1]} comes {what}. Pass "
            "np.unique(columns)"
        )
    return chosen.astype(np.intp)
