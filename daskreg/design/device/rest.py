"""Memory that goes back to others when this process keeps nothing on its card any more."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress

from .at_hand import card_at_hand
from .ring import ring_of
from .shelf import EMPTIED, SHELF

#: Seconds without a fit after which memory goes back: the next one may come at once, and allocating
#: takes as long as a pass.
PAUSE = 1.0

_lock = threading.Lock()
_thread: threading.Thread | None = None


def give_back() -> bool:
    """Give back what is only kept for later, unless there is a design; return whether it was."""
    card = card_at_hand()
    if card is None or SHELF.n_shards:
        return False
    ring_of(card).clear()
    card.trim()
    return True


def begin() -> None:
    """Let a thread of its own give back memory when the shelf has been empty for a while.

    Shards end wherever the collector runs, be it inside of CuPy's own locks: nothing may be asked
    of the card there.
    """
    global _thread
    if _thread is None:
        with _lock:
            if _thread is None:
                _thread = threading.Thread(target=_work, name="daskreg-card-rest", daemon=True)
                _thread.start()


def _work() -> None:
    while True:
        EMPTIED.get()
        with suppress(queue.Empty):
            while True:
                EMPTIED.get(timeout=PAUSE)
        with suppress(Exception):  # a card that is broken says so in the next pass
            give_back()
