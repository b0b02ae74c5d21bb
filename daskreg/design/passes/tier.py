"""Blocks that a shard keeps on the local disk, below those that it keeps in memory."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakValueDictionary

from daskreg._typing import AnyArray, Matrix
from daskreg.design.host import format_bytes
from daskreg.design.spool import disk
from daskreg.design.spool.blocks import BlockFile

#: What ``cache=`` takes: memory, then disk if that is faster; memory alone; memory, then disk;
#: nothing is kept.
CACHES = ("auto", "memory", "disk", None)
#: Passes that are foreseen where nobody knows how many there will be.
PASSES = 8
#: The disk has to be this much cheaper than the source.
GAIN = 0.8
GIB = 1 << 30
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Spooling:
    """Whether blocks that do not fit into memory are kept on the worker's disk.

    Attributes
    ----------
    always : bool
        False: where that is faster, which the first reads tell.
    passes : int
        Passes after the first.
    abreast : int
        Shards that run at once on a machine, and share its disk.
    folder : str or None
        As in ``local_folder``.
    """

    always: bool
    passes: int = PASSES - 1
    abreast: int = 1
    folder: str | None = None


@dataclass(frozen=True)
class Spooled:
    """What became of it.

    Attributes
    ----------
    nbytes : int
        On disk now.
    chosen : bool or None
        Whether the disk is used; None: not decided yet.
    source : float
        Seconds to make a byte from the source.
    rates : Rates or None
        Of the disk; None where nobody looked.
    trouble : str
        Why no more is spooled, if anything stopped it.
    """

    nbytes: int = 0
    chosen: bool | None = None
    source: float = 0.0
    rates: disk.Rates | None = None
    trouble: str = ""

    def __add__(self, other: Spooled) -> Spooled:
        decided = self if self.chosen is not None else other
        return replace(
            decided,
            nbytes=self.nbytes + other.nbytes,
            chosen=bool(self.chosen or other.chosen) if decided.chosen is not None else None,
            trouble=self.trouble or other.trouble,
        )

    def __str__(self) -> str:
        """What the plan says of it; empty as long as there is nothing to say."""
        if self.chosen is None:
            return self.trouble
        what = f"spooled {format_bytes(self.nbytes)} to disk" if self.chosen else "not spooled"
        if self.rates is not None:
            read, write = GIB * self.rates.read, GIB * self.rates.write
            what += (
                f": a GiB takes {GIB * self.source:.2g} s from its source, {read:.2g} s from the "
                f"disk and {write:.2g} s to write"
            )
        return f"{what}; {self.trouble}" if self.trouble else what


class _Pace:
    """How fast one source is read in this process, by all shards together; decides once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.reads, self.seconds, self.bytes = 0, 0.0, 0
        self.verdict: Spooled | None = None

    def add(self, seconds: float, nbytes: int) -> None:
        with self.lock:
            self.reads += 1
            self.seconds += seconds
            self.bytes += nbytes

    def decide(self, spooling: Spooling, folder: str) -> Spooled:
        """Whether the disk is cheaper over the passes to come; undecided before two reads."""
        with self.lock:
            if self.verdict is None and self.reads >= 2:
                self.verdict = self._verdict(spooling, folder)
            return self.verdict or Spooled()

    def _verdict(self, spooling: Spooling, folder: str) -> Spooled:
        source = self.seconds / max(1, self.bytes)
        try:
            rates = disk.rates(folder)
        except OSError as error:
            return Spooled(chosen=False, source=source, trouble=f"{folder}: {error.strerror}")
        cost = spooling.abreast * (rates.write + spooling.passes * rates.read)
        return Spooled(0, cost < GAIN * spooling.passes * source, source, rates)


_paces: WeakValueDictionary[str, _Pace] = WeakValueDictionary()
_paces_lock = threading.Lock()


