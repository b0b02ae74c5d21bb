"""Calls that release the interpreter, on the threads of this process."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def n_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def side_by_side(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Return what the calls return, in their order; BLAS shares the cores out among them.

    A lone call runs here and has all of them.
    """
    n_threads = min(n_cores(), len(calls))
    if n_threads <= 1:
        return [call() for call in calls]
    import threadpoolctl

    with (
        threadpoolctl.threadpool_limits(max(1, n_cores() // n_threads), user_api="blas"),
        ThreadPoolExecutor(n_threads, "daskreg-solve") as pool,
    ):
        futures = [pool.submit(call) for call in calls]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
