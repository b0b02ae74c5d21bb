"""Checksums of blocks that are read again: data that change between passes have no sum."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

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
#: Of a plain file, and of computed values, only one such run in ``EVERY`` is looked at.
SHORT_RUN, EVERY = 512, 16
#: Part of the sum of magnitudes by which sums of computed values may differ: other processors
#: round otherwise.
ROUNDING = 1e-5
_ODD = np.uint64(0x9E3779B97F4A7C15)


class Seals:
    """What blocks were when they were first read; whoever reads one again compares.

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

    @classmethod
    def of(cls, known: Mapping[Key, Seal], specs: Iterable[BlockSpec]) -> Seals:
        """Those of some blocks."""
        seals = cls()
        seals.take(known, specs)
        return seals

    def __getstate__(self) -> dict[str, Any]:
        return {"known": self.known, "fresh": {}}

    def check(self, spec: BlockSpec, name: str, rows: Rows, values: Matrix) -> None:
        """Compare what was read of a block with its seal; the first time make it.

        Raises
        ------
        DataError
            Names the block and its rows.
        """
        if rows.resident or rows.persisted:
            return
        now = seal(values, rows)
        before = self.known.setdefault((spec.index, name), now)
        if before is now:
            self.fresh[spec.index, name] = now
        elif not _same(before, now):
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

    All bytes count where reading is decoding.  Of a plain file, which is read as fast as memory is
    copied, and of computed values one run in sixteen does; the latter are compared up to rounding.
    """
    parts = [values] if isinstance(values, np.ndarray) else [values.indices, values.data]
    if rows.computed and parts[-1].dtype.kind == "f":
        return _rough(parts[-1])
    every = EVERY if rows.plain_file is not None or rows.computed else 1
    total = 0
    for part in parts:
        total = (31 * total + _sum_of_bytes(part, every)) % (1 << 53)
    return float(total), 0.0


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
