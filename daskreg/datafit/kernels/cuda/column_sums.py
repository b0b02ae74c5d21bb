"""Sums over the stored numbers of each column of compressed sparse rows, for their moments."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._array import beside, concatenated, stable_order
from daskreg._typing import AnyArray, Float
from daskreg.datafit.kernels.one_hot import OneHot
from daskreg.datafit.kernels.tiles import tile_borders
from daskreg.design.device import Csr, DeviceBlock
from daskreg.losses import Squared

from .launch import GROUP, by_column, column_pieces, join_pieces, warps
from .program import Program
from .sparse import row_numbers, run_sums
from .tiles import dtype_of


def column_sums(
    block: DeviceBlock, chosen: AnyArray | None, weight: Float, z: Float | OneHot, z_mean: Float
) -> tuple[Any, Any, Any]:
    """Return a shift of the columns and sums about it, all on the card: nothing waits for it.

    Columns that every row stores are shifted to their first number, so that a large mean costs no
    digits; zero lies inside of others.

    Parameters
    ----------
    block : DeviceBlock
        Sparse.
    chosen : ndarray of int, or None
        Numbers of the rows that count; None: all.
    weight : ndarray
        Of these rows.
    z : ndarray or OneHot, shape (len(weight), q)
    z_mean : ndarray, shape (q,)

    Returns
    -------
    shift : device array, shape (p,)
    first : device array, shape (p, 1 + q)
        Sums of ``w (x - shift)`` and of ``w (x - shift) (z - z_mean)``.
    squares : device array, shape (p,)
        Sums of ``w (x - shift)^2``.
    """
    xp: Any = block.xp
    sums_of = _compiled if hasattr(xp, "RawModule") else _by_functions
    groups = tile_borders(z.shape[1], GROUP - 2) if z.shape[1] else [(0, 0)]
    found = []
    for start, stop in groups:
        right = np.zeros((block.n_rows, 1 + stop - start))
        right[slice(None) if chosen is None else chosen] = _weighted(z, z_mean, weight, start, stop)
        shift, sums = sums_of(block, block.send_beside(right))
        found.append(sums)
    parts = [sums[:, 1:-1] if number else sums[:, :-1] for number, sums in enumerate(found)]
    return shift, concatenated(parts, axis=1), found[0][:, -1]


def _weighted(z: Float | OneHot, z_mean: Float, weight: Float, start: int, stop: int) -> Float:
    """Return the weights, and some centred targets times them, (m, 1 + stop - start)."""
    if isinstance(z, OneHot):
        own = np.equal(z.codes[:, None], np.arange(start, stop))
    else:
        own = z[:, start:stop]
    return np.column_stack([weight, weight[:, None] * (own - z_mean[start:stop])])


def _compiled(block: DeviceBlock, right: Any) -> tuple[Any, Any]:
    """Return the shift, and sums of products with ``right`` and of squares, (p, 2 + q)."""
    xp, X = block.xp, block.X
    assert isinstance(X, Csr)
    indices = dtype_of(X.indices).name, dtype_of(X.indptr).name
    program = Program(Squared(), dtype_of(X).name, "float64", indices=indices)
    values, rows, pointers, pieces = by_column(block)
    shift = _shift(xp, values, pointers, block.n_rows)
    n_columns = int(right.shape[1])
    lanes = np.int32(1 << n_columns.bit_length())  # as many as sums, or more
    n_pieces = column_pieces(X)
    partial = xp.empty((n_pieces, n_columns + 1), dtype=xp.float64)
    stored = values, rows, pointers, pieces, np.int64(block.n_features), shift
    warps(program, xp, "csc_moments", n_pieces, *stored, right, np.int64(n_columns), lanes, partial)
    return shift, join_pieces(program, block, partial, pieces)


def _by_functions(block: DeviceBlock, right: Any) -> tuple[Any, Any]:
    """The same by array functions of any library, whose running sums cost some digits."""
    xp, X = block.xp, block.X
    assert isinstance(X, Csr)
    order = stable_order(X.indices)
    columns = xp.take(X.indices, order)
    edges = beside(columns, np.arange(X.shape[1] + 1, dtype=dtype_of(columns)))
    pointers = xp.searchsorted(columns, edges)
    values = xp.take(xp.astype(X.data, xp.float64), order)
    shift = _shift(xp, values, pointers, block.n_rows)
    d = (values - xp.take(shift, columns))[:, None]
    own = xp.take(right, xp.take(row_numbers(xp, X), order), axis=0)
    products = concatenated([d * own, d * d * own[:, :1]], axis=1)
    return shift, run_sums(xp, products, pointers)


def _shift(xp: Any, values: Any, pointers: Any, n_rows: int) -> Any:
    """Return the first number of columns that every row stores, (p,), zero elsewhere."""
    whole = pointers[1:] - pointers[:-1] == n_rows
    start = xp.where(whole, pointers[:-1], xp.zeros_like(pointers[:-1]))
    first = xp.astype(xp.take(values, start), xp.float64)
    return xp.where(whole, first, xp.zeros_like(first))
