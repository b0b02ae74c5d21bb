"""What a pass has to get done on a cluster: shards, parts of them, and who tries."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from daskreg.events import Json

from .shards import Shard


@dataclass(eq=False)
class Attempt:
    """A task that runs a job on one worker.

    Attributes
    ----------
    future : Future
    address : str
    makes : bool
        Its value is the shard itself, which stays where it was made.
    since : float
        When it was submitted, on the monotonic clock.
    finished : bool
        Whether it was seen to have ended.
    """

    future: Any
    address: str
    makes: bool = False
    since: float = field(default_factory=time.monotonic)
    finished: bool = False

    @property
    def done(self) -> bool:
        """Whether its result is there, as far as anybody knows."""
        self.finished |= self.future.status == "finished"
        return bool(self.future.status == "finished")


@dataclass(eq=False)
class Job:
    """A shard, or a part of one, to be summed once.

    Attributes
    ----------
    number : int
        Of the shard.
    shard : Shard
        The recipe of what is to be summed.
    whole : bool
        False: a part of the shard, summed alone on a worker.
    suspect : Job or None
        The part that this one is a single block of; its sum is dropped.
    attempts : list of Attempt
        First answer wins.
    deaths : int
        Workers that died while they had it.
    acquitted : bool
        Whether a suspect was seen to come to its end.
    seconds : float or None
        How long the answer took.
    """

    number: int
    shard: Shard
    whole: bool = True
    suspect: Job | None = None
    attempts: list[Attempt] = field(default_factory=list)
    deaths: int = 0
    acquitted: bool = False
    seconds: float | None = None

    @property
    def winner(self) -> Attempt | None:
        """Who has the answer."""
        for attempt in self.attempts:
            if attempt.done:
                if self.seconds is None:
                    self.seconds = time.monotonic() - attempt.since
                return attempt
        return None

    @property
    def waited_for(self) -> list[Any]:
        """Futures of which one has to come."""
        winner = self.winner
        return [winner.future] if winner else [attempt.future for attempt in self.attempts]

    @property
    def rows(self) -> tuple[int, int]:
        """The first and the last row."""
        return self.shard.specs[0].start, self.shard.specs[-1].stop - 1

    @property
    def details(self) -> dict[str, Json]:
        """What events say of it."""
        return {"shard": self.number, "rows": list(self.rows)}

    def segments(self) -> list[Job]:
        """A job for each segment: their sums meet in the same tree, to the same bits."""
        specs = self.shard.specs
        chosen = dict.fromkeys(spec.segment for spec in specs)
        return [
            Job(
                self.number,
                self.shard.part(frozenset(s.index for s in specs if s.segment == one)),
                False,
            )
            for one in chosen
        ]

    def blocks(self) -> list[Job]:
        """A job for each block, to find out which of them is deadly."""
        return [
            Job(self.number, self.shard.part(frozenset([spec.index])), False, suspect=self)
            for spec in self.shard.specs
        ]
