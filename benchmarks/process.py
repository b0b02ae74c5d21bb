"""What a tree of processes uses, from the kernel's own books (Linux)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

#: What starts a line that a child means for its parent.
MARK = "=> "
_TICK = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


def tree(pid: int) -> Iterator[int]:
    """Yield a process and all its descendants that are alive."""
    yield pid
    try:
        tasks = list((_PROC / str(pid) / "task").iterdir())
        children = [child for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return
    for child in children:
        yield from tree(int(child))


def _status(pid: int, field: str) -> int:
    """Return one field of a process's status in bytes, 0 once it is gone."""
    try:
        for line in (_PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith(field + ":"):
                return 1024 * int(line.split()[1])
    except OSError:
        pass
    return 0


def resident_bytes(pid: int) -> int:
    """Return the bytes in memory of a process and its descendants; shared pages count for each."""
    return sum(_status(member, "VmRSS") for member in tree(pid))


def peak_bytes(pid: int) -> int:
    """Return the sum of the largest resident sizes, since :func:`forget_peak`, of a tree."""
    return sum(_status(member, "VmHWM") for member in tree(pid))


def forget_peak(pid: int) -> bool:
    """Set the largest resident size of a tree to the present one; False where that is refused."""
    try:
        for member in tree(pid):
            (_PROC / str(member) / "clear_refs").write_text("5")
    except OSError:
        return False
    return True


def cpu_seconds(pid: int) -> float:
    """Return user and system seconds of a tree, with those of its waited-for children."""
    total = 0
    for member in tree(pid):
        try:
            fields = (_PROC / str(member) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(value) for value in fields[11:15])
    return total / _TICK


def drop_from_cache(where: Path) -> None:
    """Ask the kernel to forget the pages of a file, or of all files below a folder."""
    files = [where] if where.is_file() else sorted(where.rglob("*"))
    for path in files:
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(handle)
