"""A Gram matrix of few rows, never multiplied: the rows themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from daskreg._pages import momentary
from daskreg._typing import AnyArray, Float

from .parallel import Both, one_by_one

#: Columns that are copied together, for a product with a vector and with a matrix: they stay in
#: cache, and no copy of all is made.
AT_ONCE, FOR_MATRICES = 32, 128
#: Numbers from which a product is made by two threads: of fewer one would wait for the other.
SHARED = 2**17


class Products:
    """Products with some columns of few rows, each in two halves that two threads may make.

    Parameters
    ----------
    rows : ndarray, shape (n, p), Fortran-contiguous
    both : callable
        Runs two functions; by default one after the other, which gives the same bits.
    """

    def __init__(self, rows: Float, both: Both = one_by_one) -> None:
        self.rows = rows
        self._both = both
        self._rooms: list[Float] = []

    def along(self, members: AnyArray, right: Float) -> Float:
        """Return some columns, transposed, times ``right`` (n,) or (n, m)."""
        found = momentary((len(members), *right.shape[1:]))

        def fill(run: slice, room: Float) -> None:
            for some in _pieces(run, len(room)):
                np.matmul(self._gathered(members[some], room), right, out=found[some])

        self._in_halves(len(members), right, fill)
        return np.asarray(found)

    def combined(self, members: AnyArray, share: Float) -> Float:
        """Return the sum of some columns times ``share`` (c,) or (c, m): (n,) or (m, n)."""
        total = np.zeros((2, *share.shape[1:], len(self.rows)))

        def add(run: slice, room: Float) -> None:
            own = total[int(run.start > 0)]
            for some in _pieces(run, len(room)):
                own += share[some].T @ self._gathered(members[some], room)

        self._in_halves(len(members), share, add)
        total[0] += total[1]
        return total[0]

    def with_all(self, u: Float) -> Float:
        """Return all columns, transposed, times ``u`` (n,)."""
        found = np.empty(self.rows.shape[1])

        def fill(run: slice, room: Float) -> None:
            np.matmul(self.rows.T[run], u, out=found[run])

        self._in_halves(len(found), u, fill)
        return found

    def _gathered(self, members: AnyArray, room: Float) -> Float:
        """Return some columns, each a row of ``room``: transposed, they are copied whole."""
        part = room[: len(members)]
        np.take(self.rows.T, members, axis=0, out=part, mode="clip")  # the others take a buffer
        return part

    def _in_halves(
        self, n_columns: int, factor: Float, work: Callable[[slice, Float], None]
    ) -> None:
        n_rows, at_once = len(self.rows), AT_ONCE if factor.ndim == 1 else FOR_MATRICES
        if factor.ndim > 1:
            rooms = [momentary((at_once, n_rows)) for _ in range(2)]
        else:
            rooms = self._rooms = self._rooms or [np.empty((at_once, n_rows)) for _ in range(2)]
        middle = -(-n_columns // (2 * at_once)) * at_once
        first, second = slice(0, middle), slice(middle, n_columns)
        both = self._both if n_rows * n_columns >= SHARED else one_by_one
        both(lambda: work(first, rooms[0]), lambda: work(second, rooms[1]))


def _pieces(run: slice, at_once: int) -> Iterator[slice]:
    for start in range(run.start, run.stop, at_once):
        yield slice(start, min(start + at_once, run.stop))


@dataclass(frozen=True, eq=False)
class Factored:
    """``rows.T @ rows``, for what needs its products, its diagonal and some small blocks.

    Attributes
    ----------
    rows : ndarray, shape (n_rows, p), Fortran-contiguous
        Rows in solver coordinates times the roots of their weights.
    """

    rows: Float

    def __matmul__(self, coef: Float) -> Float:
        """Return the matrix times ``coef`` (p, m): the columns in use, then all of them."""
        used = np.flatnonzero((coef != 0.0).any(axis=1))
        return np.asarray(self.rows.T @ Products(self.rows).combined(used, coef[used]).T)

    @cached_property
    def squares(self) -> Float:
        """The diagonal, shape (p,)."""
        return np.asarray(np.einsum("ij,ij->j", self.rows, self.rows))

    def block(self, members: AnyArray) -> Float:
        """Rows and columns ``members`` of the matrix."""
        part = self.rows[:, members]
        return np.asarray(part.T @ part)

    def matrix(self) -> Float:
        """The matrix, (p, p)."""
        return np.asarray(self.rows.T @ self.rows)
