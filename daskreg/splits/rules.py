"""Folds that a row's number or group decides."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from daskreg.exceptions import DataError

from .base import Bools, Folds, RowKeys, one_atom_each, require_splits
from .counters import below, draw, mix, require_seed, stream
from .values import hash_values

#: Streams of random numbers that belong to one seed; they are part of what a seed means.
SHUFFLED, GROUPED, STRATIFIED, BOOTSTRAP, HALVES = range(1, 6)


class _Parting(Folds):
    """Folds that part the rows: each row is held out once, and atoms are the folds."""

    n_splits: int

    @property
    def train(self) -> Bools:
        return ~one_atom_each(self.n_splits)

    @property
    def test(self) -> Bools:
        return one_atom_each(self.n_splits)


@dataclass(frozen=True)
class ContiguousFolds(_Parting):
    """Runs of rows, the first ``n_rows % n_splits`` of them one row longer: unshuffled k-fold.

    Parameters
    ----------
    n_splits : int
        Folds, at least 2.
    n_rows : int
        Of the data, at least ``n_splits``.

    Examples
    --------
    >>> ContiguousFolds(3, n_rows=7).codes(RowKeys(0, 7))
    array([0, 0, 0, 1, 1, 2, 2])
    """

    n_splits: int
    n_rows: int

    def __post_init__(self) -> None:
        require_splits(self.n_splits, self.n_rows)

    def codes(self, rows: RowKeys) -> npt.NDArray[np.intp]:
        short, longer = divmod(self.n_rows, self.n_splits)
        edges = [f * short + min(f, longer) for f in range(1, self.n_splits)]
        return np.searchsorted(edges, rows.numbers, side="right")


@dataclass(frozen=True)
class ShuffledFolds(_Parting):
    """The fold of a row is a hash of its number: no order of the rows can harm.

    Folds differ in size by about ``sqrt(2 n_rows / n_splits)`` rows, and few rows may leave one
    empty.

    Parameters
    ----------
    n_splits : int
        Folds, at least 2.
    seed : int
    """

    n_splits: int
    seed: int = 0

    def __post_init__(self) -> None:
        require_splits(self.n_splits)
        require_seed(self.seed)

    def codes(self, rows: RowKeys) -> npt.NDArray[np.intp]:
        return below(draw(stream(self.seed, SHUFFLED), rows.numbers), self.n_splits)


@dataclass(frozen=True)
class GroupedFolds(_Parting):
    """The fold of a row is a hash of its group: no group is in two folds.

    Meant for many groups: few, or a large one, leave folds of unequal size or empty.

    Parameters
    ----------
    n_splits : int
        Folds, at least 2.
    seed : int
    """

    n_splits: int
    seed: int = 0

    def __post_init__(self) -> None:
        require_splits(self.n_splits)
        require_seed(self.seed)

    def codes(self, rows: RowKeys) -> npt.NDArray[np.intp]:
        if rows.groups is None:
            raise DataError("grouped folds need the group of each row, got groups=None")
        bits = mix(hash_values(rows.groups) ^ stream(self.seed, GROUPED))
        return below(bits, self.n_splits)


@dataclass(frozen=True)
class TimeSeriesFolds(Folds):
    """Train on the past, test on what follows; training sets grow from fold to fold.

    Parameters
    ----------
    n_splits, n_rows : int
    gap : int
        Rows left out between training and test set.
    max_train_size : int, optional
        Most rows in a training set.
    test_size : int, optional
        Rows in each test set, ``n_rows // (n_splits + 1)`` by default.

    Examples
    --------
    >>> TimeSeriesFolds(2, n_rows=7).codes(RowKeys(0, 7))
    array([0, 0, 0, 1, 1, 2, 2])
    """

    n_splits: int
    n_rows: int
    gap: int = 0
    max_train_size: int | None = None
    test_size: int | None = None
    _edges: npt.NDArray[np.int64] = field(init=False, repr=False, compare=False)
    _atoms: npt.NDArray[np.intp] = field(init=False, repr=False, compare=False)
    _train: Bools = field(init=False, repr=False, compare=False)
    _test: Bools = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        train, test = self._intervals()
        edges = np.unique(np.concatenate([[0, self.n_rows], train.ravel(), test.ravel()]))
        first = edges[:-1, None]
        in_train = (train[:, 0] <= first) & (first < train[:, 1])
        in_test = (test[:, 0] <= first) & (first < test[:, 1])
        known: dict[tuple[bytes, bytes], int] = {}
        atoms = np.full(len(first), -1)
        for run, member in enumerate(in_train | in_test):
            if member.any():
                pattern = (in_train[run].tobytes(), in_test[run].tobytes())
                atoms[run] = known.setdefault(pattern, len(known))
        runs = np.array([np.flatnonzero(atoms == atom)[0] for atom in range(len(known))])
        object.__setattr__(self, "_edges", edges)
        object.__setattr__(self, "_atoms", atoms)
        object.__setattr__(self, "_train", in_train[runs])
        object.__setattr__(self, "_test", in_test[runs])

    def _intervals(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return first row and end of each training and test set, shapes (n_splits, 2)."""
        require_splits(self.n_splits)
        if self.gap < 0:
            raise ValueError(f"gap must be >= 0 rows, got {self.gap}")
        for name in ("max_train_size", "test_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be 1 row or more, got {value}")
        n_test = self.test_size or self.n_rows // (self.n_splits + 1)
        start = self.n_rows - n_test * np.arange(self.n_splits, 0, -1, dtype=np.int64)
        if n_test < 1 or start[0] - self.gap <= 0:
            raise ValueError(
                f"{self.n_splits} test sets of {max(n_test, 1)} rows after a gap of {self.gap} "
                f"leave no row of {self.n_rows} to train on: use fewer or smaller ones"
            )
        end = start - self.gap
        first = np.zeros_like(end)
        if self.max_train_size is not None:
            first = np.maximum(first, end - self.max_train_size)
        return np.column_stack([first, end]), np.column_stack([start, start + n_test])

    @property
    def train(self) -> Bools:
        return self._train

    @property
    def test(self) -> Bools:
        return self._test

    def codes(self, rows: RowKeys) -> npt.NDArray[np.intp]:
        return self._atoms[np.searchsorted(self._edges, rows.numbers, side="right") - 1]
