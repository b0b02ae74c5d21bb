"""Limits of a whole fit: passes over X, and time."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from daskreg.solvers import Status


@dataclass(frozen=True)
class Limits:
    """What a fit may spend before its best iterate has to do.

    Attributes
    ----------
    max_passes : int or None
        Passes over X after which no iteration starts; the first pass counts.
    deadline : float or None
        Seconds after which no iteration starts.
    design : Design or None
        Whose passes are counted, once the fit has begun.
    n_before : int
        Its passes at that time.
    end : float or None
        When the time is over, on the monotonic clock.
    """

    max_passes: int | None = None
    deadline: float | None = None
    design: Any = None
    n_before: int = 0
    end: float | None = None

    def begun(self, design: Any) -> Limits:
        """The same limits, counted from now."""
        end = None if self.deadline is None else time.monotonic() + self.deadline
        return replace(self, design=design, n_before=int(design.n_passes), end=end)

    @property
    def passes_left(self) -> int | None:
        """At least one: a solver has to look at its start."""
        if self.max_passes is None:
            return None
        return max(1, self.max_passes - (int(self.design.n_passes) - self.n_before))

    @property
    def seconds_left(self) -> float | None:
        return None if self.end is None else max(0.0, self.end - time.monotonic())

    @property
    def spent(self) -> Status | None:
        """What has run out, after which nothing more should be begun."""
        if self.end is not None and time.monotonic() >= self.end:
            return Status.DEADLINE
        if self.max_passes is None:
            return None
        if int(self.design.n_passes) - self.n_before >= self.max_passes:
            return Status.MAX_PASSES
        return None
