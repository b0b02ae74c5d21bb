"""Dense rows of many columns, walked in bands of columns: a row tile would not fit the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from daskreg._array import is_sparse
from daskreg._typing import AnyArray, Float, Matrix, State
from daskreg.datafit.moments import Moments
from daskreg.design.blocks import Block

from .tiles import stored, tile_borders

#: From so many columns on, the least tile of whole rows is larger than a core's cache.
WIDE = 16384
#: Columns of a band.
BAND = 2048
#: Rows of a tile at most: enough that its sums, a number for each column of X and of the
#: coefficients, cost little beside it.
ROWS = 256
#: Rows whose mean is a point inside each column.
FIRST_ROWS = 8
#: Up to this share of the columns, those with a coefficient are gathered instead.
FEW = 1 / 8


def is_wide(X: Matrix) -> bool:
    """Whether a block is walked in bands."""
    return not is_sparse(X) and X.shape[1] >= WIDE


def bands(n_features: int) -> Iterator[slice]:
    """Yield the columns of each band."""
    for start, stop in tile_borders(n_features, BAND):
        yield slice(start, stop)


class WideProducts:
    """``X @ coef`` and ``X.T @ residual`` of one wide dense block; see ``Products``.

    The first product reads only the columns that have a coefficient, where these are few, so that
    X is read from memory once.
    """

    def __init__(self, block: Block, state: State, dtype: str) -> None:
        self.X = block.X
        self.dtype = np.dtype(dtype)
        self.intercept = np.asarray(state["intercept"])
        self.offset = None
        if block.offset is not None:
            several = block.offset.shape[1] > 1
            self.offset = block.offset[:, state["target"]] if several else block.offset
        self.shift = state.get("shift")
        self.n_columns = state["coef"].shape[1]
        self.rows = min(ROWS, len(self.X))
        used = np.flatnonzero(state["coef"].any(axis=1))
        n_features = self.X.shape[1]
        few = len(used) <= FEW * n_features
        self.parts: list[AnyArray | slice] = (
            [used[band] for band in bands(len(used))] if few else list(bands(n_features))
        )
        self.coefs = [state["coef"][part].astype(self.dtype, copy=False) for part in self.parts]
        plain = self.X.dtype == self.dtype and self.shift is None
        self.scratch = None if plain else np.empty((self.rows, BAND), self.dtype)

    def walk(self, residual: Callable[[int, int, Float], Float]) -> Float:
        """Return the float64 sum of ``X.T @ residual(start, stop, eta)`` over all tiles."""
        total: Float | None = None
        for start, stop in tile_borders(len(self.X), self.rows):
            rows = self.X[start:stop]
            eta = np.zeros((len(rows), self.n_columns)) + self.intercept
            for part, coef in zip(self.parts, self.coefs, strict=True):
                eta += self._band(rows, part) @ coef
            if self.offset is not None:
                eta += self.offset[start:stop]
            r = residual(start, stop, eta)
            turned = np.ascontiguousarray(r.T, dtype=self.dtype)
            first = total is None
            if total is None:
                total = np.empty((len(turned), self.X.shape[1]))
            for band in bands(self.X.shape[1]):
                product = turned @ self._band(rows, band)
                if first:
                    total[:, band] = product
                else:
                    total[:, band] += product
        assert total is not None
        return total.T

    def _band(self, rows: AnyArray, part: AnyArray | slice) -> AnyArray:
        """Return some columns of a tile in the type of the products, shifted."""
        if not isinstance(part, slice):
            taken = np.take(rows, part, axis=1).astype(self.dtype, copy=False)
            return taken if self.shift is None else taken - self.shift[part]
        band = rows[:, part]
        if self.scratch is None:
            return band
        out = self.scratch[: len(band), : band.shape[1]]
        np.copyto(out, band)
        if self.shift is not None:
            out -= self.shift[part]
        return out


def side_by_side(parts: Sequence[Moments]) -> Moments:
    """Return the moments of all columns from those of bands of the same rows, without Gram."""
    first = parts[0]
    return Moments(
        first.weight,
        first.n_rows,
        np.concatenate([part.mean for part in parts]),
        np.concatenate([part.m2 for part in parts]),
        first.target_mean,
        first.target_m2,
        np.concatenate([part.cross for part in parts]),
        None,
        first.columns,
    )


def wide_moments(X: AnyArray, z: Float, root: Float | None) -> Moments | None:
    """Return the moments of wide rows in machine code, without Gram; None: nothing has a weight.

    Parameters
    ----------
    X : ndarray, shape (n, p), C-contiguous
    z : ndarray, shape (n, q), q at least 1
    root : ndarray, shape (n,), or None
        Square roots of the weights.
    """
    from .compiled.moments import wide_moments as fill

    n, p = X.shape
    root = np.ones(n) if root is None else root
    share = np.square(root)
    weight = float(share.sum())
    if not weight:
        return None
    middle = share @ z / weight
    right = np.ascontiguousarray(((z - middle) * root[:, None]).T)
    # A point inside each column: the mean of the first rows that count.
    last = int(np.flatnonzero(root)[:FIRST_ROWS][-1]) + 1
    early = share[:last] / share[:last].sum()
    mean, m2, cross = np.empty(p), np.empty(p), np.empty((len(right), p))
    tile, half = stored(X)
    fill(tile, half, root, right, early, BAND, mean, m2, cross)
    first = right @ root
    target_m2 = np.maximum(np.square(right).sum(axis=1) - np.square(first) / weight, 0.0)
    n_rows = int(np.count_nonzero(root))
    return Moments(weight, n_rows, mean, m2, middle + first / weight, target_m2, cross.T)
