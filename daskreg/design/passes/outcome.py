"""What a shard gives back from one pass, how several are added, and what the pass gives back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from operator import add

from daskreg._typing import Partial
from daskreg.design.device.use import DeviceUse
from daskreg.design.partials import absorbed

from .dyadic import DyadicSum, Node
from .retries import Retries
from .seals import Key, Seal
from .tally import PassRecord, ShardRecord
from .tier import Spooled


@dataclass(frozen=True)
class Outcome:
    """What a shard gives back from one pass.

    Attributes
    ----------
    nodes : list of (node, partial)
        The largest nodes of the summation tree that the shard completes.
    bytes_read : int
        Decoded bytes that came from below the process's memory.
    bytes_pinned : int
        Bytes the shard now keeps in the ledger of its process.
    seconds : float
        Wall time of the task.
    kernel_seconds : float
        The part of it spent in the kernel.
    spooled : Spooled
        What it keeps on the local disk.
    seals : dict
        Checksums of blocks that were read for the first time.
    retries : Retries
        Reads that were tried again.
    device : DeviceUse
        What the cards did.
    shards : tuple of ShardRecord
        What each shard took that this is the outcome of.
    """

    nodes: list[tuple[Node, Partial]]
    bytes_read: int
    bytes_pinned: int
    seconds: float
    kernel_seconds: float
    spooled: Spooled = field(default_factory=Spooled)
    seals: dict[Key, Seal] = field(default_factory=dict)
    retries: Retries = field(default_factory=Retries)
    device: DeviceUse = field(default_factory=DeviceUse)
    shards: tuple[ShardRecord, ...] = ()

    def at(self, where: str) -> Outcome:
        """The same, with the address of the worker that it was found on."""
        return replace(self, shards=tuple(replace(one, where=where) for one in self.shards))

    @property
    def nbytes(self) -> int:
        return sum(partial.nbytes for _, partial in self.nodes)


def merge_outcomes(n_segments: int, *outcomes: Outcome, own: bool = False) -> Outcome:
    """Add what can be added; the tree decides, not the order of arrival.

    With ``own`` nobody else knows the outcomes, and sums may take their place in memory.
    """
    if len(outcomes) == 1:
        return outcomes[0]
    total = DyadicSum(n_segments, plus=absorbed if own else add)
    for outcome in outcomes:
        total.update(outcome.nodes)
    return replace(
        outcomes[0],
        nodes=list(total.nodes.items()),
        bytes_read=sum(outcome.bytes_read for outcome in outcomes),
        bytes_pinned=sum(outcome.bytes_pinned for outcome in outcomes),
        kernel_seconds=sum(outcome.kernel_seconds for outcome in outcomes),
        seconds=max(outcome.seconds for outcome in outcomes),
        spooled=sum((outcome.spooled for outcome in outcomes), Spooled()),
        seals={key: seal for outcome in outcomes for key, seal in outcome.seals.items()},
        retries=sum((outcome.retries for outcome in outcomes), Retries()),
        device=sum((outcome.device for outcome in outcomes), DeviceUse()),
        shards=tuple(shard for outcome in outcomes for shard in outcome.shards),
    )


@dataclass(frozen=True)
class PassResult:
    """The sum over all rows, and what it took.

    ``n_passes`` is 0 where it is known from a pass that has been counted; ``seals`` are checksums
    of blocks that were read for the first time; ``record`` is None where no pass was made for it.
    """

    partial: Partial
    bytes_read: int = 0
    bytes_pinned: int = 0
    kernel_seconds: float = 0.0
    spooled: Spooled = field(default_factory=Spooled)
    n_passes: int = 1
    seals: dict[Key, Seal] = field(default_factory=dict)
    record: PassRecord | None = None
