"""What the loop leaves behind after each step, and how it goes on from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from daskreg._typing import AnyArray

from .record import Record
from .results import Solution


class Stage(Protocol):
    """One call of ``solve``, as whoever keeps checkpoints sees it."""

    @property
    def ending(self) -> Any:
        """What it ended with, if it ended before; else None."""

    def recall(self) -> Any:
        """The latest snapshot, or None; passes from now on belong to steps."""

    def commit(self, snapshot: Callable[[], Any]) -> None:
        """Keep where the loop stands; may raise ``SystemExit`` where an end is asked for."""

    def suspend(self) -> None:
        """The loop ends without being finished: a later one goes on from the latest snapshot."""

    def finish(self, ending: Any) -> None:
        """Keep what it ended with."""


class Checkpoint(Protocol):
    """Keeps stages, in the order in which a fit makes them."""

    def stage(self, **signature: Any) -> Stage:
        """The next one; raises where it was about something else."""


class Unkept:
    """A stage that nobody keeps."""

    ending: Any = None

    def recall(self) -> Any:
        return None

    def commit(self, snapshot: Callable[[], Any]) -> None: ...

    def suspend(self) -> None: ...

    def finish(self, ending: Any) -> None: ...


def stage_of(checkpoint: Checkpoint | None, solver: Any, datafit: Any) -> Stage:
    """Return the stage of this call, by what may differ between two runs of one fit."""
    if checkpoint is None:
        return Unkept()
    return checkpoint.stage(
        solver=solver.name,
        problems_at_once=datafit.n_problems,
        columns=datafit.n_features,
        outputs=datafit.n_outputs,
    )


def snapshot_of(
    record: Record, active: AnyArray, state: Any, n_iter: int, callbacks: Sequence[Any]
) -> dict[str, Any]:
    """Return all that the loop knows: arrays of its own, which no later step changes.

    A callback with ``snapshot()`` and ``restore(snapshot)`` goes on with what it knew.
    """
    return {
        "record": record.snapshot(),
        "active": active,
        "state": state,
        "n_iter": n_iter,
        "callbacks": _told(callbacks),
    }


def restored(
    snapshot: Mapping[str, Any], record: Record, callbacks: Sequence[Any]
) -> tuple[AnyArray, Any, int]:
    """Set record and callbacks to a snapshot; return active problems, state and iterations."""
    record.restore(snapshot["record"])
    _tell(callbacks, snapshot["callbacks"])
    return snapshot["active"], snapshot["state"], int(snapshot["n_iter"])


def ending_of(solution: Solution, callbacks: Sequence[Any]) -> dict[str, Any]:
    """Return what the loop ended with, and what callbacks knew then."""
    return {"solution": solution, "callbacks": _told(callbacks)}


def ended_with(ending: Mapping[str, Any], callbacks: Sequence[Any]) -> Solution:
    """Set callbacks to what they knew at the end; return the solution."""
    _tell(callbacks, ending["callbacks"])
    solution: Solution = ending["solution"]
    return solution


def _told(callbacks: Sequence[Any]) -> list[Any]:
    return [callback.snapshot() for callback in callbacks if hasattr(callback, "snapshot")]


def _tell(callbacks: Sequence[Any], told: Sequence[Any]) -> None:
    listening = (callback for callback in callbacks if hasattr(callback, "snapshot"))
    for callback, snapshot in zip(listening, told, strict=True):
        callback.restore(snapshot)
