"""What a checkpoint belongs to: the data and the parameters, compared field by field."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from daskreg._array import is_number, is_sparse, take_rows, to_dense
from daskreg._typing import AnyArray, State
from daskreg.design.blocks import Block
from daskreg.design.partials import Sums
from daskreg.exceptions import CheckpointError

from .digest import digest

#: By name a digest and how the value looks.
Fields = dict[str, tuple[str, str]]

#: Runs of rows of X that are looked at, the first and the last rows among them.
N_WINDOWS = 16
#: Rows of such a run at most, and bytes of all of them about.
MOST_ROWS, MOST_BYTES = 64, 64 << 20


def fields_of(values: Mapping[str, Any]) -> Fields:
    """Return a digest and a short text for each value."""
    return {name: (_digest(value), _shown(value)) for name, value in values.items()}


def compare(kept: Fields, now: Fields, path: str, advice: str) -> None:
    """Raise ``CheckpointError`` for the first field that differs, with both values."""
    for name in [*now, *(name for name in kept if name not in now)]:
        before, after = kept.get(name, ("", "nothing")), now.get(name, ("", "nothing"))
        if before[0] != after[0]:
            raise CheckpointError(
                f"the checkpoint {path} belongs to another fit: {name} was {before[1]} and is "
                f"{after[1]} now. {advice}, or start anew with another file or resume=False after "
                "removing this one"
            )


def _digest(value: Any) -> str:
    """What cannot be pickled (a generator) is known by its type alone."""
    try:
        return digest(value)
    except (TypeError, AttributeError):
        return digest(type(value))


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size > 8:
        return f"an array of shape {value.shape} ({_digest(value)[:8]})"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}... ({_digest(value)[:8]})"


def describe_data(design: Any) -> Fields:
    """Return what is known of the data without reading them."""
    named = {
        "number of rows": design.n_samples,
        "number of columns": design.n_features,
        "number of targets": design.n_targets,
        "type of X": str(design.dtype),
        "sparseness of X": bool(design.sparse),
        "names of the columns": design.feature_names,
        "sample_weight": "given" if design.has_weights else "not given",
        "offset": "given" if design.has_offset else "not given",
    }
    return fields_of(named)


def windows(n_rows: int, row_nbytes: float) -> tuple[tuple[int, int], ...]:
    """Return the rows that are looked at: some runs, spread evenly, the first and the last too."""
    length = int(min(MOST_ROWS, max(1.0, MOST_BYTES / N_WINDOWS / max(row_nbytes, 1.0)), n_rows))
    starts = np.unique(np.linspace(0, n_rows - length, N_WINDOWS).astype(np.int64))
    return tuple((int(start), int(start) + length) for start in starts)


@dataclass(frozen=True)
class WindowsKernel:
    """Digests of some rows of X and of what lies beside, one for each run of rows.

    They are sums, modulo 2^64, of a digest of each row and its number: exact for any blocks.

    Parameters
    ----------
    windows : tuple of (int, int)
        First row of each run, and the row after its last.
    """

    name: ClassVar[str] = "fingerprint"
    #: Blocks are compared here, with a message of its own.
    compares: ClassVar[bool] = False
    reads_X: ClassVar[bool] = True
    quiet: ClassVar[bool] = True
    windows: tuple[tuple[int, int], ...]

    def __call__(self, block: Block, state: State) -> Sums:
        parts = {"X": block.X, **block.beside()}
        sums = {name: np.zeros(len(self.windows), dtype=np.uint64) for name in parts}
        for number, (start, stop) in enumerate(self.windows):
            low, high = max(start - block.start, 0), min(stop - block.start, block.n_rows)
            for name, values in parts.items():
                if low < high:
                    rows = take_rows(values, low, high)
                    rows = to_dense(rows) if is_sparse(rows) else np.asarray(rows)
                    sums[name][number] = _sum_of_rows(rows, block.start + low)
        return Sums(sums)


def _sum_of_rows(rows: AnyArray, first: int) -> np.uint64:
    hashes = np.empty(len(rows), dtype=np.uint64)
    for place, row in enumerate(rows):
        content = _plain(np.atleast_1d(row)).tobytes() + (first + place).to_bytes(8, "little")
        hashes[place] = int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")
    return np.uint64(np.add.reduce(hashes, dtype=np.uint64))


def _plain(row: AnyArray) -> AnyArray:
    """Text of whatever width as bytes, whatever the block needs for its longest label."""
    if not is_number(row.dtype):
        return np.frombuffer("\0".join(map(str, row.tolist())).encode(), dtype=np.uint8)
    return np.ascontiguousarray(row)


@dataclass(frozen=True)
class BesideKernel:
    """A digest of all that lies beside X: a sum over rows, modulo 2^64; X is not read."""

    name: ClassVar[str] = "fingerprint"
    compares: ClassVar[bool] = False
    reads_X: ClassVar[bool] = False

    def __call__(self, block: Block, state: State) -> Sums:
        numbers = np.arange(block.start, block.start + block.n_rows, dtype=np.uint64)
        sums = {}
        for name, values in block.beside().items():
            bits = _bits(values.reshape(len(values), -1))
            place = _mixed(numbers)[:, None] + np.arange(bits.shape[1], dtype=np.uint64)
            hashes = _mixed(bits ^ _mixed(place))
            sums[name] = np.add.reduce(hashes, axis=0, dtype=np.uint64)
        return Sums(sums)


def _bits(values: AnyArray) -> AnyArray:
    """Return 64 bits for each value: those of a float64, or a digest of a text."""
    if values.dtype.kind in "biuf":
        # Zero has two signs and one meaning.
        return np.ascontiguousarray(values.astype(np.float64) + 0.0).view(np.uint64)
    labels, codes = np.unique(values.astype(str), return_inverse=True)
    each = [hashlib.blake2b(str(label).encode(), digest_size=8).digest() for label in labels]
    table = np.array([int.from_bytes(one, "little") for one in each], dtype=np.uint64)
    return table[codes].reshape(values.shape)


def _mixed(bits: AnyArray) -> AnyArray:
    """The finaliser of splitmix64: every bit of the result depends on every bit given.

    Source: Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, fig. 17.
    """
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
