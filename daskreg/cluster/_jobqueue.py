"""The package dask-jobqueue, and what its import does to Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

from daskreg.exceptions import ClusterError, MissingDependencyError


def dask_jobqueue() -> Any:
    """Return the package, or raise ``MissingDependencyError``."""
    try:
        import dask_jobqueue
    except ImportError as error:
        raise MissingDependencyError(
            f"cluster.slurm needs dask-jobqueue: pip install 'daskreg[slurm]' ({error})"
        ) from error
    return dask_jobqueue


@contextlib.contextmanager
def sigint_kept() -> Iterator[None]:
    """Keep Ctrl-C as it is: importing dask_jobqueue makes it a silent exit."""
    if threading.current_thread() is not threading.main_thread():
        raise ClusterError("start it in the main thread: dask-jobqueue sets a signal handler")
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
