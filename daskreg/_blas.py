"""BLAS at one thread while kernels or solvers run: set once per process, counted, put back."""

from __future__ import annotations

import ctypes
import threading
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

#: Columns up to which products and factors of p x p take less than threads save.
SHORT = 512

_lock = threading.Lock()
_running = 0
#: Libraries that are limited now, and the threads that each had.
_limited: list[tuple[Any, int]] = []


@cache
def _controller() -> Any:
    """Return what sets the threads of the libraries; to look for them takes milliseconds."""
    import threadpoolctl

    return threadpoolctl.ThreadpoolController().select(user_api="blas")


@cache
def _clearing() -> Any:
    """Return what ends the rule of one thread over the limits; None: there is no such rule."""
    from threadpoolctl import OpenBLASController

    return getattr(OpenBLASController, "clear_controlling_thread", None)


def _any_thread_may_set() -> None:
    """Let this thread change the limits, and none be the only one that may.

    From version 3.8 on, threadpoolctl lets the thread that was first to set a limit of OpenBLAS
    alone change it, and ignores all others silently, until it says that it is done.  Here the
    thread that leaves last restores what the first one has set.
    """
    clear = _clearing()
    if clear is not None:
        clear(force=True)


def _limit() -> None:
    _any_thread_may_set()
    before = [(library, library.num_threads) for library in _controller().lib_controllers]
    for library, n_threads in before:
        if n_threads != 1:
            library.set_num_threads(1)
            _limited.append((library, n_threads))


def _restore() -> None:
    _any_thread_may_set()
    while _limited:
        library, n_threads = _limited.pop()
        library.set_num_threads(n_threads)
    _any_thread_may_set()


class _SingleThreaded:
    """What sets the limit and lifts it: without state of its own, so that one is enough."""

    def __enter__(self) -> None:
        global _running
        with _lock:
            if _running == 0:
                _limit()
            _running += 1

    def __exit__(self, *_: object) -> None:
        global _running
        with _lock:
            _running -= 1
            if _running == 0:
                _restore()


_SINGLE_THREADED = _SingleThreaded()


def single_threaded_blas() -> AbstractContextManager[None]:
    """One BLAS thread for as long as any kernel of this process runs.

    Also for many small products and factors, each too short to share: where another process has a
    core, threads of BLAS that wait for each other have been measured to take seconds for a factor
    of milliseconds.  The limits of threadpoolctl are process-wide, so that tasks which each set
    and reset them would race; here the first to enter sets them and the last to leave restores
    them.
    """
    return _SINGLE_THREADED


def blas_for(width: int, sparse: bool = False) -> AbstractContextManager[Any]:
    """One BLAS thread where matrices of so many columns are too short to share, else as it is.

    Around a whole fit: threads of BLAS that wait between its passes spin, and have been measured
    to take seconds of both cores for a fit of a tenth of one.  Sparse rows are multiplied without
    BLAS, but a mere product of two long vectors wakes its threads.
    """
    return single_threaded_blas() if sparse or width <= SHORT else nullcontext()


def limited_blas(n_threads: int) -> AbstractContextManager[Any]:
    """So many BLAS threads inside, of each thread that shares the cores with others."""
    limit: AbstractContextManager[Any] = _controller().limit(limits=n_threads)
    return limit


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


@cache
def blas_routine(name: str, dtype: Any) -> int:
    """Return the address of a routine of scipy's BLAS, for compiled code.

    Unlike its wrappers for Python, which hold the interpreter's lock, it lets threads multiply
    side by side.

    Parameters
    ----------
    name : str
        Without the letter of the type: ``"gemm"``.
    dtype : dtype
        float32 or float64.
    """
    from scipy.linalg import cython_blas

    scipy_blas()
    capsule = cython_blas.__pyx_capi__[{4: "s", 8: "d"}[dtype.itemsize] + name]
    api = ctypes.pythonapi
    name_of = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", api))
    address = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    return int(address(("PyCapsule_GetPointer", api))(capsule, name_of(capsule)))
