"""What the machine can do at best: the ceilings beside which the seconds are read."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import process


def _best(function: Callable[[], object], times: int = 5) -> float:
    """Return the least seconds of several calls."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        function()
        found.append(time.perf_counter() - started)
    return min(found)


def _together(functions: list[Callable[[], object]]) -> None:
    """Call functions at the same time, each in a thread, and wait for all."""
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def read_bandwidth(threads: int) -> float:
    """Return bytes a second that threads read from memory, by dot products of 1 GiB with itself."""
    from threadpoolctl import threadpool_limits

    parts = np.array_split(np.ones(2**27), threads)

    def read(part: Any) -> Callable[[], object]:
        return lambda: [np.dot(piece, piece) for piece in np.array_split(part, 64)]

    with threadpool_limits(1):
        return 2**30 / _best(lambda: _together([read(part) for part in parts]))


def gemm_rate(dtype: str, threads: int, size: int = 2048) -> float:
    """Return floating point operations a second of a square matrix product."""
    from threadpoolctl import threadpool_limits

    A = np.ones((size, size), dtype)
    out = np.empty_like(A)
    with threadpool_limits(threads):
        return 2.0 * size**3 / _best(lambda: np.matmul(A, A, out=out))


def disk_rate(where: Path, threads: int, size: int = 2**30) -> float:
    """Return bytes a second of plain reads of a file that is not in the cache."""
    folder = where / "disk"
    folder.mkdir(parents=True, exist_ok=True)
    path, piece = folder / "read.bin", 2**23
    block = np.random.default_rng(0).bytes(piece)
    with path.open("wb") as file:
        for _ in range(size // piece):
            file.write(block)
    handle = os.open(path, os.O_RDONLY)

    def read(first: int) -> Callable[[], object]:
        def run() -> None:
            buffer = bytearray(piece)
            for start in range(first * piece, size, threads * piece):
                os.preadv(handle, [buffer], start)

        return run

    seconds = []
    for _ in range(3):
        process.drop_from_cache(folder)
        seconds.append(_best(lambda: _together([read(first) for first in range(threads)]), 1))
    os.close(handle)
    path.unlink()
    return size / min(seconds)


def processor() -> str:
    """Return the processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def ceilings(where: Path, threads: int) -> dict[str, Any]:
    """Return the machine's name, sizes and measured ceilings, for one thread and `threads`."""
    found: dict[str, Any] = {
        "processor": processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load_average": os.getloadavg()[0],
    }
    for count in sorted({1, threads}):
        found[f"memory_read_{count}"] = read_bandwidth(count)
        found[f"gemm_float32_{count}"] = gemm_rate("float32", count)
        found[f"gemm_float64_{count}"] = gemm_rate("float64", count)
        found[f"disk_read_{count}"] = disk_rate(where, count)
    return found
