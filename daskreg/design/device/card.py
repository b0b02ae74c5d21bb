"""A card: its memory, two streams, and what copies and waits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any

import numpy as np

from daskreg._array import csr_like
from daskreg._typing import AnyArray

from .blocks import DeviceArray

#: Parts of a buffer begin at multiples of so many bytes, which suit any type and vector load.
ALIGNMENT = 256


class Card(ABC):
    """One GPU as this process uses it: a stream that computes and another one that copies.

    Memory comes from, and goes back to, the computing stream: what was freed there may still be in
    use by what it has not done yet.  So a copy into fresh memory waits for what was asked of the
    computing stream before.

    Attributes
    ----------
    name : str
        What people call it.
    xp : module
        The namespace of its arrays.
    compute, copy : object
        The two streams.
    """

    name: str
    xp: Any
    compute: Any
    copy: Any

    @abstractmethod
    def free_bytes(self) -> int:
        """Bytes that this process could still allocate."""

    @abstractmethod
    def page_locked(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], stays: bool = False
    ) -> AnyArray:
        """Return an empty host array that the card reads by itself, at the speed of its link.

        One that ``stays`` from pass to pass takes its own bytes and goes back to the system; others
        may be somewhat larger, and their memory is used again.  Raises what
        ``is_out_of_memory`` knows.
        """

    @abstractmethod
    def empty(self, nbytes: int) -> Any:
        """Return a buffer in the card's memory; raises what ``is_out_of_memory`` knows."""

    @abstractmethod
    def put(self, host: AnyArray, buffer: Any, at: int = 0) -> DeviceArray:
        """Copy a C-contiguous host array into a buffer, on the copying stream.

        Returns at once where the host array is page-locked, which must then stay as it is until an
        event recorded after this one has passed.

        Parameters
        ----------
        host : ndarray
        buffer : object
            As ``empty`` returns it.
        at : int
            Where in it, in bytes.

        Returns
        -------
        device array
            Of the host array's shape and type; its memory is the buffer's.
        """

    @abstractmethod
    def send(self, host: AnyArray) -> DeviceArray:
        """Copy a host array to memory of its own, on the computing stream."""

    @abstractmethod
    def fetch(self, array: DeviceArray) -> Any:
        """Copy a device array to the host; waits for what makes it."""

    @abstractmethod
    def is_array(self, value: Any) -> bool:
        """Whether the value lies on the card."""

    @abstractmethod
    def event(self, stream: Any) -> Any:
        """Return an event that passes when the stream has done all it was asked so far."""

    @abstractmethod
    def wait(self, stream: Any, event: Any) -> None:
        """Let what the stream is asked from now on wait for the event."""

    @abstractmethod
    def wait_here(self, event: Any) -> None:
        """Wait for the event in this thread."""

    @abstractmethod
    def computing(self) -> AbstractContextManager[Any]:
        """Ask what follows, in this thread, of the computing stream."""

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until both streams have done all that they were asked."""

    @abstractmethod
    def is_out_of_memory(self, error: BaseException) -> bool:
        """Whether the error says that the card's memory is full, and nothing worse."""

    @abstractmethod
    def trim(self) -> None:
        """Wait, and give back memory that is only kept for later, the card's and the host's."""


def parts_of(X: Any) -> tuple[AnyArray, ...]:
    """Return the arrays that a host matrix consists of."""
    return (X.data, X.indices, X.indptr) if hasattr(X, "indptr") else (X,)


def buffer_nbytes(X: Any) -> int:
    """Bytes that a host matrix takes in a buffer."""
    return sum(_aligned(part.nbytes) for part in parts_of(X))


def _aligned(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


def copied_parts(card: Card, parts: Sequence[AnyArray], buffer: Any) -> list[DeviceArray]:
    """Copy C-contiguous host arrays into a buffer, one after the other.

    Returns when they may be written to; what the computing stream is asked from now on finds the
    numbers there.
    """
    at, arrays = 0, []
    try:
        for part in parts:
            arrays.append(card.put(part, buffer, at))
            at += _aligned(part.nbytes)
        copied = card.event(card.copy)
        card.wait(card.compute, copied)
        card.wait_here(copied)
    except Exception:
        # Memory on both sides is let go of, and a copy may still be under way.
        with suppress(Exception):
            card.synchronize()
        raise
    return arrays


def locked_copy(card: Card, X: Any) -> Any:
    """Return a host matrix with its numbers in page-locked memory, which it keeps."""

    def locked(part: AnyArray) -> AnyArray:
        out = card.page_locked(part.shape, part.dtype, stays=True)
        np.copyto(out, part)
        return out

    parts = tuple(map(locked, parts_of(X)))
    return parts[0] if len(parts) == 1 else csr_like(X, *parts)
