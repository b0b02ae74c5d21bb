"""Independent work in memory on all cores: threads that share the cores with BLAS."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from typing import TypeVar

from daskreg._blas import limited_blas, single_threaded_blas

from .budget import call_off

Item = TypeVar("Item")
Result = TypeVar("Result")
#: Runs two functions.
Both = Callable[[Callable[[], None], Callable[[], None]], None]


def n_cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def parallel_map(
    function: Callable[[Item], Result], items: Iterable[Item], small: bool = False
) -> list[Result]:
    """Return the results in the order of the items, whichever thread made them.

    Each thread's BLAS has its share of the cores, or one where matrices are ``small``: others would
    only wait.  One item runs where it is called, with BLAS as it is unless they are.  The first
    exception is raised, and what has not begun is given up.
    """
    work = list(items)
    n_threads = min(n_cores(), len(work)) if len(work) > 1 else 1
    if n_threads == 1:
        with single_threaded_blas() if small and work else nullcontext():
            return [function(item) for item in work]
    share = max(1, n_cores() // n_threads)
    with (
        single_threaded_blas() if small or share == 1 else limited_blas(share),
        ThreadPoolExecutor(n_threads, "daskreg-solve") as pool,
    ):
        try:
            # Each thread knows of the budget of the solve that it works for.
            futures = [pool.submit(copy_context().run, function, item) for item in work]
            return [future.result() for future in futures]
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, KeyboardInterrupt):
                call_off()
            raise


def one_by_one(first: Callable[[], None], second: Callable[[], None]) -> None:
    """Run two functions, one after the other."""
    first()
    second()


@contextmanager
def side_by_side() -> Iterator[Both]:
    """Yield what runs two functions at once, where there are two cores."""
    if n_cores() < 2:
        yield one_by_one
        return
    with ThreadPoolExecutor(1, "daskreg-solve") as pool:

        def both(first: Callable[[], None], second: Callable[[], None]) -> None:
            other = pool.submit(second)
            try:
                first()
            finally:
                other.result()

        yield both
