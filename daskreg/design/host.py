"""What this process and this machine hold: bytes and processors."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

#: Not on every system.
resource: Any = import_module("resource") if find_spec("resource") else None


@cache
def machine_memory() -> int:
    """Bytes this process may use at most: physical memory, control group and resource limit."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limits.append(int(Path(file).read_text()))
        except (OSError, ValueError):
            continue
    if resource is not None:
        with suppress(OSError):
            soft, _ = resource.getrlimit(resource.RLIMIT_RSS)
            if soft != resource.RLIM_INFINITY:
                limits.append(soft)
    return min(limits)


@cache
def processors() -> int:
    """Processors this process may use at most: those it is bound to, and its control group's."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    try:
        quota, period = map(int, Path("/sys/fs/cgroup/cpu.max").read_text().split())
    except (OSError, ValueError):  # none there, or no limit: "max 100000"
        return count
    return max(1, min(count, -(-quota // period)))


def process_memory() -> int:
    """Resident bytes of this process now."""
    try:
        with open("/proc/self/statm", "rb", buffering=0) as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        import psutil

        return int(psutil.Process().memory_info().rss)


def peak_memory() -> int:
    """Most resident bytes this process ever had.

    ``ru_maxrss``, except where the kernel keeps a high-water mark of this program alone: what a
    process starts with counts in ``ru_maxrss`` of the one it started.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return peak_growth()


def peak_growth() -> int:
    """``ru_maxrss`` in bytes: quick to read, and of use for whether the peak has grown."""
    if resource is None:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def parse_bytes(value: str | int | float | None, name: str = "memory_limit") -> int | None:
    """Bytes from ``"1GiB"``, ``"500 MB"`` or a number.

    Raises
    ------
    ValueError
        For anything else, zero and negative numbers.

    Examples
    --------
    >>> parse_bytes("1GiB"), parse_bytes(2e9), parse_bytes(None)
    (1073741824, 2000000000, None)
    """
    if value is None:
        return None
    import dask.utils

    try:
        size = int(dask.utils.parse_bytes(value))
    except (ValueError, TypeError, AttributeError):
        size = 0
    if size <= 0:
        raise ValueError(
            f"{name} must be a positive number of bytes or a text such as '1GiB'; got {value!r}"
        )
    return size


def format_bytes(size: float) -> str:
    """Bytes for people.

    Examples
    --------
    >>> format_bytes(1536), format_bytes(3 * 2**30)
    ('1.5 KiB', '3.0 GiB')
    """
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(size) < 1024 or unit == "TiB":
            break
        size /= 1024
    return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
