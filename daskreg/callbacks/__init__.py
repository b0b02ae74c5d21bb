"""Progress of a fit, and what is known of it afterwards.

A callback is any object with ``on_iteration(event)``; the event is a `daskreg.solvers.Progress`,
and returning True asks for an end.  It may have more methods:

- ``on_plan(plan)``: the plan, before the first pass;
- ``on_rows(rows, nbytes)``: rows done inside a pass, from any thread;
- ``on_pass(record)``: a `daskreg.design.passes.tally.PassRecord` of each pass;
- ``on_event(event)``: a `daskreg.events.Event`, such as a lost worker, from any thread;
- ``setup(estimator, context)`` and ``teardown(estimator, context)``: the fit begins and ends.

It is passed as ``callbacks=[...]``; one that follows scikit-learn's callback protocol as well may
be set by ``set_callbacks``.  `observe` lets a callback see every fit of the process.  `Pace` keeps
the numbers of progress, `ProgressReport` shows them, `History` and `FitReport` keep them.
"""

from __future__ import annotations

from .fit_report import FitReport
from .folding import fold
from .history import History
from .hooks import listener, observe, observers, teller
from .pace import Pace, Rows, describe
from .report import ProgressReport
from .words import statuses_in_words

__all__ = [
    "FitReport",
    "History",
    "Pace",
    "ProgressReport",
    "Rows",
    "describe",
    "fold",
    "listener",
    "observe",
    "observers",
    "statuses_in_words",
    "teller",
]
