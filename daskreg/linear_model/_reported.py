"""Estimators that tell how their fit went, once somebody asks."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

from daskreg.callbacks import FitReport
from daskreg.design.host import peak_growth
from daskreg.events import Event

from ._fit_report import fit_report
from ._watching import Watching


class Reported:
    """Keeps what a report is made of until it is looked at, pickled or saved.

    A report costs tens of microseconds, which is some per cent of a small fit.
    """

    _untold: Callable[[], FitReport]

    def _keep_report(self, watching: Watching) -> None:
        """The fit has ended, and all that a report says of it is set."""
        for name in ("_untold", "fit_report_"):
            vars(self).pop(name, None)
        # Parameters and attributes as they are now, whatever becomes of them.
        fitted = object.__new__(type(self))
        vars(fitted).update(vars(self))
        log = watching.log
        self._untold = partial(
            fit_report, fitted, watching.history, log.events, log.n_left_out, peak_growth()
        )

    @cached_property
    def fit_report_(self) -> FitReport:
        """How the fit went: convergence, seconds by phase, bytes by tier, memory, events."""
        untold = vars(self).get("_untold")
        if untold is None:
            if "fit_report_" in vars(self):  # another thread has just made it
                made: FitReport = vars(self)["fit_report_"]
                return made
            raise AttributeError(f"this {type(self).__name__} has no fit_report_: call fit first")
        report = vars(self)["fit_report_"] = untold()
        vars(self).pop("_untold", None)
        return report

    @property
    def events_(self) -> list[Event]:
        """What happened on the way, as ``fit_report_`` has it."""
        return [Event(**event) for event in self.fit_report_.events]

    def __getstate__(self) -> Any:
        if "_untold" in vars(self):
            self.fit_report_  # noqa: B018 - a copy elsewhere has the report, not what it is made of
        return super().__getstate__()
