"""Moments of a run of rows, built up tile by tile about a point inside every column."""

from __future__ import annotations

import numpy as np

from daskreg._array import is_sparse, scale_rows, to_dense, with_data
from daskreg._typing import Float, Matrix
from daskreg.datafit.few_rows import FewRows
from daskreg.datafit.label_sums import SPARSE_NOISE
from daskreg.datafit.moments import Moments, add_outer

from .piece_sums import PieceSums
from .sparse_rows import SparseRows
from .tile_sums import TileSums, inner_point, mirror


class Running:
    """The sums of some rows of a block.

    Parameters
    ----------
    n_features, n_targets : int
    columns : tuple of int or None
        Gram columns wanted; None: all of them.
    gram_dtype : str
        Type of the Gram products of one tile.
    few : bool
        Keep the rows instead of their Gram matrix: they are dense, and few beside the columns.
    compiled : bool
        Run compiled loops over tiles that are not kept.
    sparse : bool
        Tiles are compressed sparse rows.

    Attributes
    ----------
    takes_rows : bool
        Tiles of sparse rows should come as ``SparseRows``.
    """

    def __init__(
        self,
        n_features: int,
        n_targets: int,
        columns: tuple[int, ...] | None,
        gram_dtype: str,
        few: bool = False,
        compiled: bool = False,
        sparse: bool = False,
    ) -> None:
        self.columns = None if columns is None else np.array(columns, dtype=np.intp)
        self.dtype = np.dtype(gram_dtype)
        width = n_features if self.columns is None else len(self.columns)
        self.few: FewRows | None = None
        self.gram = np.zeros((n_features, width)) if width and not few else None
        self.keeps = few
        empty = np.zeros(n_features), np.zeros(n_features), np.zeros(n_targets)
        self.plain = Moments(0.0, 0, *empty, np.zeros(n_targets), np.zeros((n_features, n_targets)))
        self.vectors: list[Float] = []
        self.factors: list[float] = []
        self.shift: Float | None = None
        self.dense: TileSums | PieceSums | None = None
        self.takes_rows = compiled and sparse and (columns is None or not len(columns))
        if not few and not sparse:
            sums = TileSums if compiled else PieceSums
            self.dense = sums(n_features, self.dtype, self.gram, self.columns)

    def tell_one_hot(self) -> None:
        """Say that each row has one of the targets, and no other."""
        if isinstance(self.dense, TileSums):
            self.dense.one_hot = True

    def add(self, tile: Matrix | SparseRows, z: Float, root: Float | None) -> None:
        """Add one tile; ``root`` are the square roots of its weights."""
        ones = np.ones(len(z)) if root is None else root
        square = ones if root is None else np.square(root)
        weight = float(np.add.reduce(square))
        if not weight:
            return
        z_shift = square @ z / weight
        right = np.empty((1 + z.shape[1], len(z))).T  # rows first in memory: there are few columns
        right[:, 0] = ones
        np.subtract(z, z_shift, out=right[:, 1:])
        if root is not None:
            right[:, 1:] *= root[:, None]
        if isinstance(tile, SparseRows):
            self._add_rows(tile, np.ascontiguousarray(right), weight, z_shift)
            return
        scaled: Matrix
        shift = self._shift(tile, root, weight)
        if is_sparse(tile):
            scaled = scale_rows(shift_stored(tile, shift), ones)
            squares, sums = column_squares(scaled), scaled.T @ right
            self._add_gram(scaled)
        elif self.dense is not None:
            sums, squares = self.dense.add(tile, shift, root, right)
        else:
            scaled = np.array(tile, dtype=np.float64)
            scaled -= shift
            scaled *= ones[:, None]
            squares, sums = np.einsum("ij,ij->j", scaled, scaled), (right.T @ scaled).T
        m2 = squares - np.square(sums[:, 0]) / weight
        least = SPARSE_NOISE * squares if is_sparse(tile) else 0.0
        m2 = np.where(m2 <= least, 0.0, m2)  # what overflowed stays NaN, and is refused later
        first, products = sums[:, 0], sums[:, 1:]
        z_first = right[:, 0] @ right[:, 1:]
        cross = products - first[:, None] * (z_first / weight)
        apart, factor = self._join(shift + first / weight, m2, cross, right, weight, z_shift)
        if self.keeps:
            self._keep(scaled - np.outer(ones, first / weight), np.sqrt(factor) * apart)
        elif self.gram is not None:
            # Rank-one corrections wait for the end of the block: one product instead of many.
            self.vectors += [first, apart]
            self.factors += [-1.0 / weight, factor]

    def _add_rows(self, tile: SparseRows, right: Float, weight: float, z_shift: Float) -> None:
        shift = tile.shift(right[:, 0], weight)
        if self.gram is not None:
            tile.add_gram(shift, right, self.gram)  # the lower triangle waits for the end
        mean, m2, cross = tile.centred(shift, right, weight, SPARSE_NOISE)
        apart, factor = self._join(mean, m2, cross, right, weight, z_shift)
        if self.gram is not None:
            away = mean - shift if shift.size else mean
            self.vectors += [weight * away, apart]
            self.factors += [-1.0 / weight, factor]

    def _shift(self, tile: Matrix, root: Float | None, weight: float) -> Float:
        """Return a point inside each column: the mean of the tile before, or of this one.

        Rows without weight have no say: a column that only they vary is constant.  Sparse columns
        are shifted where every row of the tile is stored, elsewhere zero lies inside them.
        """
        ones = np.ones(tile.shape[0]) if root is None else root
        if is_sparse(tile):
            whole = np.bincount(tile.indices, minlength=tile.shape[1]) == tile.shape[0]
            if not whole.any():
                return np.zeros(tile.shape[1])
            return np.where(whole, (tile.T @ np.square(ones)) / weight, 0.0)
        if self.shift is not None:
            return self.shift
        return inner_point(tile, root)

    def _join(
        self, mean: Float, m2: Float, cross: Float, right: Float, weight: float, z_shift: Float
    ) -> tuple[Float, float]:
        """Join the moments of a tile, about its own means, to those before.

        Returns the distance of the means and the weight that its outer product has in the join.
        """
        z_first = right[:, 0] @ right[:, 1:]
        tile = Moments(
            weight,
            int(np.count_nonzero(right[:, 0])),
            mean,
            m2,
            z_shift + z_first / weight,
            np.maximum(np.square(right[:, 1:]).sum(axis=0) - np.square(z_first) / weight, 0.0),
            cross,
        )
        before = self.plain
        self.plain = before + tile if before.weight else tile
        self.shift = mean
        return mean - before.mean, before.weight * weight / (before.weight + weight)

    def _add_gram(self, scaled: Matrix) -> None:
        if self.gram is None:
            return
        right = scaled if self.columns is None else scaled[:, self.columns]
        self.gram += to_dense(scaled.T @ right)

    def _keep(self, centred: Float, apart: Float) -> None:
        """Keep the rows of a tile, about its own mean, and what the distance of the means adds."""
        rows = FewRows((centred.astype(self.dtype, copy=False),))
        self.few = rows if self.few is None else (self.few + rows).with_row(apart)

    def result(self) -> Moments:
        if self.dense is not None:
            self.dense.finish()
        if self.takes_rows and self.gram is not None:
            mirror(self.gram)
        gram: Float | FewRows | None = self.gram if self.few is None else self.few
        if self.keeps and gram is None:
            gram = np.zeros((len(self.plain.mean), len(self.plain.mean)))
        if isinstance(gram, np.ndarray) and self.vectors:
            add_outer(gram, np.array(self.vectors).T, np.array(self.factors), self.columns)
        p = self.plain
        return Moments(
            *(p.weight, p.n_rows, p.mean, p.m2, p.target_mean, p.target_m2, p.cross),
            gram,
            self.columns,
        )


def shift_stored(X: Matrix, shift: Float) -> Matrix:
    """Return sparse X less ``shift`` where it is stored; all of it where shift is not zero."""
    return with_data(X, X.data - shift[X.indices]) if shift.any() else X


def column_squares(X: Matrix) -> Float:
    """Return the sums of squares of the columns of sparse X."""
    squares = np.bincount(X.indices, np.square(X.data), minlength=X.shape[1])
    return squares.astype(np.float64, copy=False)
