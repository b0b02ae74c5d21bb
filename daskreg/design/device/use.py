"""What a card had to do with a pass, as it travels back to the client."""

from __future__ import annotations

from dataclasses import dataclass

from daskreg.events import Json

#: What stays of reasons.
SHOWN = 3


@dataclass(frozen=True)
class DeviceUse:
    """What the cards did in one pass, and where their memory was too small.

    Attributes
    ----------
    n_blocks : int
        Blocks that a card has summed, whole or in pieces.
    n_halved : int
        Blocks that had to be cut, since the card's memory was full.
    n_on_host : int
        Blocks that were summed by the processor, since cutting them did not help.
    n_added_on_host : int
        Sums of blocks that were added by the processor, since there was no room for the result.
    bytes_kept : int
        Device bytes that stay on the cards after the pass.
    bytes_moved : int
        Bytes of X that went over the link.
    reasons : tuple of str
        What the cards said, of the first few times.
    """

    n_blocks: int = 0
    n_halved: int = 0
    n_on_host: int = 0
    n_added_on_host: int = 0
    bytes_kept: int = 0
    bytes_moved: int = 0
    reasons: tuple[str, ...] = ()

    def __add__(self, other: DeviceUse) -> DeviceUse:
        return DeviceUse(
            self.n_blocks + other.n_blocks,
            self.n_halved + other.n_halved,
            self.n_on_host + other.n_on_host,
            self.n_added_on_host + other.n_added_on_host,
            self.bytes_kept + other.bytes_kept,
            self.bytes_moved + other.bytes_moved,
            (*self.reasons, *other.reasons)[:SHOWN],
        )

    @property
    def details(self) -> dict[str, Json]:
        """What an event keeps of it."""
        return {
            "n_blocks": self.n_blocks,
            "n_halved": self.n_halved,
            "n_on_host": self.n_on_host,
            "n_added_on_host": self.n_added_on_host,
            "reasons": list(self.reasons),
        }

    @property
    def trouble(self) -> str:
        """What an event says where a card's memory was full; empty where it was not."""
        if not (self.n_halved or self.n_on_host or self.n_added_on_host):
            return ""
        told = []
        if self.n_halved:
            told.append(f"{self.n_halved} blocks were cut to halves or less")
        if self.n_on_host:
            told.append(f"{self.n_on_host} blocks were summed by the processor")
        if self.n_added_on_host:
            told.append(f"{self.n_added_on_host} sums were added by the processor")
        why = "; ".join(self.reasons)
        return (
            f"the memory of a card was full: {', '.join(told)} ({why}). Results are not "
            "affected; a smaller block_size, or nothing else on the card, makes passes faster"
        )
