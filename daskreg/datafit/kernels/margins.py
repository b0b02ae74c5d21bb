"""The sums of a logistic loss that need no X, of many rows at a time, in memory that is used again.

The same sums as those of ``add_pointwise``, for arrays of the host: a call for each tile and
function would take as long as the products with X, and fresh memory for each result longer than to
compute it.
"""

from __future__ import annotations

import math

import numpy as np

from daskreg._typing import Float
from daskreg.compiled.sums import ENTROPY_SCALES
from daskreg.design.partials import Sums

from .tiles import RowData, tile_borders

#: Predictors that are looked at together: seven arrays of as many numbers stay in the second-level
#: cache.
RUN_NUMBERS = 2**14


class MarginRuns:
    """Residuals of tiles that come in their order, and the sums of whole runs of them.

    Parameters
    ----------
    sums : Sums
        Those of ``empty_sums``; changed in place, once the last row of a run has come.
    rows : RowData
        Of a block, with labels 0 and 1.
    n_columns : int
        Columns of coefficients, C.
    """

    def __init__(self, sums: Sums, rows: RowData, n_columns: int) -> None:
        self.sums = sums
        self.rows = rows
        self.n_columns = n_columns
        self._start, self._stop = 0, 0
        self._kept = np.empty((2, n_columns, 0))
        self._room = np.empty((5, 0, 0))

    def residual(self, start: int, stop: int, eta: Float) -> Float:
        """Return the weighted residuals of rows ``start : stop`` from their predictors, (rows, C).

        In memory they are (C, rows), as in what runs over them.
        """
        if start == self._stop:
            self._open(start, stop - start)
        own = slice(start - self._start, stop - self._start)
        side, (margin, residual) = self._side[:, own], self._kept[:, :, own]
        np.multiply(side, eta.T, out=margin)
        np.negative(margin, out=margin)
        # (1 - 2 y) / (1 + exp(margin)): what overflows divides to zero.
        np.exp(margin, out=residual)
        residual += 1.0
        np.divide(side, residual, out=residual)
        weighted = residual if self._weight is None else residual * self._weight[:, own]
        if stop == self._stop:
            self._add_run()
        return weighted.T

    def _open(self, start: int, tile: int) -> None:
        """Begin a run of whole tiles."""
        length = tile * max(1, RUN_NUMBERS // (tile * self.n_columns))
        self._start, self._stop = start, min(start + length, len(self.rows.y))
        length = self._stop - start
        if length != self._kept.shape[2]:
            together = min(self.n_columns, max(1, RUN_NUMBERS // length))
            self._kept = np.empty((2, self.n_columns, length))
            self._room = np.empty((5, together, length))
        run = self.rows.tile(start, self._stop)
        self._side = 1.0 - 2.0 * run.y.T
        self._weight = None if run.weight is None else np.ascontiguousarray(run.weight.T)
        self._offset = None if run.offset is None else run.offset.T

    def _add_run(self) -> None:
        margin, residual = self._kept
        for first, last in tile_borders(self.n_columns, self._room.shape[1]):
            own = slice(first, last)
            several = self._weight is not None and len(self._weight) > 1
            weight = self._weight[own] if several and self._weight is not None else self._weight
            _add_columns(self.sums, own, margin[own], residual[own], weight, self._room)
        if self._offset is not None:
            self._add_offsets(self._offset, residual)

    def _add_offsets(self, offset: Float, residual: Float) -> None:
        y = 0.5 * (1.0 - self._side)
        self.sums["offset"] += _sums(offset, self._weight)
        self.sums["offset_y"] += _sums(offset * y, self._weight)
        self.sums["offset_residual"] += _sums(offset * residual, self._weight)


def _add_columns(
    sums: Sums, own: slice, margin: Float, residual: Float, weight: Float | None, room: Float
) -> None:
    """Add the sums of some columns, (c, rows), of which ``margin`` is (2 y - 1) eta."""
    far, soft, rare, one, other = room[:, : len(margin)]
    np.abs(margin, out=far)
    np.exp(np.negative(far, out=one), out=one)
    # Of the less likely label the probability is `rare`; the other one's logarithm is -soft.
    np.divide(one, np.add(one, 1.0, out=rare), out=rare)
    np.log1p(one, out=soft)
    above = np.subtract(far, margin, out=one)
    above *= 0.5
    sums["value"][own] += _sums(above, weight) + _sums(soft, weight)
    usual = np.subtract(1.0, rare, out=other)
    if weight is not None:
        rare *= weight
    sums["curvature"][own] += np.vecdot(rare, usual)
    sums["entropy"][-1, own] += _sums(soft, weight) + np.vecdot(rare, far)
    less = np.add(margin, above, out=other)
    less += soft
    sums["residual"][own] += _sums(residual, weight)
    miss = np.abs(residual, out=one)
    counted = miss if weight is None else np.multiply(miss, weight, out=rare)
    known, missed = _sums(counted, None), np.vecdot(counted, less)
    for number, scale in enumerate(ENTROPY_SCALES[:-1]):
        rest = np.multiply(miss, -scale, out=other)
        rest += 1.0
        logs = np.log(rest, out=far)
        if weight is not None:
            rest *= weight
        entropy = scale * (missed - math.log(scale) * known) - np.vecdot(rest, logs)
        sums["entropy"][number, own] += entropy


def _sums(values: Float, weight: Float | None) -> Float:
    """Return the weighted sums of the last axis; a row's bits do not depend on the others."""
    if weight is None:
        return np.asarray(np.add.reduce(values, axis=-1))
    return np.asarray(np.vecdot(values, weight))