def _pace_of(data: str) -> _Pace:
    with _paces_lock:
        pace = _paces.get(data) if data else None
        if pace is None:
            pace = _Pace()
            _paces[data] = pace
        return pace


class Tier:
    """The spool of one shard in one process, filled by the thread that reads its blocks.

    Parameters
    ----------
    spooling : Spooling
    plain_file : str or None
        The file whose bytes the blocks are, if they are.
    data : str
        Names the source: its shards in a process measure, and decide, together.
    """

    def __init__(self, spooling: Spooling, plain_file: str | None = None, data: str = "") -> None:
        self._spooling, self._pace = spooling, _pace_of(data)
        self._folder = disk.local_folder(spooling.folder)
        self._file: BlockFile | None = None
        self._lock = threading.RLock()
        self._opened = False
        self._report = Spooled(chosen=True if spooling.always else None)
        if not spooling.always:
            self._refuse_copies(plain_file)

    def _refuse_copies(self, plain_file: str | None) -> None:
        if plain_file is not None and disk.device(plain_file) == disk.device(self._folder):
            self._report = Spooled(chosen=False)
        elif disk.in_memory(self._folder):
            self._report = Spooled(
                chosen=False, trouble=f"the scratch folder {self._folder} lies in memory (tmpfs)"
            )

    @property
    def report(self) -> Spooled:
        """What is spooled, and why or why not."""
        file = self._file
        return replace(self._report, nbytes=0 if file is None else file.nbytes)

    def observe(self, seconds: float, nbytes: int) -> None:
        """Take note of what it took to read a block from its source."""
        if self._opened:
            self._pace.add(seconds, nbytes)
        # The first read opens files and imports libraries.
        self._opened = True

    def offer(self, index: int, parts: Mapping[str, Matrix]) -> None:
        """Spool a block that is read in every pass, unless its source is as fast."""
        if self._report.chosen is None:
            self._report = self._pace.decide(self._spooling, self._folder)
        if not self._report.chosen or self._report.trouble:
            return
        kept = {name: values for name, values in parts.items() if values.dtype.kind != "O"}
        nbytes = sum(_nbytes(values) for values in kept.values())
        with self._lock:
            held = 0 if self._file is None else self._file.nbytes
            if not disk.room(self._folder, nbytes, held * self._spooling.abreast):
                self._stop(f"no more room for blocks in {self._folder}")
                return
            try:
                if self._file is None:
                    self._file = BlockFile(self._folder)
                self._file.write(index, kept)
            except OSError as error:
                full = error.errno in _FULL
                why = "is full" if full else f"cannot be written to ({error.strerror})"
                self._stop(f"the scratch folder {self._folder} {why}")

    def _stop(self, trouble: str) -> None:
        self._report = replace(
            self._report, trouble=f"{trouble}: what is not there is read from its source"
        )

    def take(self, index: int, names: Iterable[str], out: AnyArray | None = None) -> dict[str, Any]:
        """Parts of a block that are spooled; none where it is not, or cannot be read back."""
        with self._lock:
            if self._file is None or index not in self._file:
                return {}
            try:
                found = {
                    name: self._file.read(index, name, out if name == "X" else None)
                    for name in names
                }
            except OSError as error:
                self._file.forget(index)
                self._stop(f"a block in {self._folder} cannot be read back ({error})")
                return {}
        return {name: values for name, values in found.items() if values is not None}

    def close(self) -> None:
        """Give the disk its bytes back."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None


def _nbytes(values: Any) -> int:
    if hasattr(values, "indptr"):
        return int(values.data.nbytes + values.indices.nbytes + values.indptr.nbytes)
    return int(values.nbytes)


def check_cache(cache: Any) -> Any:
    """Return ``cache`` if it is one of ``CACHES``; raise ``ValueError`` if not."""
    if cache is not None and cache not in CACHES:
        known = ", ".join(map(repr, CACHES))
        raise ValueError(f"cache must be one of {known}; got {cache!r}")
    return cache
