"""Independent work in memory on all cores: threads, each with a single-threaded BLAS."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@cache
def _controller() -> Any:
    import threadpoolctl

    return threadpoolctl.ThreadpoolController()


def n_cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def parallel_map(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return the results in the order of the items, whichever thread made them.

    One item runs where it is called, with BLAS as it is.  The first exception is raised.
    """
    work = list(items)
    n_threads = min(n_cores(), len(work))
    if n_threads <= 1:
        return [function(item) for item in work]
    with _controller().limit(limits=1), ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(function, work))
