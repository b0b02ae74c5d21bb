"""The local disk that a process spools to: where it is, how fast, and how much room it has."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from .scratch import temporary

MIB = 1 << 20
#: Bytes that are written and read back to see how fast the disk is.
TRIAL = 32 * MIB
#: What is never filled: a share of a disk, and of a large one no more than so many bytes.
LEFT_FREE = 0.05
LEFT_FREE_NBYTES = 1 << 30
#: Share of what is free that one process takes at most.
TAKEN = 0.8
_IN_MEMORY = ("tmpfs", "ramfs")


@dataclass(frozen=True)
class Rates:
    """Seconds that it takes to write a byte to a disk, and to read one that is not in memory."""

    write: float
    read: float


_lock = threading.Lock()
_known: dict[int, Rates] = {}


def local_folder(given: str | None = None) -> str:
    """Where this process spools to: a Dask worker its own folder, others ``given``, Dask's
    ``temporary-directory`` or the system's."""
    distributed = sys.modules.get("distributed")
    if distributed is not None:
        try:
            return str(distributed.get_worker().local_directory)
        except ValueError:
            pass
    return given or temporary()


def device(path: str) -> int:
    """The number of the file system that a path lies on; -1 where there is none."""
    try:
        return os.stat(path).st_dev
    except OSError:
        return -1


def in_memory(folder: str) -> bool:
    """Whether the files of a folder take memory instead of disk."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return False
    number = device(folder)
    wanted = f"{os.major(number)}:{os.minor(number)}" if number >= 0 else ""
    for line in lines:
        fields, _, more = line.partition(" - ")
        if fields.split()[2] == wanted:
            return more.split()[0] in _IN_MEMORY
    return False


def room(folder: str, nbytes: int, held: int = 0) -> bool:
    """Whether so many bytes more may be written beside ``held`` ones of this process."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return False
    free = usage.free - min(LEFT_FREE * usage.total, LEFT_FREE_NBYTES)
    return nbytes <= free and held + nbytes <= TAKEN * (free + held)


def rates(folder: str) -> Rates:
    """What a short trial tells; once in a process for each disk.

    Raises
    ------
    OSError
        The folder cannot be written to.
    """
    with _lock:
        number = device(folder)
        if number not in _known:
            _known[number] = _trial(folder)
        return _known[number]


def _trial(folder: str) -> Rates:
    piece = os.urandom(MIB)
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        number = file.fileno()
        started = time.perf_counter()
        for at in range(0, TRIAL, MIB):
            os.pwrite(number, piece, at)
        os.fsync(number)
        written = time.perf_counter()
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)
        buffer = bytearray(MIB)
        before = time.perf_counter()
        for at in range(0, TRIAL, MIB):
            os.preadv(number, [buffer], at)
        done = time.perf_counter()
    return Rates((written - started) / TRIAL, (done - before) / TRIAL)
