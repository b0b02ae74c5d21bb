"""Passes over files larger than memory, beside passes that only read."""

from __future__ import annotations

import argparse
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from process import drop_from_cache
from tier_files import COLUMNS, TEXT, write_apart

from daskreg.datafit import Datafit
from daskreg.design import as_design
from daskreg.design.sources.base import Reader
from daskreg.design.sources.raw import RawRows
from daskreg.losses import Logistic
from daskreg.problems import Problems

#: Formats that are cut into blocks without a census.
USABLE = ("npy", "zarr3", "zarr3-raw", "parquet")


class Nothing:
    """Looks at no number: what is left is reading."""

    name = "nothing"

    def __call__(self, block: object, state: object) -> Any:
        """Return the sum of nothing."""
        return np.zeros(1)


class Disk:
    """Bytes of a disk of some speed: whoever asks waits for his turn."""

    def __init__(self, rate: float) -> None:
        self.rate, self.free = rate, 0.0
        self.lock = threading.Lock()

    def wait(self, nbytes: int) -> None:
        """Return when the disk would have given so many bytes more."""
        with self.lock:
            self.free = max(self.free, time.monotonic()) + nbytes / self.rate
            until = self.free
        time.sleep(max(0.0, until - time.monotonic()))


class Throttled(Reader):
    """A reader whose bytes come from a disk of some speed."""

    def __init__(self, reader: Reader, disk: Disk) -> None:
        self.reader, self.disk = reader, disk

    def read(self, start: int, stop: int, out: Any = None) -> Any:
        """Read, and wait as the disk would have made wait."""
        values = self.reader.read(start, stop, out)
        self.disk.wait(values.nbytes)
        return values

    def close(self) -> None:
        """Let go of the file."""
        self.reader.close()


class ThrottledRows(RawRows):
    """Raw rows on a disk of some speed; the pages may be in memory."""

    disk: Disk

    def open(self, values: Any = ()) -> Reader:
        """Open for reading at that speed."""
        return Throttled(super().open(), self.disk)


class Passes:
    """A design on a file, and passes of ``n_problems`` logistic problems over it.

    Parameters
    ----------
    path : Path
    y : ndarray, shape (n_rows,)
    limit : int
        Bytes that the process may use.
    n_problems : int
    cache : str
    rate : float or None
        Bytes a second of a disk to pretend.
    """

    def __init__(
        self,
        path: Path,
        y: Any,
        limit: int,
        n_problems: int = 1,
        cache: str | None = "memory",
        rate: float | None = None,
    ) -> None:
        self.path = path
        self.design = as_design(str(path), y, memory_limit=limit, cache=cache)
        if rate:
            rows: Any = self.design.placement.columns.X
            rows.__class__, rows.disk = ThrottledRows, Disk(rate)
        problems = Problems.product(alpha=np.full(n_problems, 0.1))
        self.datafit = Datafit(self.design, Logistic(), problems)
        need = self.datafit.footprint(n_problems)
        self.plan = self.design.prepare(None, need.partial, need.temporaries, 8 * need.state)
        self._point = np.zeros((COLUMNS, 1, n_problems)), np.zeros((1, n_problems))

    @property
    def pinned(self) -> float:
        """Share of the data that stays in memory, after the first pass."""
        return float(self.design.bytes_pinned / self.plan.total_bytes)

    def read(self) -> float:
        """Return the seconds of a pass that only reads what is streamed, pages dropped."""
        return self._timed(lambda: self.design.sum_over_rows(Nothing()))

    def work(self) -> tuple[float, float]:
        """Return the seconds of a pass, pages dropped, and those of its kernel a thread."""
        before = self.design.kernel_seconds
        seconds = self._timed(lambda: self.datafit.value_and_grad(*self._point))
        return seconds, (self.design.kernel_seconds - before) / self.plan.n_threads

    def _timed(self, make_pass: Any) -> float:
        drop_from_cache(self.path)
        started = time.perf_counter()
        make_pass()
        return time.perf_counter() - started

    def __enter__(self) -> Passes:
        return self

    def __exit__(self, *_: object) -> None:
        self.design.close()


