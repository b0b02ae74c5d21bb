"""Rows kept in memory, from which a solver learns how bent the objective is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from daskreg._array import as_type, is_sparse, scale_rows, take_rows, to_dense, with_data
from daskreg._typing import AnyArray, Float
from daskreg.compiled import add_sparse_hessian

from .kernels.sample import Picked, Pieces

#: Bytes of a tile of rows in float64.
TILE_BYTES = 2**22
#: Multiplications of a Gram matrix from which float32 is worth its rounding.
COARSE = 1e8


@dataclass(frozen=True, eq=False)
class RowSample:
    """Picked rows, the same for all problems.

    Attributes
    ----------
    rows : Picked
        X in its storage type (in pieces, that only ``View.columns`` takes, if that was asked
        for), y encoded as the loss wants it, weights (the reciprocal of the
        probability of being picked included), offset, row numbers, groups, multiplicities in each
        weighting (class weights included).
    loss : PointwiseLoss
    fit_intercept : bool
    compiled : bool
        Run compiled loops over sparse rows.
    whole : bool
        No row is left out.
    """

    rows: Picked
    loss: Any
    fit_intercept: bool
    compiled: bool = False
    whole: bool = False

    @property
    def n_rows(self) -> int:
        return len(self.rows.rows)

    @property
    def nbytes(self) -> int:
        return self.rows.nbytes

    def view(
        self,
        center: Float,
        inverse_scale: Float,
        output: int = 0,
        weighting: int = 0,
    ) -> View:
        """Return the sample as one problem sees it.

        Parameters
        ----------
        center, inverse_scale : ndarray, shape (p,)
            The problem's columns are ``(X - center) * inverse_scale``.
        output : int
            Target column, where the loss has one output.
        weighting : int
            Column of the multiplicities; where there are none all rows count once.
        """
        weight = self.rows.weight
        if self.rows.factors is not None:
            weight = weight * self.rows.factors[:, weighting]
        total = float(weight.sum())
        if total > 0.0:
            weight = weight / total
        return View(self, np.asarray(center), np.asarray(inverse_scale), weight, output)


@dataclass(frozen=True, eq=False)
class View:
    """A sample in the solver coordinates of one problem.

    Attributes
    ----------
    weight : ndarray, shape (n_rows,)
        Sums to one, unless no row of the sample counts.
    """

    sample: RowSample
    center: Float
    inverse_scale: Float
    weight: Float
    output: int

    @property
    def fit_intercept(self) -> bool:
        return self.sample.fit_intercept

    @property
    def whole(self) -> bool:
        return self.sample.whole

    def columns(self, chosen: AnyArray | slice) -> Float:
        """Return some columns, centred and scaled, (n_rows, n_chosen) in float64."""
        X = self.sample.rows.X
        picked = X.columns(chosen) if isinstance(X, Pieces) else to_dense(X[:, chosen])
        Z = picked.astype(np.float64)
        Z -= self.center[chosen]
        Z *= self.inverse_scale[chosen]
        return Z

    def gram(self, chosen: AnyArray, bend: Float) -> Float:
        """Return ``sum_i bend_i z_i z_i'`` of some columns, (n_chosen, n_chosen).

        ``bend``, (n_rows,), is not negative.  Many multiplications are made in float32, row tile
        by row tile: what is left of them in float64 is good to about 1e-6 of the diagonal.
        """
        X, center, scale = self.sample.rows.X, self.center[chosen], self.inverse_scale[chosen]
        if is_sparse(X):
            total, mean = self._sparse_gram(chosen, bend)
            total -= np.outer(center, mean)
            total += np.outer(bend.sum() * center - mean, center)
            return np.asarray(total * scale * scale[:, None])
        coarse = len(bend) * len(chosen) ** 2 > COARSE
        total = np.zeros((len(chosen), len(chosen)))
        step = max(64, TILE_BYTES // max(8 * len(chosen), 1))
        for start in range(0, len(bend), step):
            rows = slice(start, start + step)
            tile = (X[rows][:, chosen] - center) * (scale * np.sqrt(bend[rows])[:, None])
            tile = tile.astype(np.float32) if coarse else tile
            total += tile.T @ tile
        return total

    def _sparse_gram(self, chosen: AnyArray, bend: Float) -> tuple[Float, Float]:
        """Return ``sum_i bend_i x_i x_i'`` and ``sum_i bend_i x_i`` of columns as they are."""
        X, m = self.sample.rows.X, len(chosen)
        if not self.sample.compiled:
            S = as_type(X[:, chosen], np.dtype(np.float64))
            return (S.T @ scale_rows(S, bend)).toarray(), S.T @ bend
        place = np.full(X.shape[1], -1, dtype=np.int32)
        place[chosen] = np.arange(m)
        room = np.empty(m + 1, dtype=np.intp), np.empty(m + 1)
        whole = np.zeros((m + 1, m + 1))
        bend = np.ascontiguousarray(bend)
        add_sparse_hessian(X.data, X.indices, X.indptr, 0, place, bend, *room, whole)
        return np.triu(whole, 1)[:m, :m].T + np.triu(whole)[:m, :m], whole[:m, m]

    def product(self, coef: Float) -> Float:
        """Return ``Z @ coef``, (n_rows, m), for coef of shape (p, m)."""
        B = self.inverse_scale[:, None] * coef
        total = np.empty((self.sample.n_rows, B.shape[1]))
        for start, stop, tile in self._tiles():
            total[start:stop] = tile @ B
        return total - self.center @ B

    def pullback(self, turned: Float) -> Float:
        """Return ``Z.T @ turned``, (p, m), for an array of shape (n_rows, m)."""
        total = np.zeros((len(self.center), turned.shape[1]))
        for start, stop, tile in self._tiles():
            total += tile.T @ turned[start:stop]
        total -= self.center[:, None] * turned.sum(axis=0)
        return np.asarray(self.inverse_scale[:, None] * total)

    def squares(self, bend: Float) -> Float:
        """Return ``sum_i bend_im z_ij^2``, (p, m), for an array of shape (n_rows, m)."""
        total = np.zeros((len(self.center), bend.shape[1]))
        for start, stop, tile in self._tiles():
            part = bend[start:stop]
            if is_sparse(tile):
                square = with_data(tile, np.square(tile.data))
                total += square.T @ part - 2.0 * self.center[:, None] * (tile.T @ part)
                total += np.outer(self.center**2, part.sum(axis=0))
            else:
                total += np.square(tile - self.center).T @ part
        return np.asarray(np.square(self.inverse_scale)[:, None] * np.maximum(total, 0.0))

    def hessian(self, coef: Float, intercept: Float) -> Float:
        """Return the Hessian of the loss by eta in every row: (n_rows,), or (n_rows, q, q).

        Parameters
        ----------
        coef : ndarray, shape (p, q)
        intercept : ndarray, shape (q,)
        """
        loss = self.sample.loss
        y, eta = self._at(coef, intercept)
        if len(intercept) > 1:
            return np.asarray(loss.hessian(y, eta))
        return np.asarray(loss.curvature(y, eta))[:, 0]

    def value_and_grad(self, coef: Float, intercept: Float) -> tuple[float, Float, Float]:
        """Return the weighted mean loss of the sample and its gradient: (), (p, q) and (q,).

        Zeros for the intercepts where none are fitted; arguments are those of ``hessian``.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            value, residual = self.sample.loss.value_and_gradient(*self._at(coef, intercept))
            total = float(self.weight @ value.reshape(len(self.weight), -1)[:, 0])
            residual = self.weight[:, None] * residual
            return total, self.pullback(residual), residual.sum(axis=0) * self.fit_intercept

    def _at(self, coef: Float, intercept: Float) -> tuple[AnyArray, Float]:
        """Return targets and linear predictors."""
        rows, single = self.sample.rows, len(intercept) == 1
        own = slice(self.output, self.output + 1)
        eta = self.product(coef) + intercept
        if rows.offset is not None:
            many = single and rows.offset.shape[1] > 1
            eta = eta + (rows.offset[:, own] if many else rows.offset)
        assert rows.y is not None
        return (rows.y[:, own] if single else rows.y), eta

    def _tiles(self) -> Any:
        """Yield (start, stop, rows of X in float64)."""
        X, n_rows = self.sample.rows.X, self.sample.n_rows
        step = n_rows if is_sparse(X) else max(64, TILE_BYTES // (8 * X.shape[1]))
        if step >= n_rows:
            yield 0, n_rows, as_type(X, np.dtype(np.float64))
            return
        for start in range(0, n_rows, step):
            tile = take_rows(X, start, start + step)
            yield start, min(start + step, n_rows), as_type(tile, np.dtype(np.float64))
