"""The way of one shard's blocks to the card and through its kernel, in one pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from traceback import clear_frames
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np

from daskreg._array import concatenated, is_number, take_rows
from daskreg._typing import AnyArray, Partial, State
from daskreg.design.blocks import Block
from daskreg.design.partials import Sums

from .blocks import Absent, Csr, DeviceArray, DeviceBlock, Kept, device_nbytes
from .card import Card, buffer_nbytes, card_of_process, parts_of, put_parts
from .need import DeviceShare
from .rest import begin
from .ring import Ring, ring_of
from .shelf import SHELF
from .use import DeviceUse

#: Of a partial among others.
Name = TypeVar("Name", bound=Hashable)
#: Bytes of an array of sums that is not put together with others: that takes memory of its own.
APART = 1 << 22
#: Times that a block is cut in two before its rows are left to the processor.
HALVINGS = 3


def open_lane(
    shard: Hashable,
    kernel: Any,
    state: State,
    dtype: np.dtype[Any],
    sparse: bool,
    device: DeviceShare,
    moved: Callable[[int], None],
) -> Lane | None:
    """Return the lane of a shard's pass; None where this process has no card, or the kernel no form
    for it.

    Parameters
    ----------
    shard : hashable
        Its name on the shelf.
    kernel : callable
    state : mapping
    dtype : numpy.dtype
        Storage type of X.
    sparse : bool
    device : DeviceShare
        What is to stay on the card.
    moved : callable
        Told the number of each block that is kept on the card from now on.
    """
    runs = getattr(kernel, "runs_on_device", None)
    if runs is None or not dtype.isnative or not is_number(dtype):
        return None
    if not runs(dtype, sparse, state):
        return None
    card = card_of_process()
    if card is None:
        return None
    begin()
    return Lane(card, shard, kernel, state, device, moved)


class Lane:
    """Sums the blocks of one shard on the card, one after the other.

    Everything is asked of two streams without waiting: while one block is summed the next one is
    copied and the one after it is read.  This thread waits for the copy of a block from host
    memory, which may then be written to again, and at the end for the sums.

    Parameters
    ----------
    card : Card
    shard, kernel, state, device, moved
        As in :func:`open_lane`.
    """

    def __init__(
        self,
        card: Card,
        shard: Hashable,
        kernel: Any,
        state: State,
        device: DeviceShare,
        moved: Callable[[int], None],
    ) -> None:
        self.card = card
        self._shard, self._kernel, self._state, self._moved = shard, kernel, state, moved
        self._keeps = device.blocks
        self._ring: Ring = ring_of(card)
        # The ring that there is already is part of what is reserved.
        room = card.free_bytes() - max(0, device.reserve - self._ring.nbytes)
        self._limit = SHELF.nbytes + max(0, room)
        self._uploads: dict[str, DeviceArray] = {}
        self._halvings = 0
        self._stack = ExitStack()
        self.use = DeviceUse()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.card.computing())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            # Nothing may still read what is let go now: the state, and buffers of host blocks.
            self.card.synchronize()
        finally:
            self._uploads.clear()
            if trace is not None:
                # Whoever looks at the error later, as a notebook does, must not keep blocks alive.
                clear_frames(trace)
            self._stack.close()

    def sum(self, block: Block | DeviceBlock) -> Partial:
        """Return the kernel's sum over a block: device arrays that are on their way.

        Parameters
        ----------
        block : Block or DeviceBlock
            In host memory, which is free to be written to when this returns; or on the card.
        """
        if block.index in self._keeps and isinstance(block, Block):
            block = self._shelved(block) or block
        self._count(n_blocks=1)
        return self._summed(block, 0)

    def host_buffer(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
        """Return memory for a block to be read into: page-locked, if that can be had."""
        try:
            return self.card.page_locked(shape, dtype)
        except Exception as error:
            if not self.card.is_out_of_memory(error):
                raise
        return np.empty(shape, dtype)

    def fetched(self, shares: Mapping[Name, Partial]) -> dict[Name, Partial]:
        """Return partials in host memory; waits for them, and copies what is small at once."""
        arrays: list[DeviceArray] = []
        for share in shares.values():
            _mapped(share, self.card.is_array, arrays.append)
        found = iter(self._fetched(arrays))
        return {
            name: _mapped(share, self.card.is_array, lambda _: next(found))
            for name, share in shares.items()
        }

    def _fetched(self, arrays: list[DeviceArray]) -> list[AnyArray]:
        """Return arrays of the card in host memory, in their order."""
        found: list[Any] = [None] * len(arrays)
        together: dict[Any, list[int]] = {}
        for number, array in enumerate(arrays):
            if device_nbytes(array) > APART:
                found[number] = self.card.fetch(array)
            else:
                together.setdefault(array.dtype, []).append(number)
        xp = self.card.xp
        for numbers in together.values():
            own = [xp.reshape(arrays[number], (-1,)) for number in numbers]
            whole = self._tried(partial(concatenated, own))
            if whole is None:  # the memory of the card is full
                parts = np.concatenate([self.card.fetch(array) for array in own])
            else:
                parts = self.card.fetch(whole)
            at = 0
            for number in numbers:
                shape = tuple(arrays[number].shape)
                size = math.prod(shape)
                found[number] = parts[at : at + size].reshape(shape).copy()
                at += size
        return found

    # ------------------------------------------------------------------ staying on the card

    def _shelved(self, block: Block) -> DeviceBlock | None:
        """The block, kept on the card from now on; None where there is no room."""
        nbytes = buffer_nbytes(block.X)
        if not SHELF.claim(self._shard, nbytes, self._limit):
            return None
        try:
            buffer = self.card.empty(nbytes)
        except Exception as error:
            if not self.card.is_out_of_memory(error):
                raise
            buffer = None
        if buffer is None:
            SHELF.give_back(self._shard, nbytes)
            self._limit = 0
            return None
        self.card.wait(self.card.copy, self.card.event(self.card.compute))
        # Arrays of its own: a view would keep the whole chunk it looks into.
        beside: dict[str, Any] = {name: array.copy() for name, array in block.beside().items()}
        absent = replace(block, X=Absent(tuple(block.X.shape), block.X.dtype), **beside)
        # It outlives this lane, and must not keep it alive.
        kept = Kept(partial(SHELF.claim, self._shard, limit=self._limit))
        shelved = replace(self._copied(block, buffer, absent, kept), uploads={})
        SHELF.put(self._shard, shelved, nbytes)
        self._moved(block.index)
        return shelved

    def _copied(self, block: Block, buffer: Any, host: Block, kept: Kept) -> DeviceBlock:
        """Copy a host block into a buffer; returns when the host block may be written to."""
        card = self.card
        parts = list(map(np.ascontiguousarray, parts_of(block.X)))
        arrays = put_parts(card, parts, buffer)
        copied = card.event(card.copy)
        card.wait(card.compute, copied)
        shape = (block.n_rows, int(block.X.shape[1]))
        X = Csr(arrays[0], arrays[1], arrays[2], shape) if len(arrays) > 1 else arrays[0]
        self._count(bytes_moved=sum(part.nbytes for part in parts))
        card.wait_here(copied)
        return DeviceBlock(host, X, kept, card.xp, card.send, card.fetch, self._uploads)

    # ------------------------------------------------------------------ summing

    def _summed(self, block: Block | DeviceBlock, depth: int) -> Partial:
        share = None
        # What was too large once in this pass is not tried again.
        if depth >= self._halvings:
            share = self._tried(partial(self._launched, block))
        if share is None:
            self._halvings = max(self._halvings, depth + 1)
        if share is None and self._halvings <= HALVINGS and block.n_rows > 1:
            if depth == 0:
                self._count(n_halved=1)
            share = self._tried(partial(self._summed_halves, block, depth + 1))
        return self._by_processor(block) if share is None else share

    def _summed_halves(self, block: Block | DeviceBlock, depth: int) -> Partial:
        first, second = _halves(block)
        return self._summed(first, depth) + self._summed(second, depth)

    def _tried(self, launch: Callable[[], Partial]) -> Partial | None:
        """What ``launch`` returns; None, with memory given back, where the card's is full.

        ``launch`` is no function that closes over a block: frames of an error keep their functions,
        also once they are cleared.
        """
        try:
            return launch()
        except Exception as error:
            if not self.card.is_out_of_memory(error):
                raise
            self._count(reasons=(str(error)[:200],))
        # Only here, without the traceback, is nothing held any more that the launch had made.
        self.card.trim()
        self._ring.clear()
        self.card.trim()
        return None

    def _launched(self, block: Block | DeviceBlock) -> Partial:
        if isinstance(block, DeviceBlock):
            device_block = replace(block, uploads=self._uploads)
            return self._kernel.on_device(device_block, self._state)
        with self._ring.slot(buffer_nbytes(block.X)) as buffer:
            return self._kernel.on_device(self._copied(block, buffer, block, Kept()), self._state)

    def _by_processor(self, block: Block | DeviceBlock) -> Partial:
        host = block if isinstance(block, Block) else block.on_host()
        self._count(n_on_host=1)
        share = self._kernel(host, self._state)
        return _mapped(share, lambda value: isinstance(value, np.ndarray), self.card.send)

    def _count(self, **more: Any) -> None:
        self.use = self.use + DeviceUse(**more)


def _halves(block: Block | DeviceBlock) -> tuple[Block, Block] | tuple[DeviceBlock, DeviceBlock]:
    if isinstance(block, DeviceBlock):
        return block.halves()
    middle, n_rows, X = block.n_rows // 2, block.n_rows, block.X
    return (
        block.rows(0, middle, take_rows(X, 0, middle)),
        block.rows(middle, n_rows, take_rows(X, middle, n_rows)),
    )


def _mapped(value: Any, chosen: Callable[[Any], bool], change: Callable[[Any], Any]) -> Any:
    """A partial with its arrays changed, whatever holds them."""
    if chosen(value):
        return change(value)
    if isinstance(value, Sums):
        # Those that lie in one array on a card are plain ones anywhere else.
        return Sums({name: _mapped(one, chosen, change) for name, one in value.items()})
    if hasattr(value, "mapped"):
        return value.mapped(lambda one: _mapped(one, chosen, change))
    return value
