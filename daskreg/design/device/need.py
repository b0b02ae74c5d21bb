"""What passes need of a card's memory beside the blocks that stay there: named terms, in bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .ring import SLOTS

MIB = 1 << 20
#: Handles and scratch memory of cuBLAS (32 MiB on the newest cards) and cuSPARSE, kernels that are
#: compiled late, and what the allocator cannot use of its pieces.
LIBRARIES = 256 * MIB
#: A card's block is larger than a processor's: asking for a sum takes some 100 microseconds, in
#: which the fastest memory of today gives some 400 MiB.
MAX_DEVICE_BLOCK = 256 * MIB


@dataclass(frozen=True)
class CardFacts:
    """A card as its worker tells of it.

    Attributes
    ----------
    name : str
    free : int
        Bytes that the worker could allocate.
    demanded : bool
        Whether the worker is told to use it, whatever comes.
    """

    name: str
    free: int
    demanded: bool = False


@dataclass(frozen=True)
class DeviceShare:
    """What a shard may keep on a card.

    Attributes
    ----------
    blocks : set of int
        Numbers of the blocks that are to stay there.
    reserve : int
        Device bytes that stay free beside them.
    """

    blocks: frozenset[int] = frozenset()
    reserve: int = 0


@dataclass(frozen=True)
class DevicePlan:
    """What of a fit goes to the cards.

    Attributes
    ----------
    names : tuple of str
        Of the cards, one for each worker that has one.
    free : int
        Bytes of the card with the least memory.
    bytes_kept : int
        Of blocks, on all cards together.
    memory : mapping of str to int
        What one card has to hold beside them, as named terms in bytes.
    """

    names: tuple[str, ...]
    free: int
    bytes_kept: int
    memory: Mapping[str, int] = field(repr=False)

    @property
    def reserve(self) -> int:
        return sum(self.memory.values())


def device_terms(
    block_bytes: int, temporaries: int, partial_bytes: int, n_levels: int, n_running: int
) -> dict[str, int]:
    """Peak of one card in bytes by name, before anything is kept there.

    Parameters
    ----------
    block_bytes : int
        The largest block.
    temporaries : int
        Working memory of one kernel call.
    partial_bytes : int
        One partial.
    n_levels : int
        Partials that a running shard holds at once.
    n_running : int
        Shards that run at once on the card.
    """
    return {
        "ring of blocks on the card": SLOTS * block_bytes,
        "kernel temporaries on the card": temporaries,
        "partial sums on the card": n_running * n_levels * partial_bytes,
        "libraries on the card": LIBRARIES,
    }


def block_limit(cards: Sequence[CardFacts]) -> int:
    """Bytes of a block at most, so that the ring takes a tenth of the smallest card."""
    return min(MAX_DEVICE_BLOCK, min(card.free for card in cards) // 32)
