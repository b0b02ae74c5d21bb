"""Scratch folders of processes that are gone: known by a lock nobody holds, and removed."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import uuid
from pathlib import Path

#: The file in a scratch folder that its owner keeps locked; it says who that is.
LOCK = "owner.lock"
_PREFIX = "daskreg-"


def make_locked(parent: Path) -> tuple[Path, int]:
    """Make a scratch folder, and the open file whose lock says that its owner is alive.

    The kernel lets go of the lock when the process ends, in whatever way.  The folder gets its
    name when the lock is held: nobody can take it for left over in between.
    """
    name = f"{os.getpid()}-{uuid.uuid4().hex}"
    new, folder = parent / f".{_PREFIX}{name}", parent / f"{_PREFIX}{name}"
    new.mkdir(parents=True)
    lock = os.open(new / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(lock, f"{socket.gethostname()} {os.getpid()}\n".encode())
        new.rename(folder)
    except BaseException:
        os.close(lock)
        shutil.rmtree(new, ignore_errors=True)
        raise
    return folder, lock


def sweep(parent: Path) -> list[Path]:
    """Remove scratch folders of this host whose owners have ended; returns what was removed.

    Folders of other hosts stay, as file systems differ in what they know of locks there.
    """
    try:
        found = list(parent.glob(f"{_PREFIX}*-*"))
    except OSError:
        return []
    return [folder for folder in found if _is_left_over(folder) and _removed(folder)]


def _removed(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _is_left_over(folder: Path) -> bool:
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.read(lock, 1024).split()[:1] == [socket.gethostname().encode()]
    except OSError:
        return False
    finally:
        os.close(lock)
