"""BLAS at one thread while kernels run: set once per process, counted, put back at the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_lock = threading.Lock()
_running = 0
#: What limits libraries now; a later one knows those that were loaded meanwhile.
_limiters: list[Any] = []


@cache
def _controller() -> Any:
    import threadpoolctl

    return threadpoolctl.ThreadpoolController()


def _any_thread_may_set() -> None:
    """Let this thread change the limits, and none be the only one that may.

    From version 3.8 on, threadpoolctl lets the thread that was first to set a limit of OpenBLAS
    alone change it, and ignores all others silently, until it says that it is done.  Here the
    thread that leaves last restores what the first one has set.
    """
    from threadpoolctl import OpenBLASController

    clear = getattr(OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


def _limit() -> None:
    _any_thread_may_set()
    _limiters.append(_controller().limit(limits=1))


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """One BLAS thread for as long as any kernel of this process runs.

    The limits of threadpoolctl are process-wide, so that tasks which each set and reset them would
    race; here the first to enter sets them and the last to leave restores them.
    """
    global _running
    with _lock:
        if _running == 0:
            _limit()
        _running += 1
    try:
        yield
    finally:
        with _lock:
            _running -= 1
            if _running == 0:
                _any_thread_may_set()
                while _limiters:
                    _limiters.pop().restore_original_limits()
                _any_thread_may_set()


@cache
def scipy_blas() -> Any:
    """Return the BLAS routines of scipy, under the limit of whatever runs.

    Its library is another one than that of numpy, and is loaded here at the latest: processes
    that do without it save its memory.
    """
    from scipy.linalg import blas

    with _lock:
        _controller.cache_clear()
        if _running:
            _limit()
    return blas
