"""What passes need of a card's memory beside the blocks that stay there: named terms, in bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from daskreg.design.host import format_bytes
from daskreg.exceptions import MemoryPlanError

MIB = 1 << 20
#: Buffers that streamed blocks pass through: one that a kernel reads, one that is being filled, and
#: one that evens out both.
SLOTS = 3
#: Libraries and kernels that are loaded late, and what the allocator cannot use of its pieces.
LIBRARIES = 256 * MIB
#: What a kernel holds of a tile of rows: X widened, predictors, residuals; each some 32 MiB, which
#: stay in the cache of a card; and the scratch memory of the thread's own handle of cuBLAS, 32 MiB
#: on the newest cards.
TILES = 160 * MIB
#: Bytes that sorting a sparse block by column takes for each stored number: places, row numbers,
#: their scratch memory and what comes of it.
SORTING = 64
#: Terms that no two fits share, if both are in a pass.
TEMPORARIES, PARTIALS = "kernel temporaries", "partial sums"
PASSING = (TEMPORARIES, PARTIALS)
#: A card's block is larger than a processor's: asking for a sum takes some 100 microseconds, in
#: which the fastest memory of today gives some 400 MiB.
MAX_DEVICE_BLOCK = 256 * MIB


def slot_nbytes(block_bytes: int) -> int:
    """Bytes of a buffer in the ring: blocks differ by a few rows, and new memory is dear."""
    return block_bytes + block_bytes // 64 + 4096


@dataclass(frozen=True)
class CardFacts:
    """A card as its worker tells of it.

    Attributes
    ----------
    name : str
    free : int
        Bytes that the worker could allocate, less what other fits of it are going to keep.
    demanded : bool
        Whether the worker is told to use it, whatever comes.
    passing : int
        Bytes that passes of those fits take while they run.
    """

    name: str
    free: int
    demanded: bool = False
    passing: int = 0


@dataclass(frozen=True)
class DeviceShare:
    """What a shard may keep on a card.

    Attributes
    ----------
    blocks : set of int
        Numbers of the blocks that are to stay there.
    reserve : int
        Device bytes that stay free beside them.
    nbytes : int
        Of these blocks, with what kernels keep beside them.
    passing : int
        The part of the reserve that no other fit can use while a pass runs.
    """

    blocks: frozenset[int] = frozenset()
    reserve: int = 0
    nbytes: int = 0
    passing: int = 0


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
        Of X, on all cards together.
    share : float
        The part of X that this is.
    memory : mapping of str to int
        What one card has to hold beside them, as named terms in bytes.
    """

    names: tuple[str, ...]
    free: int
    bytes_kept: int
    share: float
    memory: Mapping[str, int] = field(repr=False)

    @property
    def reserve(self) -> int:
        """Bytes of a card that are not for blocks to stay in."""
        return sum(self.memory.values())

    @property
    def passing(self) -> int:
        """The part of it that passes of this fit take for themselves while they run."""
        return sum(self.memory.get(name, 0) for name in PASSING)

    def __str__(self) -> str:
        kinds = ", ".join(
            f"{count} x {name}" if count > 1 else name
            for name, count in Counter(self.names).items()
        )
        told = (f"{format_bytes(size)} {name}" for name, size in self.memory.items() if size)
        return (
            f"{kinds} with {format_bytes(self.free)} free: {format_bytes(self.bytes_kept)} of "
            f"blocks stay there in all; beside them a card holds {', '.join(told)}"
        )


def device_terms(
    block_bytes: int,
    temporaries: int,
    partial_bytes: int,
    n_levels: int,
    n_running: int,
    n_stored: int = 0,
) -> dict[str, int]:
    """Peak of one card in bytes by name, before anything is kept there.

    Parameters
    ----------
    block_bytes : int
        The largest block.
    temporaries : int
        Working memory of one kernel call on a processor, beyond that of tiles of rows.
    partial_bytes : int
        One partial.
    n_levels : int
        Partials that a running shard holds at once.
    n_running : int
        Shards that run at once on the card.
    n_stored : int
        Numbers that the largest block of sparse rows stores: those that pass through are sorted by
        column each time.
    """
    return {
        "ring of streamed blocks": SLOTS * slot_nbytes(block_bytes),
        TEMPORARIES: n_running * (TILES + temporaries + SORTING * n_stored),
        PARTIALS: n_running * n_levels * partial_bytes,
        "libraries": LIBRARIES,
    }


def device_plan(
    cards: Sequence[CardFacts | None],
    X_bytes: int,
    beside_bytes: int,
    keeps: bool,
    terms: Mapping[str, int],
    lent: bool = False,
) -> tuple[DevicePlan | None, str]:
    """What of the data stays on the cards, and what to say where they are too small.

    Parameters
    ----------
    cards : sequence of CardFacts or None
        Of each worker; None: it has none.
    X_bytes, beside_bytes : int
        Of X and of what lies beside it, decoded: kernels keep that, or what they make of it, too.
    keeps : bool
        Whether anything is to stay there.
    terms : mapping
        As ``device_terms`` returns.
    lent : bool
        The rows are a part of other rows' and are read in turn with them: passes of both are never
        made at once.

    Raises
    ------
    MemoryPlanError
        Where the terms do not fit a card that a worker is told to use.
    """
    there = [card for card in cards if card is not None]
    if not there:
        return None, ""
    least = min(there, key=lambda card: card.free - card.passing)
    if not lent and least.passing:
        terms = {**terms, "passes of other fits": least.passing}
    need = sum(terms.values())
    if need > least.free:
        parts = ", ".join(f"{name} {format_bytes(size)}" for name, size in terms.items() if size)
        lack = (
            f"{least.name} has {format_bytes(least.free)} of memory free and passes need "
            f"{format_bytes(need)} there ({parts})"
        )
        if not any(card.demanded for card in there):
            return None, f"passes run on processors: {lack}"
        raise MemoryPlanError(
            f"{lack}. Take a smaller block_size, end what else uses the card, or let the workers "
            "run with DASKREG_DEVICE=auto, which leaves such a fit to the processors"
        )
    # Shards are dealt out evenly: those of workers without a card keep nothing there.
    whole = max(1, X_bytes + beside_bytes)
    each = min(least.free - need, -(-whole // len(cards))) if keeps else 0
    share = min(1.0, each * len(there) / whole)
    names = tuple(card.name for card in there)
    return DevicePlan(names, least.free, int(X_bytes * share), share, terms), ""


def block_limit(cards: Sequence[CardFacts]) -> int:
    """Bytes of a block at most, so that the ring takes a tenth of the smallest card."""
    return min(MAX_DEVICE_BLOCK, min(card.free for card in cards) // 32)
