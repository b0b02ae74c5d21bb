"""Resamples for stability and uncertainty: multiplicities drawn from the row's number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float

from .base import RowKeys, RowWeights
from .counters import UInts, draw, require_seed, stream, uniform
from .rules import BOOTSTRAP, HALVES

#: Chances of a Poisson(1) count of 0, 1, 2 ...; at 18 they are below the 53 bits of a draw.
_AT_MOST = np.cumsum(0.36787944117144233 / np.cumprod([1.0, *range(1, 18)]))


@dataclass(frozen=True)
class PoissonBootstrap(RowWeights):
    """Bootstrap samples whose counts are independent draws from Poisson(1).

    For many rows this is the multinomial bootstrap with a sample size that itself varies, and
    no row needs to know of another.

    Parameters
    ----------
    n_replicates : int
    seed : int

    References
    ----------
    Hanley and MacGibbon (2006), Creating non-parametric bootstrap samples using Poisson
    frequencies; Chamandy et al. (2012), Estimating uncertainty for massive data streams.
    """

    n_replicates: int
    seed: int = 0

    def __post_init__(self) -> None:
        _require_some("n_replicates", self.n_replicates)
        require_seed(self.seed)

    @property
    def n(self) -> int:
        return self.n_replicates

    def factors(self, rows: RowKeys, which: npt.ArrayLike | None = None) -> Float:
        bits = _bits(self.seed, BOOTSTRAP, self.chosen(which), rows)
        return np.searchsorted(_AT_MOST, uniform(bits), side="right").astype(np.float64)


@dataclass(frozen=True)
class HalfSamples(RowWeights):
    """Complementary halves: a coin for each row puts it into weighting 2j or 2j + 1.

    Halves have n/2 rows in expectation, with a standard deviation of sqrt(n)/2.

    Parameters
    ----------
    n_pairs : int
    seed : int

    References
    ----------
    Shah and Samworth (2013), Variable selection with error control: another look at stability
    selection, section 2.
    """

    n_pairs: int
    seed: int = 0

    def __post_init__(self) -> None:
        _require_some("n_pairs", self.n_pairs)
        require_seed(self.seed)

    @property
    def n(self) -> int:
        return 2 * self.n_pairs

    def factors(self, rows: RowKeys, which: npt.ArrayLike | None = None) -> Float:
        index = self.chosen(which)
        coin = _bits(self.seed, HALVES, index // 2, rows) >> np.uint64(63)
        return (coin == (index % 2).astype(np.uint64)).astype(np.float64)


def _bits(seed: int, purpose: int, streams: npt.NDArray[np.intp], rows: RowKeys) -> UInts:
    """Return random bits, shape (n_rows, len(streams))."""
    if not len(streams):
        return np.empty((rows.n_rows, 0), dtype=np.uint64)
    keys = np.concatenate([stream(seed, purpose, number) for number in streams.tolist()])
    return draw(keys, rows.numbers[:, None])


def _require_some(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be a positive integer, got {value!r}")
