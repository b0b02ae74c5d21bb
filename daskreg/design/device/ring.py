"""A few buffers on a card that streamed blocks pass through in turn."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from .card import Card
from .need import SLOTS, slot_nbytes


@dataclass(eq=False)
class Slot:
    """A buffer and the event after which it may be written to.

    Attributes
    ----------
    buffer : object or None
        None until the first block comes.
    nbytes : int
    free : event or None
        Recorded on the computing stream behind all that reads the buffer.
    """

    buffer: Any = None
    nbytes: int = 0
    free: Any = None


class Ring:
    """The buffers of one card, for all shards of this process that use it at the same time.

    Whoever holds a slot needs no other one to come to its end, and threads take them in the order
    in which they come back: so nobody waits for ever.

    Parameters
    ----------
    card : Card
    n_slots : int
    """

    def __init__(self, card: Card, n_slots: int = SLOTS) -> None:
        self._card = card
        self._slots = [Slot() for _ in range(n_slots)]
        self._back: queue.SimpleQueue[Slot] = queue.SimpleQueue()
        for slot in self._slots:
            self._back.put(slot)

    @property
    def nbytes(self) -> int:
        """Bytes that the buffers take now."""
        return sum(slot.nbytes for slot in self._slots)

    @contextmanager
    def slot(self, nbytes: int) -> Iterator[Any]:
        """Lend a buffer of at least ``nbytes``, which the copying stream may write to at once.

        Inside the ``with`` all is asked of the computing stream that reads the buffer.
        """
        slot = self._back.get()
        try:
            if slot.buffer is None or slot.nbytes < nbytes:
                self._replace(slot, nbytes)
            self._card.wait(self._card.copy, slot.free)
            yield slot.buffer
        finally:
            self._leave(slot)

    def _leave(self, slot: Slot) -> None:
        """Put a slot back, to be written to behind all that reads it."""
        try:
            slot.free = self._card.event(self._card.compute)
        except BaseException as error:
            # Memory that is freed comes back behind what reads it, see Card.
            slot.buffer, slot.nbytes, slot.free = None, 0, None
            # What broke a card tells of it; a full one may have no room for an event.
            if not isinstance(error, Exception):
                raise
        finally:
            self._back.put(slot)

    def _replace(self, slot: Slot, nbytes: int) -> None:
        if slot.free is not None:
            # Nothing may be asked to write where a kernel still reads.
            self._card.wait_here(slot.free)
        slot.buffer, slot.nbytes = None, 0
        nbytes = slot_nbytes(nbytes)
        slot.buffer = self._card.empty(nbytes)
        slot.nbytes = nbytes
        slot.free = self._card.event(self._card.compute)

    def clear(self) -> None:
        """Give back the buffers that nobody holds."""
        with suppress(queue.Empty):
            for _ in self._slots:
                slot = self._back.get_nowait()
                slot.buffer, slot.nbytes, slot.free = None, 0, None
                self._back.put(slot)


_rings: WeakKeyDictionary[Card, Ring] = WeakKeyDictionary()
_lock = threading.Lock()


def ring_of(card: Card) -> Ring:
    """Return the ring of a card: made once in a process, since memory is dear to allocate."""
    with _lock:
        if card not in _rings:
            _rings[card] = Ring(card)
        return _rings[card]
