"""A pass that is given up: how shards hear of it, and what they say."""

from __future__ import annotations

from typing import Protocol

from .outcome import Outcome


class Cancelled(RuntimeError):
    """The pass was given up by whoever started it.

    Attributes
    ----------
    outcome : Outcome or None
        What a shard had finished by then.
    """

    def __init__(self, outcome: Outcome | None = None) -> None:
        super().__init__("the pass was cancelled")
        self.outcome = outcome


class Flag(Protocol):
    """Whether a pass was given up."""

    def is_set(self) -> bool: ...
