"""A card without a card: numpy arrays in counted memory, with streams whose order is checked.

Copies are made as late as their events allow, so that a missing wait gives wrong numbers; reads and
writes of a buffer carry clocks, so that a missing wait is an assertion even where the numbers would
have been right.  Memory that is let go of on either side while it is copied is noted as a fault.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from daskreg.design.device.card import Card


class StandInOutOfMemory(Exception):
    """The stand-in's memory is full."""


class Stream:
    """What was asked of it, and what of the other stream it has waited for."""

    def __init__(self) -> None:
        self.time = 0
        self.seen = 0
        self.pending: list[tuple[int, Callable[[], None]]] = []

    def run_until(self, time: int) -> None:
        while self.pending and self.pending[0][0] <= time:
            self.pending.pop(0)[1]()


class Event:
    def __init__(self, stream: Stream) -> None:
        self.stream, self.time = stream, stream.time


@dataclass
class Times:
    """When a buffer was last written, by the copying stream's clock, and read, by the other's."""

    written: int
    read: int


class Buffer:
    """Memory of the card."""

    def __init__(self, nbytes: int, now: int) -> None:
        self.bytes = np.full(nbytes, 0xFF, dtype=np.uint8)
        self.times = Times(0, now)


class Watched(np.ndarray):
    """An array on the stand-in: it mixes with no host array, and is never looked at in passing."""

    card: StandInCard | None = None
    buffer: Buffer | None = None

    def __array_finalize__(self, other: Any) -> None:
        self.card = getattr(other, "card", None)
        self.buffer = getattr(other, "buffer", None)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        plain = [self._plain(value) for value in inputs]
        settings = {name: self._plain(value) for name, value in settings.items()}
        return self._wrapped(getattr(ufunc, method)(*plain, **settings))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        plain = {name: self._plain(value) for name, value in kwargs.items()}
        return self._wrapped(func(*map(self._plain, args), **plain))

    def _plain(self, value: Any) -> Any:
        """The numbers of an argument, once it is known that they may be read now."""
        if isinstance(value, tuple | list):
            return type(value)(self._plain(one) for one in value)
        if isinstance(value, Watched):
            if value.card is not None:
                value.card.reads(value.buffer)
            return value.view(np.ndarray)
        if isinstance(value, np.ndarray) and value.ndim and not (self.card and self.card.mixes):
            raise TypeError("an array of the host meets one of the card")
        return value

    def _wrapped(self, result: Any) -> Any:
        if isinstance(result, tuple | list):
            return type(result)(self._wrapped(value) for value in result)
        if not isinstance(result, np.ndarray | np.generic):
            return result
        assert self.card is not None
        self.card.allocates()
        return self.card.array(np.asarray(result))

    def _refuse(self, *_: Any) -> Any:
        raise AssertionError("a kernel looks at a number of the card, and so waits for it")

    __bool__ = __float__ = __int__ = __index__ = tolist = item = _refuse


