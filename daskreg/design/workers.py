"""Processes that run shards: what they may use, and what they hold already."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from .device.need import CardFacts

MIB = 1 << 20
#: Share of a worker's limit that may be filled: Dask starts to spill at 60%.
CLUSTER_SHARE = 0.6
#: Without a nanny the limit is only ours to keep; the rest is for what Python frees late.
LOCAL_SHARE = 0.85
#: What a worker grows by when it first imports a library that reads rows, or works on them.
LIBRARY_NBYTES = {
    "pandas": 68 * MIB,
    "xarray": 22 * MIB,
    "dask.array": 30 * MIB,
    "scipy.sparse": 11 * MIB,
    "pyarrow": 32 * MIB,
    "zarr": 10 * MIB,
    "llvmlite": 100 * MIB,  # to compile
}


def loaded_libraries() -> frozenset[str]:
    """Those of ``LIBRARY_NBYTES`` that this process has imported."""
    return frozenset(LIBRARY_NBYTES.keys() & sys.modules.keys())


@dataclass(frozen=True)
class Worker:
    """A process that runs shards.

    ``memory_limit`` and ``memory`` (resident now) are in bytes; ``share`` of the limit may be
    filled; of ``LIBRARY_NBYTES`` it has ``loaded`` these already; None stands for no ``card``.
    """

    address: str
    threads: int
    memory_limit: int
    memory: int
    share: float = CLUSTER_SHARE
    host: str = "localhost"
    loaded: frozenset[str] = frozenset()
    card: CardFacts | None = None

    @property
    def usable(self) -> int:
        return int(self.memory_limit * self.share)
