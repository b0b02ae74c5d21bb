"""Stratified folds: each class is dealt out evenly, decided by a small table."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from daskreg._callers import outside
from daskreg._typing import AnyArray
from daskreg.exceptions import DataError

from .base import Bools, Folds, RowKeys, one_atom_each, require_splits
from .counters import UInts, draw, require_seed, stream
from .rules import STRATIFIED

Ints = npt.NDArray[np.int64]


class LabelCensus(Protocol):
    """Which labels there are, and where: what stratified folds are built from.

    Attributes
    ----------
    labels : ndarray, shape (n_classes,)
        In order of first appearance.
    counts : ndarray of int, shape (n_classes,)
        Rows of each label, whatever their weight.
    """

    labels: AnyArray
    counts: Ints

    def row_numbers(self, ranks: Ints) -> Ints:
        """Return the numbers of the rows of given ranks within their class.

        Parameters
        ----------
        ranks : ndarray of int, shape (n_classes, m)
            0 for the first row of the class.  A rank of ``counts`` or more is no row: the
            number of all rows is returned.
        """

    def hash_borders(self, key: UInts, ranks: Ints) -> UInts:
        """Return borders below which lie ``ranks`` of the hashes ``draw(key, row)`` of a class."""


@dataclass(frozen=True, eq=False)
class StratifiedFolds(Folds):
    """Each class is cut into runs, by row number or by a hash of it.

    Parameters
    ----------
    labels : ndarray, shape (n_classes,)
        All labels that occur.
    borders : ndarray, shape (n_classes, n_splits)
        Row number (int64), or hash (uint64), at which each fold of the class begins.  A row
        belongs to the last fold that has begun.
    seed : int or None
        None: borders are row numbers.
    """

    labels: AnyArray
    borders: AnyArray
    seed: int | None = None

    @property
    def n_splits(self) -> int:
        """Number of folds."""
        return int(self.borders.shape[1])

    @property
    def train(self) -> Bools:
        return ~one_atom_each(self.n_splits)

    @property
    def test(self) -> Bools:
        return one_atom_each(self.n_splits)

    def codes(self, rows: RowKeys) -> npt.NDArray[np.intp]:
        if rows.y is None:
            raise DataError("stratified folds need the label of each row, got y=None")
        keys: AnyArray = rows.numbers
        if self.seed is not None:
            keys = draw(stream(self.seed, STRATIFIED), keys)
        codes = np.full(rows.n_rows, -1, dtype=np.intp)
        for label, borders in zip(self.labels, self.borders, strict=True):
            chosen = np.flatnonzero(rows.y == label)
            codes[chosen] = np.searchsorted(borders[1:], keys[chosen], side="right")
        if (codes < 0).any():
            stranger = rows.y[codes < 0].tolist()[0]
            raise DataError(f"y holds the label {stranger!r}, which the folds were not made for")
        return codes


def stratified_folds(
    census: LabelCensus, n_splits: int, *, shuffle: bool = False, seed: int = 0
) -> StratifiedFolds:
    """Return folds that hold their share of every class, as near as whole rows allow.

    Sizes of folds differ by one row at most; in the order of rows, or shuffled by a hash.

    Parameters
    ----------
    census : LabelCensus
    n_splits : int
    shuffle : bool
    seed : int

    Raises
    ------
    ValueError
        If every class has fewer rows than there are folds.

    Warns
    -----
    UserWarning
        If some class has.
    """
    counts = np.asarray(census.counts, dtype=np.int64)
    require_splits(n_splits, int(counts.sum()))
    require_seed(seed)
    if (counts < n_splits).all():
        raise ValueError(
            f"{n_splits} stratified folds need {n_splits} rows of some class, but the largest "
            f"has {counts.max()}: use fewer folds"
        )
    if (counts < n_splits).any():
        least = int(np.argmin(counts))
        label = np.asarray(census.labels)[least : least + 1].tolist()[0]
        warnings.warn(
            f"The least populated class {label!r} has {counts[least]} rows, fewer than the "
            f"{n_splits} folds: some folds go without it",
            UserWarning,
            stacklevel=outside(),
        )
    ranks = np.cumsum(allocation(counts, n_splits), axis=1)
    starts = np.column_stack([np.zeros_like(counts), ranks[:, :-1]])
    if shuffle:
        borders: AnyArray = census.hash_borders(stream(seed, STRATIFIED), starts)
        return StratifiedFolds(np.asarray(census.labels), borders, int(seed))
    return StratifiedFolds(np.asarray(census.labels), census.row_numbers(starts))


def allocation(counts: Ints, n_splits: int) -> Ints:
    """Return the rows of each class in each fold, shape (n_classes, n_splits).

    Rows sorted by class are dealt round robin: class c holds places ``S_c : S_c + counts_c``, and
    fold f gets the places that leave f when divided by n_splits.
    """
    end = np.cumsum(counts)[:, None]
    fold = np.arange(n_splits)

    def dealt(places: Ints) -> Ints:
        return (places - 1 - fold) // n_splits

    return dealt(end) - dealt(end - counts[:, None])


class ArrayCensus:
    """The census of labels that lie in memory.

    Parameters
    ----------
    y : ndarray, shape (n,)
    """

    def __init__(self, y: AnyArray) -> None:
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        if y.ndim != 1:
            raise ValueError(f"labels must be one column, got y of shape {y.shape}")
        found, first, inverse = np.unique(y, return_index=True, return_inverse=True)
        order = np.argsort(first)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        self._codes = place[inverse]
        self.labels: AnyArray = found[order]
        self.counts: Ints = np.bincount(self._codes).astype(np.int64)

    def row_numbers(self, ranks: Ints) -> Ints:
        """Return the numbers of the rows of given ranks, shape (n_classes, m)."""
        numbers = np.arange(len(self._codes), dtype=np.int64)
        return self._pick(numbers, ranks, len(numbers))

    def hash_borders(self, key: UInts, ranks: Ints) -> UInts:
        """Return hashes that have ``ranks`` hashes of their class below them."""
        return self._pick(draw(key, np.arange(len(self._codes))), ranks, 2**64 - 1)

    def _pick(self, keys: AnyArray, ranks: Ints, beyond: int) -> AnyArray:
        picked = np.empty(ranks.shape, dtype=keys.dtype)
        for code in range(len(ranks)):
            own = np.append(np.sort(keys[self._codes == code]), np.array(beyond, keys.dtype))
            picked[code] = own[np.minimum(ranks[code], len(own) - 1)]
        return picked
