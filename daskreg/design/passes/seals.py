"""Checksums of blocks that are read again: data that change between passes have no sum."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from daskreg._array import is_float
from daskreg._typing import AnyArray, Matrix
from daskreg.design.columns import ROLES, BlockSpec
from daskreg.design.sources.base import Rows
from daskreg.exceptions import DataError

#: Block number and role ("X", "y", ...).
Key: TypeAlias = tuple[int, str]
#: A sum of bytes, and of magnitudes where values may differ by rounding.
Seal: TypeAlias = tuple[float, float]

#: Bytes that are added before their place counts.
RUN = 4096
#: Only one such run in ``EVERY`` is looked at of a plain file that is read once more, and of
#: computed values.
SHORT_RUN, EVERY = 512, 16
#: Part of the sum of magnitudes by which sums of computed values may differ: other processors
#: round otherwise.
ROUNDING = 1e-5
_ODD = np.uint64(0x9E3779B97F4A7C15)


class Seals:
    """What blocks were when they were first read; whoever reads one again compares.

    A plain file is read as fast as memory is copied, so that a sum over all of it would cost a
    sixth of each pass.  All bytes are compared when a process reads a block for the first time: in
    a fit that goes on from a checkpoint, or of a shard that was somewhere else; its later passes
    look at one run of bytes in sixteen.

    Attributes
    ----------
    known : dict
        Seals by block and role.
    fresh : dict
        Those that were made since somebody has asked.
    """

    def __init__(self, known: Mapping[Key, Seal] | None = None) -> None:
        self.known: dict[Key, Seal] = dict(known or {})
        self.fresh: dict[Key, Seal] = {}
        self._samples: dict[Key, int] = {}

    @classmethod
    def of(cls, known: Mapping[Key, Seal], specs: Iterable[BlockSpec]) -> Seals:
        """Those of some blocks."""
        seals = cls()
        seals.take(known, specs)
        return seals

    def __getstate__(self) -> dict[str, Any]:
        return {"known": self.known, "fresh": {}, "_samples": {}}

    def check(self, spec: BlockSpec, name: str, rows: Rows, values: Matrix) -> None:
        """Compare what was read of a block with its seal; the first time make it.

        Raises
        ------
        DataError
            Names the block and its rows.
        """
        if rows.resident or rows.persisted:
            return
        key = spec.index, name
        if key in self._samples:
            same = self._samples[key] == sample(values)
        else:
            now = seal(values, rows)
            before = self.known.setdefault(key, now)
            if before is now:
                self.fresh[key] = now
            same = _same(before, now)
            if rows.plain_file is not None:
                self._samples[key] = sample(values)
        if not same:
            raise changed(spec.index, spec.start, spec.stop, name, rows)

    def new(self) -> dict[Key, Seal]:
        """Seals that nobody has asked for yet."""
        fresh, self.fresh = self.fresh, {}
        return fresh

    def take(self, found: Mapping[Key, Seal], specs: Iterable[BlockSpec]) -> None:
        """Learn the seals of some blocks."""
        own = ((spec.index, name) for spec in specs for name in ROLES)
        self.known |= {key: found[key] for key in own if key in found}


def changed(index: int, start: int, stop: int, name: str, rows: Rows) -> DataError:
    """The error for a block that is not what it was."""
    why = (
        "give random arrays a seed, or write the collection to a file first"
        if rows.computed
        else "leave it as it is while a fit runs, or fit a copy"
    )
    return DataError(
        f"block {index} (rows {start} to {stop - 1}) of {name} ({rows.describe}"
        f"{rows.where(start, stop)}) changed between two passes: {why}"
    )


def seal(values: Matrix, rows: Rows) -> Seal:
    """A sum over the bytes of a block that depends on their places.

    All bytes count, but of computed values one run in sixteen does, up to rounding.
    """
    parts = _parts(values)
    if rows.computed and is_float(parts[-1].dtype):
        return _rough(parts[-1])
    return float(_sum_of_parts(parts, EVERY if rows.computed else 1)), 0.0


def sample(values: Matrix) -> int:
    """The same over one run of bytes in sixteen."""
    return _sum_of_parts(_parts(values), EVERY)


def _parts(values: Matrix) -> list[AnyArray]:
    return [values] if isinstance(values, np.ndarray) else [values.indices, values.data]


def _sum_of_parts(parts: Iterable[AnyArray], every: int) -> int:
    total = 0
    for part in parts:
        total = (31 * total + _sum_of_bytes(part, every)) % (1 << 53)
    return total


def _same(one: Seal, other: Seal) -> bool:
    return abs(one[0] - other[0]) <= ROUNDING * (one[1] + other[1])


def _sum_of_bytes(values: AnyArray, every: int) -> int:
    if values.dtype.kind in "OT":
        values = np.frombuffer("\0".join(map(str, values.reshape(-1))).encode(), dtype=np.uint8)
    flat = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    run = RUN if every == 1 else SHORT_RUN
    n_runs = flat.size // run
    words = flat[: n_runs * run].view(np.uint64).reshape(n_runs, run // 8)[::every]
    with np.errstate(over="ignore"):
        sums = np.add.reduce(words, axis=1)
        places = np.arange(1, 2 * len(sums), 2, dtype=np.uint64) * _ODD
        total = int(np.add.reduce((sums ^ (sums >> np.uint64(31))) * places, dtype=np.uint64))
    rest = zlib.crc32(flat[n_runs * run :].tobytes())
    return (total ^ (total >> 29)) + rest


def _rough(values: AnyArray) -> Seal:
    flat = np.ascontiguousarray(values).reshape(-1)
    run = max(1, SHORT_RUN // flat.itemsize)
    n_runs = flat.size // run
    chosen = flat[: n_runs * run].reshape(n_runs, run)[::EVERY] if n_runs > EVERY else flat
    with np.errstate(invalid="ignore", over="ignore"):
        total = float(np.add.reduce(chosen, axis=None, dtype=np.float64))
        size = float(np.add.reduce(np.abs(chosen), axis=None, dtype=np.float64))
    return (total, size) if np.isfinite(size) else (0.0, 0.0)
