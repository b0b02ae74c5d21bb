"""Progress of a fit: passes, the gap on a logarithmic bar, speed and the time that is left.

A callback is any object with ``on_iteration(event)``; the event is a
`daskreg.solvers.Progress`.  One that also has ``on_rows(rows, nbytes)`` hears of the rows done
inside a pass, from any thread, and one with ``on_plan(plan)`` is given the plan before the first
pass.  `Pace` keeps the numbers and `ProgressReport` shows them, so that other protocols
(scikit-learn's callbacks, a notebook widget) can reuse the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .pace import Pace, Rows, describe
from .report import ProgressReport, fold

__all__ = ["Pace", "ProgressReport", "Rows", "describe", "fold", "listener"]


def listener(callbacks: Iterable[Any]) -> Callable[[int, int], None] | None:
    """Return one function of (rows, nbytes) for all callbacks with ``on_rows``, None without any.

    Examples
    --------
    >>> listener([]) is None
    True
    """
    hear = [callback.on_rows for callback in callbacks if hasattr(callback, "on_rows")]
    if not hear:
        return None

    def tell(rows: int, nbytes: int) -> None:
        for on_rows in hear:
            on_rows(rows, nbytes)

    return tell