class StandInCard(Card):
    """See the module.

    Parameters
    ----------
    limit : int
        Bytes of its memory; what kernels make for themselves is not counted.
    strict : bool
        Arrays of array_api_strict on its second device instead: nothing but the standard, and no
        clocks.
    mixes : bool
        Arrays of the host are no error: numpy's are taken for such by whoever asks what they are.

    Attributes
    ----------
    used, most : int
        Bytes in buffers now, and at most so far.
    locks : bool
        Whether memory of the host can be page-locked.
    waits, fetches, puts, moved : int
        Times that a thread waited for a copy, arrays fetched, copies to buffers and their bytes.
    faults : list of str
        What would have gone wrong on a card, where nobody could be told.
    """

    def __init__(
        self,
        limit: int = 1 << 30,
        strict: bool = False,
        mixes: bool = False,
        name: str = "stand-in",
    ) -> None:
        self.limit, self.name, self.strict, self.mixes = limit, name, strict, mixes
        self.locks = True
        self.used = self.most = self.waits = self.fetches = self.moved = self.puts = 0
        self.faults: list[str] = []
        self._locked: list[weakref.ref[Any]] = []
        self.compute, self.copy = Stream(), Stream()
        self._lock, self._local = threading.RLock(), threading.local()
        self.xp: Any = np
        if strict:
            import array_api_strict

            self.xp, self._device = array_api_strict, array_api_strict.Device("device1")

    # ------------------------------------------------------------------ arrays

    def array(self, values: Any, buffer: Buffer | None = None) -> Any:
        """Numbers as an array of the card; the memory stays the same."""
        if self.strict:
            return self.xp.asarray(values, device=self._device)
        watched = values.view(Watched)
        watched.card, watched.buffer = self, buffer
        return watched

    def reads(self, buffer: Buffer | None) -> None:
        """Take note that the computing stream reads a buffer."""
        assert getattr(self._local, "computing", 0), "asked of no stream of the card"
        if buffer is None:
            return
        with self._lock:
            self.compute.time += 1
            buffer.times.read = self.compute.time
            there = buffer.times.written <= self.compute.seen
            assert there, "a kernel reads what may not be there yet"

    def is_array(self, value: Any) -> bool:
        return isinstance(value, Watched) or (hasattr(value, "__array_namespace__") and self.strict)

    # ------------------------------------------------------------------ memory

    def allocates(self) -> None:
        """Called whenever memory of the card, or what only CUDA can give, is asked for."""

    def free_bytes(self) -> int:
        return self.limit - self.used

    def page_locked(self, shape: tuple[int, ...], dtype: Any, stays: bool = False) -> Any:
        if not self.locks:
            raise StandInOutOfMemory("no more memory of the host can be locked")
        self.allocates()
        array = np.empty(shape, dtype)
        if not stays:
            self._locked = [one for one in self._locked if one() is not None]
            self._locked.append(weakref.ref(array))
        return array

    def empty(self, nbytes: int) -> Buffer:
        self.allocates()
        with self._lock:
            if self.used + nbytes > self.limit:
                raise StandInOutOfMemory(f"{nbytes} bytes asked for, {self.free_bytes()} free")
            self.used += nbytes
            self.most = max(self.most, self.used)
            # Its memory may be what the computing stream has been asked to read just before.
            buffer = Buffer(nbytes, self.compute.time)
        weakref.finalize(buffer, self._freed, nbytes, buffer.times)
        return buffer

    def _freed(self, nbytes: int, times: Times) -> None:
        with self._lock:
            self.used -= nbytes
            if times.written > self.compute.seen:  # whose next memory this is going to be
                self.faults.append("memory of the card was let go of while it was copied to")

    def put(self, host: Any, buffer: Buffer, at: int = 0) -> Any:
        assert host.flags.c_contiguous
        part = buffer.bytes[at : at + host.nbytes].view(host.dtype).reshape(host.shape)
        with self._lock:
            free = buffer.times.read <= self.copy.seen
            assert free, "a buffer is filled that may still be read"
            self.copy.time += 1
            self.moved, self.puts = self.moved + host.nbytes, self.puts + 1
            buffer.times.written = self.copy.time
            source = weakref.ref(host)
            self.copy.pending.append((self.copy.time, lambda: self._copy(source(), part)))
        return self.array(part, buffer)

    def _copy(self, host: Any, part: Any) -> None:
        if host is None:
            self.faults.append("memory of the host was let go of before it was copied")
        else:
            np.copyto(part, host)

    def send(self, host: Any) -> Any:
        self.allocates()
        # Page-locked memory is read later, and nothing waits for that.
        for one in self._locked:
            locked = one()
            if locked is not None and np.may_share_memory(locked, host):
                self.faults.append("memory that is read into again was sent without waiting")
        return self.array(np.array(host))

    def fetch(self, array: Any) -> Any:
        with self._lock, self.computing():
            self.fetches += 1
            if self.strict:
                return np.array(array._array)
            self.reads(array.buffer)
            if not array.flags.c_contiguous:
                self.allocates()  # room for a copy
            return np.array(array.view(np.ndarray))

    # ------------------------------------------------------------------ order

    def event(self, stream: Stream) -> Event:
        self.allocates()
        with self._lock:
            return Event(stream)

    def wait(self, stream: Stream, event: Event) -> None:
        with self._lock:
            stream.seen = max(stream.seen, event.time)
            if event.stream is self.copy:
                self.copy.run_until(event.time)

    def wait_here(self, event: Event) -> None:
        with self._lock:
            self.waits += 1
            event.stream.run_until(event.time)

    @contextmanager
    def computing(self) -> Iterator[None]:
        self._local.computing = getattr(self._local, "computing", 0) + 1
        try:
            yield
        finally:
            self._local.computing -= 1

    def synchronize(self) -> None:
        with self._lock:
            self.copy.run_until(self.copy.time)
            self.copy.seen, self.compute.seen = self.compute.time, self.copy.time

    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, StandInOutOfMemory)

    def trim(self) -> None:
        self.synchronize()