def passes(arguments: argparse.Namespace, folder: Path) -> None:
    """Print pass time over the time to read the streamed part, without arithmetic."""
    print(f"{arguments.mib} MiB, at most {arguments.limit} MiB of memory; seconds a pass")
    print(
        f"{'format':<12}{'K':>4}{'pinned':>8}{'blocks':>8}{'read':>9}{'pass':>9}{'kernel':>9}"
        f"{'pass/read':>11}{'pass/max':>10}"
    )
    usable = ("npy",) if arguments.rate else USABLE
    names = [name for name in arguments.formats if name in usable]
    files, y = write_apart(names, folder, arguments.mib)
    rate = arguments.rate and arguments.rate * 1e6
    for name in names:
        for n_problems in arguments.problems:
            limit = arguments.limit << 20
            with Passes(files[name], y, limit, n_problems, rate=rate) as some:
                line = pass_row(some, arguments.repeat)
            print(f"{name:<12}{n_problems:>4}{line}", flush=True)


def pass_row(some: Passes, repeat: int) -> str:
    """Return the figures of passes and of reads in turn: the least of each, and their medians."""
    some.work()
    reads, whole, kernels = [], [], []
    for _ in range(repeat):
        reads.append(some.read())
        seconds, kernel = some.work()
        whole.append(seconds)
        kernels.append(kernel)
    figures = min(reads), min(whole), min(kernels)
    times = "".join(f"{seconds:>9.3f}" for seconds in figures)
    ratios = figures[1] / figures[0], figures[1] / max(figures[0], figures[2])
    return f"{some.pinned:>8.0%}{some.plan.n_blocks:>8}{times}{ratios[0]:>11.2f}{ratios[1]:>10.2f}"


def shares(arguments: argparse.Namespace, folder: Path) -> None:
    """Print passes of data of which a share stays in memory, beside reading all of them."""
    usable = ("npy",) if arguments.rate else USABLE
    names = [name for name in arguments.formats if name in usable]
    files, y = write_apart(names, folder, arguments.mib)
    print(f"{arguments.mib} MiB; seconds, medians of {arguments.repeat}, in turn")
    print(f"{'format':<12}{'share':>7}{'read all':>10}{'pass':>8}{'pass / ((1 - r) read)':>23}")
    for name in names:
        for share in arguments.shares:
            line = share_row(files[name], y, share, arguments)
            print(f"{name:<12}{line}", flush=True)


def share_row(path: Path, y: Any, share: float, arguments: argparse.Namespace) -> str:
    """Return the figures of one share."""
    rate = arguments.rate and arguments.rate * 1e6
    limit, cache = limit_for(path, y, share), "memory" if share else None
    # One design pins, the other nothing: all of a process share the room there is.
    everything = Passes(path, y, limit, cache=None, rate=rate)
    with everything, Passes(path, y, limit, cache=cache, rate=rate) as some:
        everything.work(), some.work()
        turns = [(everything.read(), some.work()[0]) for _ in range(arguments.repeat)]
        whole = np.median([read for read, _ in turns])
        seconds = np.median([work for _, work in turns])
        ratio = seconds / ((1 - some.pinned) * whole)
        return f"{some.pinned:>7.2f}{whole:>10.3f}{seconds:>8.3f}{ratio:>23.2f}"


def limit_for(path: Path, y: Any, share: float) -> int:
    """Return the memory limit under which about this share of the rows stays in memory."""
    with Passes(path, y, 8 << 30) as some:
        plan = some.plan
        fixed = plan.peak - plan.memory.get("blocks pinned between passes", 0)
        return int((fixed + share * plan.total_bytes) * plan.memory_limit / plan.usable) + 2**20


def caches(arguments: argparse.Namespace, folder: Path) -> None:
    """Print passes from the source and from the spool, and what ``auto`` decides."""
    names = [name for name in arguments.formats if name not in TEXT]
    files, y = write_apart(names, folder, arguments.mib)
    print(f"{arguments.mib} MiB, at most {arguments.limit} MiB of memory; seconds")
    print(f"{'format':<15}{'cache':<8}{'first pass':>11}{'later':>8}{'spooled':>10}  decision")
    for name in names:
        for cache in ("memory", "disk", "auto"):
            with Passes(files[name], y, arguments.limit << 20, cache=cache) as some:
                first, *later = [some.work()[0] for _ in range(1 + arguments.repeat)]
                spooled = some.design.bytes_spooled / 2**20
                note = next((n for n in some.design.plan.notes if "spooled" in n), "")
            head = f"{name:<15}{cache:<8}{first:>11.2f}{min(later):>8.2f}"
            print(f"{head}{spooled:>6.0f} MiB  {note}", flush=True)
