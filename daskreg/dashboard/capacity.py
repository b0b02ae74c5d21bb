"""How fast memory and local disks of a cluster are read, all workers at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

#: Bytes that each thread adds up in a trial, and how many times.
TRIAL, REPEATS = 16 << 20, 4


def capacity_of(client: Any) -> dict[str, float]:
    """Bytes per second of all workers of a cluster together; what no worker tells is left out.

    All of them try at once, so that those of one machine share it as they do in a pass.
    """
    found = client.run(trial, on_error="ignore")
    rates: dict[str, float] = {}
    for of_worker in found.values():
        for name, value in of_worker.items():
            rates[name] = rates.get(name, 0.0) + value
    return rates


def trial(dask_worker: Any) -> dict[str, float]:
    """Bytes per second that a worker reads from memory with all its threads, and from its disk."""
    from daskreg.design.spool import disk

    rates = {"memory": memory_rate(dask_worker.state.nthreads)}
    folder = dask_worker.local_directory
    try:
        if not disk.in_memory(folder):
            rates["disk"] = 1.0 / disk.rates(folder).read
    except OSError:
        pass
    return rates


def memory_rate(n_threads: int) -> float:
    """Bytes per second that so many threads add up."""
    arrays = [np.ones(TRIAL // 8) for _ in range(n_threads)]
    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(np.sum, arrays))
        began = time.perf_counter()
        for _ in range(REPEATS):
            list(pool.map(np.sum, arrays))
        seconds = time.perf_counter() - began
    return REPEATS * n_threads * TRIAL / seconds
