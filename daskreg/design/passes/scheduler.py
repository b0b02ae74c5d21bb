"""One pass: a task for each shard, its partials met in a fixed tree.

The only file that talks to a scheduler.
"""

from __future__ import annotations

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from daskreg._typing import State
from daskreg.design.workers import Worker
from daskreg.events import current_log, record

from .dyadic import DyadicSum
from .outcome import Outcome, PassResult, merge_outcomes
from .retries import Retries
from .running import Running
from .shards import Shard
from .tally import PassRecord

#: Bytes of a state that travels through the scheduler once, as a task of its own, and of what all
#: the tasks of a pass may carry of it otherwise.
LARGE_STATE, LARGE_STATES = 1 << 20, 4 << 20
#: Bytes of a partial that tree tasks on the workers add instead of the client, and of what the
#: client takes of all shards together.
LARGE_PARTIAL, LARGE_PARTIALS = 1 << 20, 64 << 20
#: Outcomes that one tree task adds.
FAN_IN = 4
#: How the keys of all tasks begin.
OWN = "daskreg-"

Progress = Callable[[int, int], None]


class Scheduler(ABC):
    """Runs shards: threads of this process, or the workers of a Dask cluster."""

    #: Whether nobody else knows the outcomes of a pass.
    hands_over = False

    @property
    @abstractmethod
    def workers(self) -> list[Worker]:
        """The processes that shards can run in."""

    @abstractmethod
    def another(self) -> Scheduler:
        """One of the same processes, without shards."""

    @property
    @abstractmethod
    def homes(self) -> list[str | None]:
        """Addresses of the workers where the shards are, in order; None: this process."""

    @abstractmethod
    def place(self, shards: Sequence[Shard], keep: bool, homes: Sequence[str | None]) -> None:
        """Take charge of the shards; ``keep`` them between passes; ``homes`` are the addresses of
        the workers that already hold their blocks."""

    @abstractmethod
    def run(
        self,
        kernel: Any,
        state: State,
        partial_bytes: int,
        progress: Progress | None,
        running: Running | None = None,
    ) -> list[Outcome]:
        """Run every shard once; returns outcomes whose nodes add up to the whole sum, with those
        that ``running`` has taken or leaves out."""

    @abstractmethod
    def map(self, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Call a function for each tuple of arguments, in parallel."""

    @abstractmethod
    def release(self) -> None:
        """Let the shards go."""


def sum_over_rows(
    scheduler: Scheduler,
    kernel: Any,
    state: State,
    n_segments: int,
    partial_bytes: int = 0,
    progress: Progress | None = None,
    running: Running | None = None,
) -> PassResult:
    """Sum ``kernel(block, state)`` over all rows: one pass, or what ``running`` leaves of it."""
    if getattr(kernel, "reads_X", True) and not getattr(kernel, "quiet", False):
        current_log().begin_pass()
    began = time.perf_counter()
    outcomes = scheduler.run(kernel, state, partial_bytes, progress, running)
    returned = time.perf_counter()
    # What is still running writes outcomes down as it likes.
    own = scheduler.hands_over and running is None
    whole = merge_outcomes(n_segments, *outcomes, own=own)
    if whole.retries.count:
        _tell(whole.retries)
    if whole.device.trouble:
        record("device", whole.device.trouble, whole.device.details)
    if running is None:
        partial = DyadicSum(n_segments, dict(whole.nodes)).root()
    else:
        partial = running.joined(whole.nodes)
    ended = time.perf_counter()
    return PassResult(
        partial=partial,
        bytes_read=whole.bytes_read,
        bytes_pinned=whole.bytes_pinned,
        kernel_seconds=whole.kernel_seconds,
        spooled=whole.spooled,
        seals=whole.seals,
        record=PassRecord(
            *(kernel.name, ended - began, ended - returned, whole.shards),
            counted=not getattr(kernel, "quiet", not getattr(kernel, "reads_X", True)),
        ),
    )


def _tell(retries: Retries) -> None:
    reasons = "; ".join(retries.reasons)
    record(
        "retry",
        f"{retries.count} reads failed for the moment and were tried again ({reasons})",
        {"count": retries.count, "reasons": list(retries.reasons)},
    )


def payload_of(kernel: Any, state: State, skip: frozenset[int] = frozenset()) -> bytes:
    """Kernel, state and what to skip, as bytes: Dask looks for keys inside dicts, not in bytes."""
    import cloudpickle

    return bytes(cloudpickle.dumps((kernel, dict(state), skip)))


def goes_once(nbytes: int, n_shards: int) -> bool:
    """Whether a state is too large for every task to carry it through the scheduler."""
    return nbytes > LARGE_STATE or nbytes * n_shards > LARGE_STATES


def adds_on_workers(nbytes: int, n_shards: int) -> bool:
    """Whether partials are too large for the client to take all of them."""
    return nbytes > LARGE_PARTIAL or nbytes * n_shards > LARGE_PARTIALS


def fresh(name: str) -> str:
    """A task key that no other pass has, with a readable name."""
    return f"{OWN}{name}-{uuid.uuid4().hex}"
