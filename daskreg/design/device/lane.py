"""The way of one shard's blocks to the card and through its kernel, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from traceback import clear_frames
from types import TracebackType
from typing import Any, Self

import numpy as np

from daskreg._array import is_number, take_rows
from daskreg._typing import AnyArray, Partial, State
from daskreg.design.blocks import Block

from .at_hand import card_of_process, give_up
from .attempts import Attempts
from .blocks import Absent, Csr, DeviceArray, DeviceBlock, Kept
from .card import Card, buffer_nbytes, copied_parts, parts_of
from .landing import Landing, Name
from .need import DeviceShare
from .rest import begin
from .ring import Ring, ring_of
from .shelf import SHELF
from .use import DeviceUse

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
        self._attempts = Attempts(card)
        self._landing = Landing(self._attempts)

    @property
    def use(self) -> DeviceUse:
        """What the card has done so far."""
        return self._attempts.use

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
        except (
            Exception
        ) as broken:  # after all that was asked before: nothing can be asked any more
            give_up(self.card, broken)
            SHELF.clear()  # passes to come read those blocks again
            if error is None:
                raise
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
        self._attempts.count(n_blocks=1)
        return self._summed(block, 0)

    def host_buffer(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
        """Return memory for a block to be read into: page-locked, if that can be had."""
        try:
            return self.card.page_locked(shape, dtype)
        except Exception as error:
            if not self.card.is_out_of_memory(error):
                raise
        return np.empty(shape, dtype)

    def plus(self, first: Partial, second: Partial) -> Partial:
        """Return the sum of two partials, of which nobody else knows the first."""
        return self._landing.plus(first, second)

    def fetched(self, shares: Mapping[Name, Partial]) -> dict[Name, Partial]:
        """Return partials in host memory; waits for them."""
        return self._landing.fetched(shares)

    # ------------------------------------------------------------------ staying on the card

    def _shelved(self, block: Block) -> DeviceBlock | None:
        """The block, kept on the card from now on; None where there is no room."""
        nbytes = buffer_nbytes(block.X)
        if not SHELF.claim(self._shard, nbytes, self._limit):
            return None
        shelved = self._attempts.tried(partial(self._moved_over, block, nbytes))
        if shelved is None:
            SHELF.give_back(self._shard, nbytes)
            self._limit = 0
            return None
        SHELF.put(self._shard, shelved, nbytes)
        self._moved(block.index)
        return shelved

    def _moved_over(self, block: Block, nbytes: int) -> DeviceBlock:
        """The block in memory of its own on the card."""
        buffer = self.card.empty(nbytes)
        self.card.wait(self.card.copy, self.card.event(self.card.compute))
        # Arrays of its own: a view would keep the whole chunk it looks into.
        beside: dict[str, Any] = {name: array.copy() for name, array in block.beside().items()}
        absent = replace(block, X=Absent(tuple(block.X.shape), block.X.dtype), **beside)
        # It outlives this lane, and must not keep it alive.
        kept = Kept(partial(SHELF.claim, self._shard, limit=self._limit))
        return replace(self._copied(block, buffer, absent, kept), uploads={})

    def _copied(self, block: Block, buffer: Any, host: Block, kept: Kept) -> DeviceBlock:
        """Copy a host block into a buffer; returns when the host block may be written to."""
        parts = list(map(np.ascontiguousarray, parts_of(block.X)))
        arrays = copied_parts(self.card, parts, buffer)
        shape = (block.n_rows, int(block.X.shape[1]))
        X = Csr(arrays[0], arrays[1], arrays[2], shape) if len(arrays) > 1 else arrays[0]
        self._attempts.count(bytes_moved=sum(part.nbytes for part in parts))
        card = self.card
        return DeviceBlock(host, X, kept, card.xp, card.send, card.fetch, self._uploads)

    # ------------------------------------------------------------------ summing

    def _summed(self, block: Block | DeviceBlock, depth: int) -> Partial:
        share = None
        # What was too large once in this pass is not tried again.
        if depth >= self._halvings:
            share = self._attempts.tried(partial(self._launched, block))
        if share is None:
            self._halvings = max(self._halvings, depth + 1)
        if share is None and self._halvings <= HALVINGS and block.n_rows > 1:
            if depth == 0:
                self._attempts.count(n_halved=1)
            share = self._attempts.tried(partial(self._summed_halves, block, depth + 1))
        return self._by_processor(block) if share is None else share

    def _summed_halves(self, block: Block | DeviceBlock, depth: int) -> Partial:
        first, second = _halves(block)
        return self.plus(self._summed(first, depth), self._summed(second, depth))

    def _launched(self, block: Block | DeviceBlock) -> Partial:
        if isinstance(block, DeviceBlock):
            device_block = replace(block, uploads=self._uploads)
            return self._kernel.on_device(device_block, self._state)
        with self._ring.slot(buffer_nbytes(block.X)) as buffer:
            return self._kernel.on_device(self._copied(block, buffer, block, Kept()), self._state)

    def _by_processor(self, block: Block | DeviceBlock) -> Partial:
        host = block if isinstance(block, Block) else block.on_host()
        self._attempts.count(n_on_host=1)
        return self._landing.sent(self._kernel(host, self._state))


def _halves(block: Block | DeviceBlock) -> tuple[Block, Block] | tuple[DeviceBlock, DeviceBlock]:
    if isinstance(block, DeviceBlock):
        return block.halves()
    middle, n_rows, X = block.n_rows // 2, block.n_rows, block.X
    return (
        block.rows(0, middle, take_rows(X, 0, middle)),
        block.rows(middle, n_rows, take_rows(X, middle, n_rows)),
    )
