"""Random numbers from counters: what row i of stream s draws depends on i and s alone.

The generator is SplitMix64 read at any place of its sequence.  Its numbers are part of what a
seed means, the same on every platform and in every version.

Source: Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, with the
finalizer "mix13" of Stafford.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float

UInts: TypeAlias = npt.NDArray[np.uint64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_MASK = 2**64 - 1


def mix(z: UInts) -> UInts:
    """Return a bijective scramble of 64-bit numbers."""
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


def stream(seed: int, *path: int) -> UInts:
    """Return the key of a stream, shape (1,): a seed and the way down to one of its children."""
    with np.errstate(over="ignore"):
        key = mix(np.array([int(seed) & _MASK], dtype=np.uint64) + GOLDEN)
        for step in path:
            key = mix(key ^ mix(np.array([int(step) & _MASK], dtype=np.uint64) * GOLDEN + GOLDEN))
    return key


def draw(key: UInts, counter: AnyArray) -> UInts:
    """Return 64 random bits for each counter (integers >= 0) of the streams that broadcast."""
    with np.errstate(over="ignore"):
        return mix(key + (counter.astype(np.uint64) + np.uint64(1)) * GOLDEN)


def below(bits: UInts, n: int) -> npt.NDArray[np.intp]:
    """Return random integers in ``range(n)``, ``n < 2**32``, from random bits."""
    return (((bits >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32)).astype(np.intp)


def uniform(bits: UInts) -> Float:
    """Return random numbers in [0, 1) with 53 bits."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def require_seed(seed: int) -> None:
    """Raise ``ValueError`` unless ``seed`` is an integer >= 0."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(
            f"seed must be an integer >= 0, got {seed!r}: folds and resamples are computed again "
            "in every pass and must come out the same"
        )
