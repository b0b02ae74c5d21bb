"""What a pass took: seconds by what they went on, and bytes by where they came from."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from daskreg.design.host import peak_growth, process_memory, resource

from .portions import Portion

#: Whose use of the processor is asked for; only Linux tells it of one thread.
_THREAD = getattr(resource, "RUSAGE_THREAD", None)

#: Seconds for which the size of the process stands.
RESIDENT_AGE = 0.05
#: What the seconds of a shard are counted under, and the bytes of its blocks.
PHASES, TIERS = ("read", "decode", "compute", "wait"), ("memory", "disk", "source", "device")


class Tally:
    """Counts one shard's share of a pass; two clock readings for blocks that come together.

    The thread that reads ahead and the one that computes fill different fields.

    Attributes
    ----------
    read, decode : float
        Seconds in which blocks were made of what is stored: what the reading thread's processor
        spent in user code (decompressing, parsing) is decoding, the rest (waiting for the disk,
        copying from the system) is reading.  Zarr decodes in threads of its own: its seconds
        are all counted as reading.
    compute : float
        Seconds in the kernel, and in which its sums were added up.
    wait : float
        Seconds in which the kernel's thread waited for a block that was being read.
    memory, disk, source, device : int
        Decoded bytes of blocks that lay in memory, came from a spool on the local disk or from the
        source, or lay on a card.
    """

    def __init__(self) -> None:
        self.read = self.decode = self.compute = self.wait = 0.0
        self.memory = self.disk = self.source = self.device = 0
        self.n_rows = self.n_blocks = 0
        self._peak = peak_growth()
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since the count began."""
        return time.perf_counter() - self._began

    def add(self, portion: Portion) -> None:
        """Count blocks that a kernel has seen; of those that were read, bytes are counted then."""
        self.n_blocks += portion.n_blocks
        self.n_rows += portion.n_rows
        self.memory += portion.memory
        self.device += portion.device

    def add_making(self, seconds: float, user_seconds: float) -> None:
        """Count what it took to make a block."""
        decode = min(seconds, user_seconds)
        self.decode += decode
        self.read += seconds - decode

    def record(self, pinned: int, spooled: int, on_card: int = 0) -> ShardRecord:
        """Close the count; the bytes are those that the shard keeps now."""
        counts = {name: getattr(self, name) for name in (*PHASES, *TIERS, "n_rows", "n_blocks")}
        grown = peak_growth()
        # A process that has held more before cannot tell its peak: what it holds now is a bound
        # from below, and what it grew to beyond that is the peak itself.
        resident = grown if grown > self._peak else RESIDENT.now()
        return ShardRecord(
            seconds=self.seconds,
            resident=resident,
            pinned=pinned,
            spooled=spooled,
            on_card=on_card,
            **counts,
        )


def user_seconds() -> float:
    """Processor seconds of this thread in user code; 0 where the system does not tell."""
    return 0.0 if _THREAD is None else resource.getrusage(_THREAD).ru_utime


class _Resident:
    """Bytes of this process, read again after a while: to read a file gives Python's lock away,
    and shards of little data would wait for it longer than they work."""

    def __init__(self) -> None:
        self._read, self._nbytes = -float("inf"), 0

    def now(self) -> int:
        """At most ``RESIDENT_AGE`` seconds ago."""
        if time.monotonic() - self._read >= RESIDENT_AGE:
            self._nbytes = process_memory()
            self._read = time.monotonic()
        return self._nbytes


RESIDENT = _Resident()


@dataclass(frozen=True)
class ShardRecord:
    """What one shard did in one pass.

    Attributes
    ----------
    seconds : float
        Wall time of its task; ``read``, ``decode``, ``compute`` and ``wait`` as in ``Tally``.
    memory, disk, source, device : int
        As in ``Tally``.
    pinned, spooled, on_card : int
        Bytes that it keeps in memory, on the local disk and on a card after the pass.
    n_rows, n_blocks : int
    resident : int
        Bytes of its process, at their most as far as that is known.
    where : str
        Address of its worker; empty: this process.
    """

    seconds: float
    read: float
    decode: float
    compute: float
    wait: float
    memory: int
    disk: int
    source: int
    pinned: int
    spooled: int
    n_rows: int
    n_blocks: int
    resident: int
    where: str = ""
    device: int = 0
    on_card: int = 0


@dataclass(frozen=True)
class PassRecord:
    """What a pass took.

    Attributes
    ----------
    name : str
        Of the kernel.
    seconds, reduce : float
        Wall time, and the part in which the client added up what the shards had returned.
    shards : tuple of ShardRecord
    counted : bool
        False: what lies beside X alone, or some rows of it were read: no pass over X.
    """

    name: str
    seconds: float
    reduce: float
    shards: tuple[ShardRecord, ...] = field(default=(), repr=False)
    counted: bool = True

    def total(self, name: str) -> float:
        """A field of the shards, added up."""
        return sum([getattr(shard, name) for shard in self.shards])
