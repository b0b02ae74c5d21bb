"""Dense rows of many columns, walked in bands of columns: a row tile would not fit the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from daskreg._array import is_sparse
from daskreg._pages import momentary
from daskreg._typing import AnyArray, Float, Matrix, State
from daskreg.datafit.moments import Moments
from daskreg.design.blocks import Block

from .tiles import tile_borders

#: From so many columns on, the least tile of whole rows is larger than a core's cache.
WIDE = 16384
#: Columns of a band, and of those that are gathered together: these are read once.
BAND, GATHERED = 2048, 512
#: Rows of a tile at most: enough that its sums, a number for each column of X and of the
#: coefficients, cost little beside it.
ROWS = 256
#: Rows whose mean is a point inside each column.
FIRST_ROWS = 8
#: Rows and columns of a tile of moments: in the second-level cache, its columns a long run each.
MOMENT_ROWS, MOMENT_BAND = 16, 4096
#: Share of the squares of a column that its mean may make up: more would lose digits.
NEAR = 0.99
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
            [used[start:stop] for start, stop in tile_borders(len(used), GATHERED)]
            if few
            else list(bands(n_features))
        )
        self.coefs = [state["coef"][part].astype(self.dtype, copy=False) for part in self.parts]
        plain = self.X.dtype == self.dtype and self.shift is None
        self.scratch = None if plain else np.empty((self.rows, BAND), self.dtype)
        self.gathered = np.empty(self.rows * GATHERED, self.X.dtype) if few else None

    def walk(
        self, residual: Callable[[int, int, Float], Float], onto: Float | None = None
    ) -> Float:
        """Return the float64 sum of ``X.T @ residual(start, stop, eta)`` over all tiles, added to
        ``onto`` (p, C) in its memory if there is one."""
        total: Float | None = None if onto is None else onto.T
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
                total = momentary((len(turned), self.X.shape[1]))
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
            assert self.gathered is not None
            room = self.gathered[: len(rows) * len(part)].reshape(len(rows), len(part))
            np.take(rows, part, axis=1, out=room, mode="clip")  # the others go through a buffer
            taken = room.astype(self.dtype, copy=False)
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
    """Return the moments of wide rows, without Gram; None: nothing has a weight.

    Parameters
    ----------
    X : ndarray, shape (n, p)
    z : ndarray, shape (n, q)
    root : ndarray, shape (n,), or None
        Square roots of the weights.
    """
    n, p = X.shape
    share = np.ones(n) if root is None else np.square(root)
    weight = float(share.sum())
    if not weight:
        return None
    middle = share @ z / weight
    # Products with the rows as they are: weights have gone into what they are multiplied with.
    left = np.vstack([share, ((z - middle) * share[:, None]).T])
    # A point inside each column: the mean of the first rows that count.
    last = int(np.flatnonzero(share)[:FIRST_ROWS][-1]) + 1
    early = share[:last] / share[:last].sum()
    mean, m2, cross = np.empty(p), np.empty(p), np.empty((z.shape[1], p))
    scratch = np.empty((MOMENT_ROWS, MOMENT_BAND))
    for start, stop in tile_borders(p, MOMENT_BAND):
        band = X[:, start:stop]
        shift = np.zeros(stop - start)
        sums, squares = _raw_sums(band, None, left, root, scratch)
        if not (np.square(sums[0]) <= NEAR * weight * squares).all():
            shift = early @ band[:last].astype(np.float64)
            sums, squares = _raw_sums(band, shift, left, root, scratch)
        first = sums[0] / weight
        own = squares - np.square(sums[0]) / weight
        mean[start:stop] = shift + first
        # What overflowed stays NaN, and is refused later.
        m2[start:stop] = np.where(own <= 0.0, 0.0, own)
        cross[:, start:stop] = sums[1:] - np.outer(left[1:].sum(axis=1), first)
    centred = z - middle
    target_m2 = share @ np.square(centred) - np.square(share @ centred) / weight
    n_rows = int(np.count_nonzero(share))
    about = middle + share @ centred / weight
    return Moments(weight, n_rows, mean, m2, about, np.maximum(target_m2, 0.0), cross.T)


def _raw_sums(
    band: AnyArray, shift: Float | None, left: Float, root: Float | None, scratch: Float
) -> tuple[Float, Float]:
    """Return ``left @ d`` and the weighted sums of ``d d``, with d the columns less ``shift``."""
    m = band.shape[1]
    sums, squares = np.zeros((len(left), m)), np.zeros(m)
    for start, stop in tile_borders(len(band), len(scratch)):
        tile, out = band[start:stop], scratch[: stop - start, :m]
        if shift is not None or tile.dtype != np.float64:
            np.copyto(out, tile)
            if shift is not None:
                out -= shift
            tile = out
        sums += left[:, start:stop] @ tile
        if root is not None:
            tile = np.multiply(tile, root[start:stop, None], out=out)
        squares += np.einsum("ij,ij->j", tile, tile)
    return sums, squares
