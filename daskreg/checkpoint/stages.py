"""One call of a solver, as a checkpoint sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from .fingerprint import Fields, compare, fields_of

ADVICE = (
    "Data and parameters are the same, so what chose it differs: give the same solver= and "
    "memory_limit="
)


@dataclass
class Kept:
    """What is known of a stage.

    Attributes
    ----------
    signature : dict
        Digest and text of what the stage is about.
    n_passes : int
        Passes since it began.
    content : object
        The latest snapshot, or the solution; None before the first.
    ended : bool
    prepared : list of str
        Passes that were made for it before its first step, and are kept for good.
    """

    signature: Fields
    n_passes: int = 0
    content: Any = None
    ended: bool = False
    prepared: list[str] = field(default_factory=list)


class Keeper(Protocol):
    """Who keeps stages, and writes them when it is time."""

    def open_stage(self, kept: Kept) -> None:
        """Passes from now on belong to the steps of this stage."""

    def close_stage(self) -> None:
        """Passes from now on belong to no step."""

    def forget_recent(self) -> None:
        """Let go of passes that a snapshot stands for now."""

    def pause(self) -> None:
        """Write if it is time; ``Preempted`` where a signal has asked for an end."""

    def save(self) -> bool:
        """Write now; False where the disk refuses it."""


class Stage:
    """Hands a solver's loop what is kept of it, and keeps what it says.

    Parameters
    ----------
    checkpoint : Keeper
    kept : Kept
    design : Design
        Whose passes are counted.
    """

    def __init__(self, checkpoint: Keeper, kept: Kept, design: Any) -> None:
        self._checkpoint, self._kept, self._design = checkpoint, kept, design
        self._before = int(design.n_passes)

    @property
    def ending(self) -> Any:
        """What the stage ended with, if it has; its passes count as made."""
        if not self._kept.ended:
            return None
        self._design.n_passes = self._before + self._kept.n_passes
        return self._kept.content

    def recall(self) -> Any:
        """The latest snapshot or None; passes from now on belong to steps."""
        self._checkpoint.open_stage(self._kept)
        if self._kept.content is not None:
            self._design.n_passes = self._before + self._kept.n_passes
        return self._kept.content

    def commit(self, snapshot: Callable[[], Any]) -> None:
        """Keep where the loop stands, in place of the passes that led there.

        The snapshot is taken at once: an interrupted step may leave its record half updated.

        Raises
        ------
        Preempted
            A signal has asked for an end; the checkpoint is written.
        """
        self._keep(snapshot())
        self._checkpoint.pause()

    def suspend(self) -> None:
        """Write the latest snapshot: the loop ends without being finished."""
        self._checkpoint.save()
        self._checkpoint.close_stage()

    def finish(self, ending: Any) -> None:
        """Keep the ending in place of everything else about the stage."""
        self._keep(ending)
        self._kept.ended = True
        self._checkpoint.close_stage()
        self._checkpoint.pause()

    def _keep(self, content: Any) -> None:
        self._kept.content = content
        self._kept.n_passes = int(self._design.n_passes) - self._before
        self._checkpoint.forget_recent()


def check_signature(kept: Kept, path: str, **now: Any) -> None:
    """Raise ``CheckpointError`` where a stage is about something else than it was."""
    compare(kept.signature, fields_of(now), path, ADVICE)
