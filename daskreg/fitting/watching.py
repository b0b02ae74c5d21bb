"""What a fit tells those who see it: where it begins, and what its iterates are."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Protocol


class Watching(Protocol):
    """Everybody who sees one fit.

    Attributes
    ----------
    iterates : callable or None
        From the Solution of the loop to ``Fitted``, once the loop begins.
    """

    iterates: Callable[[Any], Any] | None

    def joined(self, callbacks: Any, design: Any, tol: float) -> tuple[Any, ...]:
        """All callbacks of a loop, once the data are open."""


#: Who sees the fit of this thread; None: nobody.
WATCHING: ContextVar[Watching | None] = ContextVar("daskreg-watching", default=None)


def begun(settings: Any, design: Any) -> Any:
    """Settings of a fit that begins now: limits count from here, and everybody listens."""
    watching, callbacks = WATCHING.get(), settings.callbacks
    limits = settings.limits.begun(design)
    if watching is not None:
        callbacks = watching.joined(callbacks, design, float(settings.tol))
    return replace(settings, limits=limits, callbacks=callbacks)


def show_iterates(fitted_of: Callable[[Any], Any]) -> None:
    """Let scorers between iterations have a model, where a lone fit has one.

    Parameters
    ----------
    fitted_of : callable
        From the Solution of all problems of the loop to ``Fitted``.
    """
    watching = WATCHING.get()
    if watching is not None:
        watching.iterates = fitted_of
