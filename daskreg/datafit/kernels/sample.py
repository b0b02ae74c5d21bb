"""The pass that picks rows to keep in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from daskreg._array import csr_like, is_sparse
from daskreg._typing import AnyArray, Matrix, State
from daskreg.design.blocks import Block

#: Odd constants of the finaliser below; the first is 2^64 over the golden ratio.
STEP = np.uint64(0x9E3779B97F4A7C15)
MIX = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def uniforms(seed: int, rows: AnyArray) -> AnyArray:
    """Return a number in [0, 1) for each row number, a pure function of it and the seed.

    References
    ----------
    Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, section 4
    (the generator of SplitMix64 with the row number as its counter).
    """
    with np.errstate(over="ignore"):
        start = _mixed(np.uint64(seed % 2**64) + STEP)
        return (
            _mixed(start + np.asarray(rows).astype(np.uint64) * STEP) >> np.uint64(11)
        ) * 2.0**-53


def _mixed(z: Any) -> Any:
    z = (z ^ (z >> np.uint64(30))) * MIX[0]
    z = (z ^ (z >> np.uint64(27))) * MIX[1]
    return z ^ (z >> np.uint64(31))


#: What is known of each picked row beside X.
ROWWISE = ("y", "offset", "weight", "rows", "groups", "factors")


@dataclass(frozen=True)
class SampleKernel:
    """Picks each row with the probability of its class: an answer no chunking can change.

    Rows of weight 0 are left out.

    Parameters
    ----------
    seed : int
    share : tuple of float
        Probability of a row; with ``classes`` one for each of them.
    classes : tuple, optional
        Labels that ``y`` holds.
    factors : callable, optional
        From a block to the multiplicities (n_rows, n_weightings) of its rows; kept with them.
    """

    name: ClassVar[str] = "sample"
    reads_X: ClassVar[bool] = True
    seed: int
    share: tuple[float, ...]
    classes: tuple[Any, ...] | None = None
    factors: Callable[[Block], AnyArray] | None = None

    def __call__(self, block: Block, state: State) -> Picked:
        share = self._shares(block)
        rows = block.start + np.arange(block.n_rows)
        picked = uniforms(self.seed, rows) < share
        if block.sample_weight is not None:
            picked &= block.sample_weight > 0.0
        chosen = np.flatnonzero(picked)
        weight = 1.0 / share[chosen]
        if block.sample_weight is not None:
            weight = weight * block.sample_weight[chosen]
        factors = None if self.factors is None else self.factors(block)
        groups = getattr(block, "groups", None)
        return Picked(
            _rows_of(block.X, chosen),
            *(None if part is None else part[chosen] for part in (block.y, block.offset)),
            weight,
            rows[chosen],
            *(None if part is None else part[chosen] for part in (groups, factors)),
        )

    def _shares(self, block: Block) -> AnyArray:
        share = np.full(block.n_rows, self.share[0])
        if self.classes is not None and block.y is not None:
            for label, probability in zip(self.classes, self.share, strict=True):
                share[block.y[:, 0] == label] = probability
        return share

    def temporaries(
        self, n_features: int, n_columns: int, dtype: np.dtype[Any], sparse: bool = False
    ) -> int:
        """Return the bytes one call needs beside its block and its result; per block, small."""
        return 2**20

    def partial_nbytes(self, n_features: int, n_rows: int, itemsize: float = 8.0) -> int:
        """Return the bytes of so many rows."""
        return int(n_rows * (n_features * itemsize + 64))


def _rows_of(X: Matrix, chosen: AnyArray) -> Matrix:
    """Return a copy of some rows, in their order."""
    if not is_sparse(X):
        return X[chosen]
    length = np.diff(X.indptr)[chosen]
    indptr = np.concatenate([[0], np.cumsum(length)]).astype(X.indptr.dtype)
    where = np.repeat(X.indptr[chosen] - indptr[:-1], length) + np.arange(indptr[-1])
    return csr_like(X, X.data[where], X.indices[where], indptr)


@dataclass(frozen=True, eq=False)
class Picked:
    """Rows that were picked; ``+`` joins them.

    Attributes
    ----------
    X : ndarray or csr_array, shape (n, p), in its storage type
    y : ndarray, shape (n, n_targets), as stored, or None
    offset : ndarray, shape (n, n_targets or 1), or None
    weight : ndarray, shape (n,)
        Row weight over the probability of being picked.
    rows : ndarray of int, shape (n,)
        Numbers of the rows in the whole data.
    groups : ndarray, shape (n,), or None
    factors : ndarray, shape (n, n_weightings), or None
    """

    X: Matrix
    y: AnyArray | None
    offset: AnyArray | None
    weight: AnyArray
    rows: AnyArray
    groups: AnyArray | None = None
    factors: AnyArray | None = None

    def __add__(self, other: Any) -> Picked:
        if not isinstance(other, Picked):
            return NotImplemented
        joined = {
            name: None
            if getattr(self, name) is None
            else np.concatenate([getattr(self, name), getattr(other, name)])
            for name in ROWWISE
        }
        return Picked(X=_stacked(self.X, other.X), **joined)

    @property
    def in_order(self) -> Picked:
        """The same rows by ascending number, whoever added them up."""
        if (np.diff(self.rows) > 0).all():
            return self
        order = np.argsort(self.rows)
        moved = {
            name: None if getattr(self, name) is None else getattr(self, name)[order]
            for name in ROWWISE
        }
        return Picked(X=_rows_of(self.X, order), **moved)

    @property
    def nbytes(self) -> int:
        X = self.X
        parts = [X.data, X.indices, X.indptr] if is_sparse(X) else [X]
        parts += [getattr(self, name) for name in ROWWISE]
        return sum(int(part.nbytes) for part in parts if part is not None)


def _stacked(X: Matrix, other: Matrix) -> Matrix:
    if not is_sparse(X):
        return np.concatenate([X, other])
    indptr = np.concatenate([X.indptr, X.indptr[-1] + other.indptr[1:]])
    data, indices = (
        np.concatenate([getattr(X, name), getattr(other, name)]) for name in ("data", "indices")
    )
    return csr_like(X, data, indices, indptr)
