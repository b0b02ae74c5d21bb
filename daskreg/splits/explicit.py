"""Folds given as lists of rows: stored as one small code for each row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray
from daskreg.exceptions import DataError

from .base import Bools, Folds, RowKeys

#: States of a row in one split.
OUTSIDE, TRAIN, TEST = 0, 1, 2


@dataclass(frozen=True, eq=False)
class ExplicitFolds(Folds):
    """Folds whose atoms are stored with the data, in the groups column.

    Parameters
    ----------
    train, test : ndarray of bool, shape (n_atoms, n)
        What the code ``a`` in the groups column stands for; the code ``n_atoms`` stands for rows
        in no set at all.
    """

    train_table: Bools
    test_table: Bools

    @property
    def train(self) -> Bools:
        return self.train_table

    @property
    def test(self) -> Bools:
        return self.test_table

    def codes(self, rows: RowKeys) -> npt.NDArray[np.intp]:
        stored = rows.groups
        if stored is None:
            raise DataError("explicit folds need their codes as groups, got groups=None")
        if stored.dtype.kind not in "iu":
            raise DataError(f"groups of explicit folds are integer codes, got type {stored.dtype}")
        n_atoms = len(self.train_table)
        codes = stored.astype(np.intp)
        wrong = (codes < 0) | (codes > n_atoms)
        if wrong.any():
            raise DataError(
                f"groups hold the code {codes[wrong][0]}, but these folds know 0 to {n_atoms}: "
                "they were made for other rows"
            )
        return np.where(codes == n_atoms, -1, codes)


def explicit_folds(
    splits: Iterable[tuple[Any, Any]], n_rows: int
) -> tuple[ExplicitFolds, npt.NDArray[np.unsignedinteger[Any]]]:
    """Return folds and the code of each row, from pairs of training and test rows.

    Parameters
    ----------
    splits : iterable of (train, test)
        Row numbers, or masks of ``n_rows`` booleans.
    n_rows : int

    Returns
    -------
    folds : ExplicitFolds
    codes : ndarray of uint8, uint16 or uint32, shape (n_rows,)
        To be given as groups.

    Raises
    ------
    ValueError
        For sets that are empty, overlap, repeat a row or name one that is not there.

    Examples
    --------
    >>> folds, codes = explicit_folds([([0, 1], [2]), ([0, 2], [1])], n_rows=4)
    >>> codes
    array([0, 1, 2, 3], dtype=uint8)
    >>> folds.test
    array([[False, False],
           [False,  True],
           [ True, False]])
    """
    states = [_states(fold, pair, n_rows) for fold, pair in enumerate(splits)]
    if not states:
        raise ValueError("cv gave no split: expected pairs of training and test rows")
    atoms, n_atoms = _refine(states, n_rows)
    member = np.empty(n_atoms, dtype=np.intp)
    member[atoms] = np.arange(n_rows)
    table = np.column_stack([state[member] for state in states])
    inside = table.any(axis=1)
    # Rows in no set come last: their number is beyond the tables.
    names = np.where(inside, np.cumsum(inside) - 1, inside.sum())
    table = table[inside]
    small = np.min_scalar_type(int(names.max()))
    codes = names.astype(small if small.itemsize <= 4 else np.uint32)[atoms]
    return ExplicitFolds(table == TRAIN, table == TEST), codes


def _refine(states: list[AnyArray], n_rows: int) -> tuple[npt.NDArray[np.intp], int]:
    """Return a number for each row, equal where rows are in the same state in every split."""
    atoms = np.zeros(n_rows, dtype=np.intp)
    n_atoms = 1
    for state in states:
        atoms = 3 * atoms + state
        seen = np.bincount(atoms, minlength=3 * n_atoms) > 0
        atoms = (np.cumsum(seen) - 1)[atoms]
        n_atoms = int(seen.sum())
    return atoms, n_atoms


def _states(fold: int, pair: Any, n_rows: int) -> npt.NDArray[np.uint8]:
    try:
        train, test = pair
    except (TypeError, ValueError):
        raise ValueError(
            f"split {fold} of cv must be a pair (training rows, test rows), got {pair!r}"
        ) from None
    state = np.full(n_rows, OUTSIDE, dtype=np.uint8)
    state[_numbers(train, n_rows, f"training rows of split {fold}")] = TRAIN
    held_out = _numbers(test, n_rows, f"test rows of split {fold}")
    both = held_out[state[held_out] == TRAIN]
    if both.size:
        raise ValueError(
            f"row {both[0]} is in the training and in the test set of split {fold}: a score on "
            "it would not be held out"
        )
    state[held_out] = TEST
    return state


def _numbers(rows: Any, n_rows: int, what: str) -> npt.NDArray[np.intp]:
    given = np.asarray(rows)
    if given.dtype.kind == "b" and given.shape == (n_rows,):
        given = np.flatnonzero(given)
    if given.ndim != 1 or (given.dtype.kind not in "iu" and given.size):
        raise ValueError(
            f"the {what} must be row numbers or a mask of {n_rows} rows, got type {given.dtype} "
            f"of shape {given.shape}"
        )
    if not given.size:
        raise ValueError(f"the {what} are none: each set needs a row")
    numbers = given.astype(np.intp)
    wrong = (numbers < 0) | (numbers >= n_rows)
    if wrong.any():
        raise ValueError(f"the {what} hold {numbers[wrong][0]}, but rows are 0 to {n_rows - 1}")
    twice = np.bincount(numbers, minlength=n_rows) > 1
    if twice.any():
        raise ValueError(
            f"the {what} hold row {np.flatnonzero(twice)[0]} twice: give it a sample weight"
        )
    return numbers
