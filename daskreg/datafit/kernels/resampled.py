"""Moments of the rows of a block under many weightings at once: a product instead of a loop."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._array import is_sparse, take_rows, with_data
from daskreg._typing import AnyArray, Float, Matrix
from daskreg.datafit.label_sums import SPARSE_NOISE
from daskreg.datafit.moments import MomentsBatch
from daskreg.datafit.weightings import ColumnWeights, Weightings
from daskreg.design.blocks import Block

from .tiles import tile_borders


def resampled_moments(
    block: Block, rows: Any, weightings: Weightings, tile_rows: int
) -> dict[Any, MomentsBatch]:
    """Return, by label, the moments of the rows under each weighting.

    Parameters
    ----------
    block : Block
    rows : object
        With ``groups`` (label and row numbers, None for all), ``z`` (n_rows, q), the targets less
        their offset, and ``weight`` (n_rows,) or None.
    weightings : Weightings
    tile_rows : int
        Rows looked at together.
    """
    columns = ColumnWeights(weightings, np.arange(len(weightings)), block)
    found: dict[Any, MomentsBatch] = {}
    for start, stop in tile_borders(block.n_rows, tile_rows):
        tile = take_rows(block.X, start, stop)
        counts = columns.rows(start, stop)
        if rows.weight is not None:
            counts = counts * rows.weight[start:stop, None]
        for label, chosen in rows.groups:
            own = counts if chosen is None else counts * _inside(chosen, start, stop)[:, None]
            if own.any():
                with np.errstate(over="ignore", invalid="ignore"):
                    batch = _tile_moments(tile, rows.z[start:stop], own)
                found[label] = found[label] + batch if label in found else batch
    return found


def _inside(chosen: AnyArray, start: int, stop: int) -> Float:
    """Return 1.0 for the rows ``start : stop`` that are among the chosen ones, in order."""
    mask = np.zeros(stop - start)
    first, last = np.searchsorted(chosen, [start, stop])
    mask[chosen[first:last] - start] = 1.0
    return mask


def _tile_moments(tile: Matrix, z: Float, counts: Float) -> MomentsBatch:
    """Return the moments of one tile, summed about its plain means."""
    weight = counts.sum(axis=0)
    share = np.divide(1.0, weight, out=np.zeros_like(weight), where=weight > 0.0)
    shift: Float | float = 0.0
    if is_sparse(tile):
        moved, squares = tile, with_data(tile, np.square(tile.data.astype(np.float64)))
    else:
        shift = tile.mean(axis=0, dtype=np.float64)
        moved = tile - shift
        squares = np.square(moved)
    z_shift = z.mean(axis=0)
    z_moved = z - z_shift
    first, z_first = moved.T @ counts, z_moved.T @ counts
    square, z_square = squares.T @ counts, np.square(z_moved).T @ counts
    n_targets = z.shape[1]
    cross = np.empty((tile.shape[1], n_targets, counts.shape[1]))
    for target in range(n_targets):
        cross[:, target] = moved.T @ (counts * z_moved[:, target : target + 1])
    return MomentsBatch(
        weight,
        np.count_nonzero(counts, axis=0),
        np.reshape(shift, (-1, 1)) + first * share,
        _centred(square, first, share),
        z_shift[:, None] + z_first * share,
        _centred(z_square, z_first, share),
        cross - first[:, None] * z_first * share,
    )


def _centred(square: Float, first: Float, share: Float) -> Float:
    """Return sums of squares about the means; what is rounding is zero."""
    m2 = square - np.square(first) * share
    return np.where(m2 <= SPARSE_NOISE * square, 0.0, m2)
