"""What callbacks may be told, and who is told it without being asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

_observers: list[Callable[[Any], Any]] = []


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


def teller(callbacks: Iterable[Any], hook: str) -> Callable[..., None]:
    """Return a function that calls the method ``hook`` of all callbacks that have it."""
    hear = [getattr(callback, hook) for callback in callbacks if hasattr(callback, hook)]

    def tell(*told: Any) -> None:
        for method in hear:
            method(*told)

    return tell


def observe(make: Callable[[Any], Any]) -> Callable[[], None]:
    """Let every fit of this process that begins from now on be seen.

    Parameters
    ----------
    make : callable
        From the estimator (None: a path function) to a callback for its fit, or to None.

    Returns
    -------
    callable
        Ends it.

    Examples
    --------
    >>> stop = observe(lambda estimator: None)
    >>> stop()
    """
    _observers.append(make)

    def stop() -> None:
        if make in _observers:
            _observers.remove(make)

    return stop


def observers(estimator: Any) -> list[Any]:
    """Callbacks of whoever wants to see the fit that begins now."""
    made = [make(estimator) for make in list(_observers)]
    return [callback for callback in made if callback is not None]
