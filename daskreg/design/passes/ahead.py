"""Reading blocks ahead of the kernel, into buffers that are used again."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Container, Sequence
from contextlib import ExitStack
from itertools import count
from typing import Any, Protocol, Self

import numpy as np

from daskreg._pages import mapped
from daskreg._typing import AnyArray
from daskreg.design.blocks import Block
from daskreg.design.columns import BlockSpec, Columns, blocks_in_flight

from .stream import BlockReader
from .tally import Tally

Allocate = Callable[[tuple[int, ...], "np.dtype[Any]"], AnyArray]


def stream(
    stack: ExitStack,
    open_reader: Callable[[], BlockReader],
    columns: Columns,
    specs: Sequence[BlockSpec],
    *,
    kept: Container[int] = (),
    tally: Tally | None = None,
    empty: Allocate | None = None,
) -> Stream:
    """Blocks in order, with the bytes that each took; read ahead where reading is worth a thread.

    Parameters
    ----------
    stack : ExitStack
        Whoever leaves it ends the reading.
    open_reader : callable
        Makes the reader, in the thread that is going to use it.
    columns : Columns
    specs : sequence of BlockSpec
    kept : container of int
        Numbers of the blocks that stay in memory; any other is read into that of an earlier one.
    tally : Tally, optional
        Counts the seconds in which a block was waited for.
    empty : callable, optional
        Makes the memory that is used again, from a shape and a type; default ``mapped``.
    """
    if not specs:
        return InTurn(None, ())
    if columns.X.resident or len(specs) == 1 or columns.futures:
        reader = open_reader()
        stack.callback(reader.close)
        return InTurn(reader, specs)
    most = max(spec.stop - spec.start for spec in specs)
    n_alive = blocks_in_flight(most * columns.X.row_nbytes)
    shape = most, columns.X.n_columns
    ring = _ring(shape, columns.X.dtype, n_alive, kept, empty or mapped)
    buffer = _no_buffer if columns.X.sparse else ring
    return stack.enter_context(ReadAhead(open_reader, specs, buffer, n_alive, tally))


class Stream(Protocol):
    """Blocks in order, with the bytes that each took."""

    def __next__(self) -> tuple[Block, int]: ...

    def finish(self) -> None:
        """Nobody uses the last block any more: another may be read into its memory."""


class InTurn:
    """Each block read when it is asked for."""

    def __init__(self, reader: BlockReader | None, specs: Sequence[BlockSpec]) -> None:
        self._reader, self._specs = reader, iter(specs)

    def __next__(self) -> tuple[Block, int]:
        spec = next(self._specs)
        assert self._reader is not None
        return self._reader.read(spec)

    def finish(self) -> None:
        """Nothing: each block has memory of its own."""


def _no_buffer(spec: BlockSpec) -> None:
    return None


def _ring(
    shape: tuple[int, int],
    dtype: np.dtype[Any],
    n_alive: int,
    kept: Container[int],
    empty: Allocate,
) -> Callable[[BlockSpec], AnyArray]:
    """As many buffers as there are blocks in flight, in turn; one of its own for a block that is
    kept."""
    ring: list[AnyArray] = []
    turn = count()

    def buffer(spec: BlockSpec) -> AnyArray:
        if spec.index in kept:
            return mapped((spec.stop - spec.start, shape[1]), dtype)
        number = next(turn)
        if len(ring) < n_alive:
            ring.append(empty(shape, dtype))
        return ring[number % n_alive][: spec.stop - spec.start]

    return buffer


class ReadAhead:
    """Blocks in order, the next ones read by a background thread while a kernel works on one.

    ``with`` ends the thread whatever happens; an error of the reader is raised where its block
    would have come.
    """

    def __init__(
        self,
        open_reader: Callable[[], BlockReader],
        specs: Sequence[BlockSpec],
        buffer: Callable[[BlockSpec], AnyArray | None],
        n_alive: int,
        tally: Tally | None = None,
    ) -> None:
        self._open = open_reader
        self._specs = specs
        self._buffer = buffer
        self._tally = tally
        self._blocks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._room = threading.Semaphore(n_alive - 1)
        self._left, self._in_use = len(specs), False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="daskreg-read-ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._room.release()
        self._thread.join()

    def __next__(self) -> tuple[Block, int]:
        self.finish()
        if not self._left:
            raise StopIteration
        began = time.perf_counter()
        result = self._blocks.get()
        if self._tally is not None:
            self._tally.wait += time.perf_counter() - began
        if isinstance(result, BaseException):
            raise result
        self._left -= 1
        self._in_use = True
        taken: tuple[Block, int] = result
        return taken

    def finish(self) -> None:
        """Let the memory of the last block be read into, as long as the kernel works on one that
        stays in memory."""
        if self._in_use:
            self._in_use = False
            self._room.release()

    def _work(self) -> None:
        reader = None
        try:
            reader = self._open()
            for number, spec in enumerate(self._specs):
                if number:
                    self._room.acquire()
                if self._stop.is_set():
                    return
                self._blocks.put(reader.read(spec, self._buffer(spec)))
        except BaseException as error:
            self._blocks.put(error)
        finally:
            if reader is not None:
                reader.close()
