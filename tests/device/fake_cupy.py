"""The names of CuPy that a card uses, over numpy, and a record of what was asked of streams."""

from __future__ import annotations

import types
from typing import Any

import numpy as np


class Array(np.ndarray):
    """``set`` and ``get`` as CuPy's arrays have them."""

    log: Any = None

    def __array_finalize__(self, other: Any) -> None:
        self.log = getattr(other, "log", None)

    def set(self, host: Any, stream: Any = None) -> None:
        assert type(host) is np.ndarray
        assert (host.dtype, host.shape) == (self.dtype, self.shape)
        self.log.append(("set", stream.name))
        np.copyto(self.view(np.ndarray), host)

    def get(self) -> Any:
        return np.array(self.view(np.ndarray))


class OutOfMemoryError(MemoryError):
    pass


def make(free: int) -> tuple[Any, list[Any]]:
    """Return the module ``cupy`` and the record."""
    log: list[Any] = []
    entered: list[Any] = []

    class Context:
        def __enter__(self) -> Any:
            entered.append(self)

        def __exit__(self, *_: Any) -> None:
            assert entered.pop() is self

    class Device(Context):
        mem_info = (free, 2 * free)

        def __init__(self, number: int) -> None:
            assert number == 0

    class Stream(Context):
        count = 0

        def __init__(self, non_blocking: bool = False) -> None:
            assert non_blocking
            self.name = ("compute", "copy")[Stream.count % 2]
            Stream.count += 1

        def wait_event(self, event: Any) -> None:
            log.append((self.name, "waits for", event.stream))

        def synchronize(self) -> None:
            log.append(("synchronize", self.name))

    class Event:
        def __init__(self, disable_timing: bool = False) -> None:
            assert disable_timing

        def record(self, stream: Any) -> None:
            self.stream = stream.name

        def synchronize(self) -> None:
            log.append(("here", "waits for", self.stream))

    def array(values: Any) -> Any:
        assert any(getattr(context, "name", "") == "compute" for context in entered)
        made = np.array(values).view(Array)
        made.log = log
        return made

    def empty(nbytes: int, dtype: Any) -> Any:
        if nbytes > free:
            raise OutOfMemoryError(f"Out of memory allocating {nbytes:,} bytes")
        return array(np.zeros(nbytes, dtype))

    class PinnedMemory:
        def __init__(self, size: int, flags: int = 0) -> None:
            assert flags == 1
            log.append(("locked", size))
            self.allocated = np.empty(size, np.uint8)

    def alloc_pinned_memory(size: int) -> Any:
        log.append(("locked, from the pool", size))
        return np.empty(1 << (size - 1).bit_length(), np.uint8)

    pool = types.SimpleNamespace(
        free_bytes=lambda: 30,
        used_bytes=lambda: 50,
        get_limit=lambda: 0,
        free_all_blocks=lambda: log.append(("pool", "emptied")),
    )
    cuda = types.SimpleNamespace(
        Device=Device,
        Stream=Stream,
        Event=Event,
        is_available=lambda: True,
        memory=types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        runtime=types.SimpleNamespace(
            getDeviceProperties=lambda _: {"name": b"Fake 100"}, hostAllocPortable=1
        ),
        PinnedMemory=PinnedMemory,
        PinnedMemoryPointer=lambda memory, offset: memory.allocated,
        alloc_pinned_memory=alloc_pinned_memory,
    )
    cupy = types.ModuleType("cupy")
    cupy.cuda, cupy.ndarray, cupy.empty, cupy.asarray = cuda, Array, empty, array
    cupy.matrix_transpose, cupy.__version__ = np.matrix_transpose, "14.2.0"
    cupy.get_default_memory_pool = lambda: pool
    cupy.get_default_pinned_memory_pool = lambda: types.SimpleNamespace(
        free_all_blocks=lambda: log.append(("locked memory", "emptied"))
    )
    return cupy, log
