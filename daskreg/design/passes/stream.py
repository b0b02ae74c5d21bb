"""Reading blocks one ahead of the kernel, into buffers that are used again."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from daskreg._typing import AnyArray, Matrix
from daskreg.design.blocks import BESIDE, Block
from daskreg.design.columns import IN_FLIGHT, BlockSpec, Columns
from daskreg.design.sources.base import Reader, Rows
from daskreg.design.sources.chunked import by_whole_chunks
from daskreg.exceptions import DaskregError, DataError


class BlockReader:
    """Makes blocks of open sources; used by one thread."""

    def __init__(self, columns: Columns, values: Sequence[Any] = (), reads_X: bool = True) -> None:
        self._stack = ExitStack()
        self._readers: dict[str, tuple[Rows, Reader]] = {}
        left = list(values)
        for name, rows in columns.parts():
            own, left = left[: len(rows.futures)], left[len(rows.futures) :]
            if name == "X" and not reads_X:
                continue
            self._readers[name] = rows, self._stack.enter_context(by_whole_chunks(rows, own))

    def read(self, spec: BlockSpec, out: AnyArray | None = None) -> tuple[Block, int]:
        """The block and the bytes that came from below this process's memory."""
        parts: dict[str, Any] = {}
        read = 0
        for name, (rows, reader) in self._readers.items():
            buffer = out if name == "X" else None
            values = _guarded(rows, name, reader, spec, buffer)
            if values.shape[0] != spec.stop - spec.start:
                raise DataError(
                    f"{rows.describe} gave {values.shape[0]} rows of {name} where rows "
                    f"{spec.start} to {spec.stop - 1} were asked for: did the data change?"
                )
            read += 0 if rows.resident or rows.persisted else reader.nbytes_read(values)
            parts[name] = values if name == "X" else _column(name, values)
        X = parts.pop("X", None)
        block = Block(
            X=X if X is not None else _NoColumns(spec.stop - spec.start),
            **{name: parts.get(name) for name in BESIDE},
            start=spec.start,
            index=spec.index,
        )
        return block, read

    def close(self) -> None:
        """Let go of files."""
        self._stack.close()


def _guarded(
    rows: Rows, name: str, reader: Reader, spec: BlockSpec, out: AnyArray | None
) -> Matrix:
    """What the reader reads; where a library raises, the error says of which rows."""
    try:
        return reader.read(spec.start, spec.stop, out)
    except (DaskregError, MemoryError):
        raise
    except Exception as error:
        raise DataError(
            f"rows {spec.start} to {spec.stop - 1} of {name} ({rows.describe}) cannot be read: "
            f"{type(error).__name__}: {error}. Was the data moved, changed or cut short?"
        ) from error


@dataclass(frozen=True, slots=True)
class _NoColumns:
    """Stands where X would be in a pass that does not read it."""

    n_rows: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.n_rows, 0


def _column(name: str, values: Matrix) -> AnyArray:
    as_stored = name in ("y", "groups")
    array = np.asarray(values, dtype=None if as_stored else np.float64)
    return array[:, 0] if name in ("sample_weight", "groups") else array


class ReadAhead:
    """Blocks in order, the next one read by a background thread while a kernel works on one.

    ``with`` ends the thread whatever happens; an error of the reader is raised where its block
    would have come.
    """

    def __init__(
        self,
        open_reader: Callable[[], BlockReader],
        specs: Sequence[BlockSpec],
        buffer: Callable[[BlockSpec], AnyArray | None],
    ) -> None:
        self._open = open_reader
        self._specs = specs
        self._buffer = buffer
        self._blocks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._room = threading.Semaphore(IN_FLIGHT - 1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="daskreg-read-ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._room.release()
        self._thread.join()

    def __iter__(self) -> Iterator[tuple[Block, int]]:
        for number in range(len(self._specs)):
            if number:
                # Taking a block ends the use of the last one: its buffer may be read into again.
                self._room.release()
            result = self._blocks.get()
            if isinstance(result, BaseException):
                raise result
            yield result

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
