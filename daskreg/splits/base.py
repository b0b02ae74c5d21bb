"""What folds and resamples have in common: a multiplicity for each row and weighting."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.exceptions import DataError

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class RowKeys:
    """What a rule may look at: the place of a run of rows, their labels and their groups.

    Attributes
    ----------
    start : int
        Number of the first row in the whole data.
    n_rows : int
    y : ndarray, shape (n_rows,), or None
        Raw labels, of any type.
    groups : ndarray, shape (n_rows,), or None
        Groups of any type, or the codes of explicit folds.
    """

    start: int
    n_rows: int
    y: AnyArray | None = None
    groups: AnyArray | None = None

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """Row numbers in the whole data, shape (n_rows,)."""
        return np.arange(self.start, self.start + self.n_rows, dtype=np.int64)


class RowWeights(ABC):
    """Multiplicities of rows in the training sets of ``n`` weightings.

    Implementations are frozen and picklable, and say of a row the same whatever run it comes in.
    """

    @property
    @abstractmethod
    def n(self) -> int:
        """Number of weightings."""

    @abstractmethod
    def factors(self, rows: RowKeys, which: npt.ArrayLike | None = None) -> Float:
        """Return how often each row counts in training.

        Parameters
        ----------
        rows : RowKeys
        which : array of int, shape (m,), optional
            Some of the weightings; all by default.

        Returns
        -------
        ndarray of float64, shape (n_rows, m)
        """

    def chosen(self, which: npt.ArrayLike | None) -> npt.NDArray[np.intp]:
        """Return ``which`` as positions; raise ``IndexError`` where there is no such weighting."""
        if which is None:
            return np.arange(self.n)
        index = np.atleast_1d(np.asarray(which, dtype=np.intp))
        wrong = (index < 0) | (index >= self.n)
        if wrong.any():
            raise IndexError(f"weighting {index[wrong][0]} of {self.n}: they are numbered from 0")
        return index


class Folds(RowWeights):
    """Pairs of training and test rows; a weighting is the training set of one fold.

    Rows that belong to the same training and test sets form an *atom*: sums over atoms add up
    to the sums of every fold.
    """

    @abstractmethod
    def codes(self, rows: RowKeys) -> npt.NDArray[np.intp]:
        """Return the atom of each row, shape (n_rows,); -1: in no set of any fold."""

    @property
    @abstractmethod
    def train(self) -> Bools:
        """Whether the fold trains on the atom, shape (n_atoms, n)."""

    @property
    @abstractmethod
    def test(self) -> Bools:
        """Whether the fold is tested on the atom, shape (n_atoms, n)."""

    @property
    def n(self) -> int:
        return int(self.train.shape[1])

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return int(self.train.shape[0])

    def factors(self, rows: RowKeys, which: npt.ArrayLike | None = None) -> Float:
        return self._lookup(self.train, rows, which)

    def held_out(self, rows: RowKeys, which: npt.ArrayLike | None = None) -> Float:
        """Return 1.0 where a row is in the test set, shape (n_rows, n) or (n_rows, m)."""
        return self._lookup(self.test, rows, which)

    def _lookup(self, table: Bools, rows: RowKeys, which: npt.ArrayLike | None) -> Float:
        # The line of zeros at the end is what the code -1 finds.
        padded = np.zeros((len(table) + 1, table.shape[1]))
        padded[:-1] = table
        return padded[:, self.chosen(which)][self.codes(rows)]

    def check_rows(self, counts: npt.ArrayLike) -> None:
        """Raise ``DataError`` where a training or test set has no row that counts.

        Parameters
        ----------
        counts : array, shape (n_atoms,)
            Rows of a positive weight, or sum of weights, of each atom.
        """
        total = np.asarray(counts, dtype=np.float64)
        for name, table in (("training", self.train), ("test", self.test)):
            empty = np.flatnonzero(total @ table == 0)
            if empty.size:
                raise DataError(
                    f"the {name} set of fold {empty[0]} of {self.n} has no row of positive weight: "
                    "use fewer folds, or folds that are no hash of few groups or rows"
                )


def one_atom_each(n_splits: int) -> Bools:
    """Return the test table of folds that part the rows, shape (n_splits, n_splits)."""
    return np.eye(n_splits, dtype=bool)


def require_splits(n_splits: int, n_rows: int | None = None) -> None:
    """Raise ``ValueError`` unless ``2 <= n_splits <= n_rows``."""
    if isinstance(n_splits, bool) or n_splits != int(n_splits) or n_splits < 2:
        raise ValueError(f"cross-validation needs 2 folds or more, got n_splits={n_splits!r}")
    if n_rows is not None and n_splits > n_rows:
        raise ValueError(f"{n_splits} folds of {n_rows} rows: there must be a row for each fold")
