"""The path of a lasso on few rows, followed from corner to corner to its end."""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

from daskreg._typing import AnyArray, Float

from .budget import called_off
from .factored_sweeps import FactoredProblem, image_of

#: Rows up to which a corner, which costs a factor of as many columns, costs little.
MOST_ROWS = 128
#: Corners of a path for each row and column that may be in use, at most.
CORNERS = 8
#: Share of a column's length that has to be new for it to join others.
NEW = 1e-11


def along_path(one: FactoredProblem) -> tuple[Float, Float] | None:
    """Return the solution and its image, as far as the path can be followed.

    Coordinate descent takes thousands of sweeps where all columns are nearly parallel, as those
    far from zero without an intercept are; the path has no more corners for that.

    Parameters
    ----------
    one : FactoredProblem
        With an L1 penalty alone, and on every column.

    Returns
    -------
    (b, u) or None
        None for other problems, and where there are many rows.

    References
    ----------
    M. R. Osborne, B. Presnell and B. A. Turlach, "A new approach to variable selection in least
    squares problems", IMA Journal of Numerical Analysis 20 (2000), section 4.
    """
    rows = one.products.rows
    if len(rows) > MOST_ROWS or one.l2.any() or not (one.l1 > 0.0).all():
        return None
    path = _Path(rows / one.l1, one.c / one.l1, one.positive)
    for _ in range(CORNERS * min(rows.shape)):
        if called_off() or not path.advance():
            break
    b = path.coef() / one.l1
    return b, image_of(one.products, b)


class _Path:
    """Where a path is: ``|t - A b|^2 / 2 + level sum |b|``, the level falling to one.

    Parameters
    ----------
    A : ndarray, shape (n, p)
    c : ndarray, shape (p,)
        ``A't``.
    positive : bool
        No coefficient may be negative.
    """

    def __init__(self, A: Float, c: Float, positive: bool) -> None:
        self._A, self._positive = A, positive
        # Of all targets with these products: they differ by what no column explains.
        self._t = np.linalg.lstsq(A.T, c, rcond=None)[0]
        self._slopes = c.copy()
        self._size = np.sqrt(np.einsum("ij,ij->j", A, A))
        self._refused = self._size == 0.0
        self._active: AnyArray = np.empty(0, dtype=np.intp)
        self._signs: Float = np.empty(0)
        self._b: Float = np.empty(0)
        self._level = float(self._entry().max(initial=0.0))
        #: The column that has just left, whose slope is still at the level.
        self._left = -1
        #: Of the columns in use at the last corner, orthonormal.
        self._Q: Float = np.empty((len(A), 0))

    def coef(self) -> Float:
        b = np.zeros(self._A.shape[1])
        b[self._active] = self._b
        return b

    def advance(self) -> bool:
        """Go to the next corner; say whether the path goes on from there."""
        if self._level <= 1.0 or not self._join():
            return False
        held = self._A[:, self._active]
        factor, tau, *_ = lapack.dgeqrf(held)
        R, Q = np.triu(factor[: held.shape[1]]), lapack.dorgqr(factor, tau)[0]
        weighed = lapack.dtrtrs(R, self._signs, trans=1)[0]
        direction, along = lapack.dtrtrs(R, weighed)[0], Q @ weighed
        # The solution at this level: what corners before it have lost in rounding is back.
        self._b = lapack.dtrtrs(R, Q.T @ self._t)[0] - self._level * direction
        step, leaving = self._step(direction, self._A.T @ along)
        self._b = self._b + step * direction
        self._level -= step
        self._left, self._Q = -1, Q
        if leaving >= 0:  # who comes next waits for a corner without it
            self._left = int(self._active[leaving])
            kept = np.arange(len(self._active)) != leaving
            self._active, self._signs = self._active[kept], self._signs[kept]
            self._b = self._b[kept]
        left = self._t - self._A[:, self._active] @ self._b
        self._slopes = self._A.T @ left
        return self._level > 1.0

    def _entry(self) -> Float:
        """Return the level at which each column enters here; those that cannot never do."""
        slopes = self._slopes if self._positive else np.abs(self._slopes)
        slopes = np.where(self._refused, -np.inf, slopes)
        slopes[self._active] = -np.inf
        return np.asarray(slopes)

    def _join(self) -> bool:
        """Let the column enter whose level this is; say whether any is in use."""
        entry = self._entry()
        if self._left >= 0:
            entry[self._left] = -np.inf
        joins = len(self._active) < len(self._A) and (self._left < 0 or not len(self._active))
        while joins and np.isfinite(entry).any():
            j = int(np.argmax(entry))
            if self._is_new(j):
                self._active = np.append(self._active, j)
                self._signs = np.append(self._signs, np.sign(self._slopes[j]))
                self._b = np.append(self._b, 0.0)
                break
            self._refused[j], entry[j] = True, -np.inf
        return bool(len(self._active))

    def _is_new(self, j: int) -> bool:
        """Whether a column is no combination of those in use."""
        if not len(self._active):
            return True
        column = self._A[:, j]
        for _ in range(2):
            column = column - self._Q @ (self._Q.T @ column)
        return bool(np.linalg.norm(column) > NEW * self._size[j])

    def _step(self, direction: Float, along: Float) -> tuple[float, int]:
        """Return how far the level falls to the next corner, and who leaves there, or -1."""
        step, leaving = self._level - 1.0, -1
        entry = [self._corner(self._slopes, along)]
        if not self._positive:
            entry.append(self._corner(-self._slopes, -along))
        step = min(step, *(float(one.min(initial=np.inf)) for one in entry))
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = np.where(self._signs * direction < 0.0, -self._b / direction, np.inf)
        ends = np.where(ends > 0.0, ends, np.inf)
        if len(ends) and ends.min() < step:
            step, leaving = float(ends.min()), int(np.argmin(ends))
        return step, leaving

    def _corner(self, slopes: Float, along: Float) -> Float:
        """Return how far the level falls until columns enter whose slopes fall by ``along``."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found = (self._level - slopes) / (1.0 - along)
        out = self._refused | ~(found > 0.0)
        out[self._active] = True
        if self._left >= 0:
            out[self._left] = True
        return np.where(out, np.inf, found)
