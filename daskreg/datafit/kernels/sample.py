"""The pass that picks rows to keep in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from daskreg._array import csr_like, is_sparse
from daskreg._pages import momentary
from daskreg._typing import AnyArray, Float, Matrix, State
from daskreg.design.blocks import Block
from daskreg.splits.counters import draw, stream, uniform

#: Keeps the stream of samples apart from those of folds and resamples of the same seed.
SAMPLED = 101


def uniforms(seed: int, rows: AnyArray) -> Float:
    """Return a number in [0, 1) for each row number, a pure function of it and the seed."""
    return uniform(draw(stream(seed, SAMPLED), rows))


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
        return Picked(
            X=_rows_of(block.X, chosen),
            weight=weight,
            rows=rows[chosen],
            y=_taken(block.y, chosen),
            offset=_taken(block.offset, chosen),
            groups=_taken(getattr(block, "groups", None), chosen),
            factors=None if self.factors is None else self.factors(block)[chosen],
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
        rows = momentary((len(chosen), *X.shape[1:]), X.dtype)
        return np.take(X, chosen, axis=0, out=rows, mode="clip")  # others go through a buffer
    length = np.diff(X.indptr)[chosen]
    indptr = np.concatenate([[0], np.cumsum(length)]).astype(X.indptr.dtype)
    where = np.repeat(X.indptr[chosen] - indptr[:-1], length) + np.arange(indptr[-1])
    return csr_like(X, X.data[where], X.indices[where], indptr)


@dataclass(frozen=True, eq=False)
class Pieces:
    """Dense rows one below the other, not yet in one array: that would take as much again."""

    parts: tuple[AnyArray, ...]

    @classmethod
    def of(cls, X: AnyArray | Pieces) -> Pieces:
        return X if isinstance(X, Pieces) else cls((X,))

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self.parts)

    def columns(self, chosen: AnyArray | slice) -> AnyArray:
        """Return some columns of all rows."""
        return np.concatenate([part[:, chosen] for part in self.parts])

    def joined(self) -> AnyArray:
        """Return all rows in one array."""
        return self.parts[0] if len(self.parts) == 1 else np.concatenate(self.parts)


@dataclass(frozen=True, eq=False)
class Picked:
    """Rows that were picked; ``+`` puts them one below the other.

    Attributes
    ----------
    X : ndarray, csr_array or Pieces, shape (n, p), in its storage type
    weight : ndarray, shape (n,)
        Row weight over the probability of being picked.
    rows : ndarray of int, shape (n,)
        Numbers of the rows in the whole data.
    y : ndarray, shape (n, n_targets), as stored, or None
    offset : ndarray, shape (n, n_targets or 1), or None
    groups : ndarray, shape (n,), or None
    factors : ndarray, shape (n, n_weightings), or None
    """

    X: Matrix
    weight: AnyArray
    rows: AnyArray
    y: AnyArray | None = None
    offset: AnyArray | None = None
    groups: AnyArray | None = None
    factors: AnyArray | None = None

    def __add__(self, other: Any) -> Picked:
        if not isinstance(other, Picked):
            return NotImplemented
        return Picked(
            X=_stacked(self.X, other.X),
            weight=np.concatenate([self.weight, other.weight]),
            rows=np.concatenate([self.rows, other.rows]),
            y=_joined(self.y, other.y),
            offset=_joined(self.offset, other.offset),
            groups=_joined(self.groups, other.groups),
            factors=_joined(self.factors, other.factors),
        )

    @property
    def ascends(self) -> bool:
        """Whether the rows come by ascending number."""
        return bool((np.diff(self.rows) > 0).all())

    @property
    def in_order(self) -> Picked:
        """The same rows by ascending number, whoever added them up, in one array."""
        X = self.X.joined() if isinstance(self.X, Pieces) else self.X
        if self.ascends:
            return replace(self, X=X)
        order = np.argsort(self.rows)
        return Picked(
            X=_rows_of(X, order),
            weight=self.weight[order],
            rows=self.rows[order],
            y=_taken(self.y, order),
            offset=_taken(self.offset, order),
            groups=_taken(self.groups, order),
            factors=_taken(self.factors, order),
        )

    @property
    def nbytes(self) -> int:
        X = self.X
        plain = isinstance(X, Pieces) or not is_sparse(X)
        parts = [X] if plain else [X.data, X.indices, X.indptr]
        parts += [self.y, self.offset, self.weight, self.rows, self.groups, self.factors]
        return sum(int(part.nbytes) for part in parts if part is not None)


def _taken(part: AnyArray | None, chosen: AnyArray) -> AnyArray | None:
    return None if part is None else part[chosen]


def _joined(part: AnyArray | None, other: AnyArray | None) -> AnyArray | None:
    return None if part is None or other is None else np.concatenate([part, other])


def _stacked(X: Matrix, other: Matrix) -> Matrix:
    if isinstance(X, Pieces) or isinstance(other, Pieces) or not is_sparse(X):
        return Pieces(Pieces.of(X).parts + Pieces.of(other).parts)
    indptr = np.concatenate([X.indptr, X.indptr[-1] + other.indptr[1:]])
    data, indices = (
        np.concatenate([getattr(X, name), getattr(other, name)]) for name in ("data", "indices")
    )
    return csr_like(X, data, indices, indptr)
