"""An NVIDIA GPU, by way of CuPy."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from daskreg._device import cupy_or_none
from daskreg._typing import AnyArray

from .blocks import DeviceArray
from .card import Card

#: What the runtime, the driver (it loads kernels late) and the libraries say where they find no
#: memory; cuBLAS may say of its handle only that there is none.
_OUT_OF_MEMORY = (
    "cudaErrorMemoryAllocation",
    "CUDA_ERROR_OUT_OF_MEMORY",
    "ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",
)


class CupyCard(Card):
    """The first device that CUDA shows to this process."""

    def __init__(self) -> None:
        cupy = cupy_or_none()
        assert cupy is not None, "gpu_available() comes first"
        if not hasattr(cupy, "matrix_transpose"):  # of the array API's names the latest one in use
            raise ImportError(f"CuPy 14.1 or newer is needed, found {cupy.__version__}")
        self.xp = cupy
        with self._device():
            # Streams that do not wait for the legacy default stream, nor it for them.
            self.compute = cupy.cuda.Stream(non_blocking=True)
            self.copy = cupy.cuda.Stream(non_blocking=True)
        properties = cupy.cuda.runtime.getDeviceProperties(0)
        self.name = properties["name"].decode()

    def _device(self) -> Any:
        """A context of its own for each thread."""
        return self.xp.cuda.Device(0)

    def free_bytes(self) -> int:
        pool = self.xp.get_default_memory_pool()
        device = self._device()
        with device:
            free, _ = device.mem_info
            limit = pool.get_limit()
            available = free + pool.free_bytes()
            return int(min(available, limit - pool.used_bytes()) if limit else available)

    def page_locked(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], stays: bool = False
    ) -> AnyArray:
        cuda = self.xp.cuda
        nbytes = math.prod(shape) * np.dtype(dtype).itemsize
        if not nbytes:
            return np.empty(shape, dtype)
        with self._device():
            # CuPy's pool rounds up to powers of two, and never gives anything back by itself.
            memory: Any = (
                cuda.PinnedMemoryPointer(
                    cuda.PinnedMemory(nbytes, cuda.runtime.hostAllocPortable), 0
                )
                if stays
                else cuda.alloc_pinned_memory(nbytes)
            )
        return np.ndarray(shape, dtype, buffer=memory)

    def empty(self, nbytes: int) -> Any:
        with self.computing():
            return self.xp.empty(max(1, nbytes), dtype=np.uint8)

    def put(self, host: AnyArray, buffer: Any, at: int = 0) -> DeviceArray:
        part = buffer[at : at + host.nbytes].view(host.dtype).reshape(host.shape)
        with self._device():
            if host.size:
                part.set(host, stream=self.copy)
        return part

    def send(self, host: AnyArray) -> DeviceArray:
        with self.computing():
            # Pageable memory has been read when this returns.
            return self.xp.asarray(host)

    def fetch(self, array: DeviceArray) -> Any:
        with self.computing():
            return array.get()

    def is_array(self, value: Any) -> bool:
        return isinstance(value, self.xp.ndarray)

    def event(self, stream: Any) -> Any:
        with self._device():
            event = self.xp.cuda.Event(disable_timing=True)
            event.record(stream)
        return event

    def wait(self, stream: Any, event: Any) -> None:
        with self._device():
            stream.wait_event(event)

    def wait_here(self, event: Any) -> None:
        event.synchronize()

    def computing(self) -> AbstractContextManager[Any]:
        return _Computing(self._device(), self.compute)

    def synchronize(self) -> None:
        self.copy.synchronize()
        self.compute.synchronize()

    def is_out_of_memory(self, error: BaseException) -> bool:
        if isinstance(error, self.xp.cuda.memory.OutOfMemoryError):
            return True
        said = str(error)
        if isinstance(error, MemoryError):  # of RMM, where it is what CuPy takes memory from
            return "bad_alloc" in said and ("CUDA" in said or "rmm" in said.lower())
        own = type(error).__module__.startswith(("cupy", "cupy_backends"))
        return own and any(words in said for words in _OUT_OF_MEMORY)

    def trim(self) -> None:
        self.synchronize()
        with self._device():
            self.xp.get_default_memory_pool().free_all_blocks()
            self.xp.get_default_pinned_memory_pool().free_all_blocks()


class _Computing(AbstractContextManager[None]):
    """Both the device and its stream are current in this thread alone."""

    def __init__(self, device: Any, stream: Any) -> None:
        self._device, self._stream = device, stream

    def __enter__(self) -> None:
        self._device.__enter__()
        try:
            self._stream.__enter__()
        except BaseException:
            self._device.__exit__()
            raise

    def __exit__(self, *error: Any) -> None:
        try:
            self._stream.__exit__(*error)
        finally:
            self._device.__exit__(*error)
