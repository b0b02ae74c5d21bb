"""A Cholesky factor for the columns in use, which grows and shrinks with them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack

from daskreg._pages import momentary
from daskreg._typing import AnyArray, Float

from .cholesky import factor_of
from .factored import Products

#: Columns that join the factor together.
PANEL = 128
#: Share of its columns that may be out of use before it is made anew, and so many in any case.
IDLE, FEWEST_IDLE = 1 / 8, 8


class SupportFactor:
    """Solves ``(A' A + diag(l2)) x = r`` on supports that change by few columns at a time.

    The lower factor L is kept by panels of rows.  A column that joins costs a forward
    substitution; one that leaves stays in the factor, its coefficient held at zero by a
    multiplier, until there are too many of them.

    Parameters
    ----------
    products : Products
        With the columns of ``A``, (n, p).

    Attributes
    ----------
    members : array of int, shape (t,)
        Columns of the factor, in its order.
    """

    def __init__(self, products: Products) -> None:
        self._products, self._rows = products, products.rows
        rows = products.rows
        self._place = np.full(rows.shape[1], -1, dtype=np.intp)
        self._restart()

    def _restart(self) -> None:
        self._place[:] = -1
        self.members: npt.NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self._l2: Float = np.empty(0)
        self._lift: Float = np.empty(0)
        self._panels: list[tuple[Float, Float]] = []
        #: Places of columns that are held at zero, and ``inv(L)`` of their unit vectors.
        self._idle: npt.NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self._spread: Float = np.empty((0, 0))

    def suits(self, l2: Float) -> bool:
        """Whether the factor is that of these ridges, shape (p,), so far as it goes."""
        return np.array_equal(self._l2, l2[self.members])

    def missing(self, support: AnyArray, l2: Float) -> int:
        """Columns of a support that are to join, all of them where the factor does not suit."""
        return int((self._place[support] < 0).sum()) if self.suits(l2) else len(support)

    def cover(self, support: AnyArray, l2: Float) -> AnyArray:
        """Let the factor hold these columns; return their places in it.

        Raises
        ------
        LinAlgError
            Where the columns depend on each other.
        """
        held = int((self._place[support] >= 0).sum())
        idle, total = len(self.members) - held, len(self.members) + len(support) - held
        singular = total > len(self._rows) and not l2[support].any()
        if (idle and singular) or idle > FEWEST_IDLE + IDLE * total or not self.suits(l2):
            self._restart()
            idle = 0
        try:
            self._join(support, l2)
        except np.linalg.LinAlgError:
            self._restart()
            if not idle:
                raise
            # Together with those that have left they are too many.
            return self.cover(support, l2)
        return np.asarray(self._place[support])

    def _join(self, support: AnyArray, l2: Float) -> None:
        new = support[self._place[support] < 0]
        for start in range(0, len(new), PANEL):
            self._join_panel(new[start : start + PANEL], l2)

    def _join_panel(self, new: AnyArray, l2: Float) -> None:
        held, total = len(self.members), len(self.members) + len(new)
        # Transposed, columns are copied whole.
        added = momentary((len(new), len(self._rows)))
        np.take(self._rows.T, new, axis=0, out=added, mode="clip")
        added = added.T
        left = momentary((len(new), held))
        left[:] = self._forward(self._products.along(self.members, added)).T
        corner = added.T @ added
        # More columns than rows are singular: a touch of ridge keeps a direction of descent.
        ridge = 1e-15 * len(self._rows) * float(corner.diagonal().max())
        corner -= left @ left.T
        corner.flat[:: len(new) + 1] += l2[new] + ridge
        self._panels.append((left, factor_of(corner)))
        self._place[new] = np.arange(held, total)
        self.members = np.concatenate([self.members, new])
        self._l2 = np.concatenate([self._l2, l2[new]])
        self._lift = np.concatenate([self._lift, np.full(len(new), ridge)])

    def solve(self, places: AnyArray, right: Float) -> Float:
        """Solve on the support at these places, right and solution of shape (s,)."""
        full = np.zeros((len(self.members), 1))
        full[places, 0] = right
        found = self._forward(full)
        spread = self._spread_of(np.setdiff1d(np.arange(len(full)), places, assume_unique=True))
        if spread.size:
            found -= spread @ np.linalg.solve(spread.T @ spread, spread.T @ found)
        return np.asarray(self._backward(found)[places, 0])

    def lifted(self, places: AnyArray, found: Float) -> Float:
        """Return what the touch of ridge that the factor has adds to the slopes of a solution."""
        return np.asarray(self._lift[places] * found)

    def _spread_of(self, idle: AnyArray) -> Float:
        """``inv(L)`` of the unit vectors at some places, (t, d); what is known is not redone."""
        n_known, n_members = len(self._spread), len(self.members)
        known, new = np.isin(self._idle, idle), np.setdiff1d(idle, self._idle)
        n_kept = len(idle) - len(new)
        spread = momentary((n_members, len(idle)))
        spread[:n_known, :n_kept] = self._spread[:, known]
        spread[n_known:, :n_kept] = spread[:, n_kept:] = 0.0
        spread[new, np.arange(n_kept, len(idle))] = 1.0
        self._forward(spread[:, :n_kept], n_known)
        self._forward(spread[:, n_kept:])
        self._idle, self._spread = np.concatenate([self._idle[known], new]), spread
        return spread

    def _forward(self, right: Float, start: int = 0) -> Float:
        """Solve with L from some row on, in place; (t, m)."""
        stop = 0
        for left, corner in self._panels:
            first, stop = stop, stop + len(left)
            if first < start or not right.shape[1]:
                continue
            part = right[first:stop] - left @ right[:first]
            right[first:stop] = lapack.dtrtrs(corner, part, lower=1)[0]
        return right

    def _backward(self, right: Float) -> Float:
        """Solve with the transpose of L, in place; (t, m)."""
        stop = len(right)
        for left, corner in reversed(self._panels):
            start = stop - len(left)
            part = lapack.dtrtrs(corner, right[start:stop], lower=1, trans=1)[0]
            right[start:stop] = part
            right[:start] -= left.T @ part
            stop = start
        return right
