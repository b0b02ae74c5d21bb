"""Where a fit stands: the numbers that every kind of screen shows."""

from __future__ import annotations

import threading
from typing import Any

from .pace import Pace, Rows, passes


class Standing:
    """The latest numbers of a fit, kept up to date from any thread.

    Attributes
    ----------
    title : str
        Of the estimator that is fitted.
    pace : Pace
    rows : Rows
        How far the running pass has come.
    event : Progress or None
        The latest iteration.
    bytes_read : int
        Decoded bytes that came from below the memory of processes.
    """

    def __init__(
        self, tol: float, n_rows: int | None = None, pass_bytes: int | None = None
    ) -> None:
        self.title = ""
        self.begin(tol, n_rows, pass_bytes)

    def begin(self, tol: float, n_rows: int | None = None, pass_bytes: int | None = None) -> None:
        """Passes begin now."""
        self._lock = threading.Lock()
        self.pace = Pace(tol, pass_bytes)
        self.rows = Rows(n_rows, pass_bytes)
        self.event: Any = None
        self.bytes_read = 0

    def add_rows(self, rows: int, nbytes: int) -> None:
        """Count rows that are done, and bytes that were read for them."""
        with self._lock:
            self.rows.add(rows)
            self.bytes_read += nbytes

    def update(self, event: Any) -> None:
        """Take in an iteration."""
        self.pace.update(passes(event), event.gap)
        self.event = event
