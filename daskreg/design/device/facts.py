"""What a plan is told of this process's card."""

from __future__ import annotations

from daskreg._device import wanted_device

from .at_hand import card_at_hand, card_of_process
from .need import CardFacts
from .ring import ring_of
from .shelf import SHELF


def card_facts(little: bool = False) -> CardFacts | None:
    """Return what a plan needs to know of this process's card; None: there is none.

    For ``little`` data a card counts only if it is in use or demanded: to open one takes seconds.

    Raises
    ------
    MissingDependencyError
        As ``card_of_process``.
    """
    unasked = little and wanted_device() != "gpu"
    card = card_at_hand() if unasked else card_of_process()
    if card is None:
        return None
    # Buffers of the ring are there for every fit; what others have promised to keep is gone.
    free = card.free_bytes() + ring_of(card).nbytes - SHELF.to_come
    return CardFacts(card.name, max(0, free), wanted_device() == "gpu", SHELF.passing)
