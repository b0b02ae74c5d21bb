"""The first pass over dense blocks on a card: moments of columns, with or without Gram matrix."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from daskreg._array import beside
from daskreg._typing import AnyArray, Float
from daskreg.datafit.groups import ALL, Groups, Parts
from daskreg.datafit.kernels.tiles import numeric_target, tile_borders
from daskreg.datafit.moments import Moments
from daskreg.datafit.weightings import Weightings
from daskreg.design.device import DeviceBlock
from daskreg.exceptions import DataError

from .tiles import CARD_TILE_BYTES, widened

#: Rows whose mean is the shift of their columns.
FIRST_ROWS = 32
#: Rows whose products are added up in float32, at most.
FLUSH_ROWS = 4096


def device_groups(
    block: DeviceBlock, weightings: Weightings, gram_dtype: np.dtype[Any] | None
) -> Groups:
    """Return the moments of a regression's rows, and of each atom of the folds, on the card.

    Sums of weights and of targets are made on the host, where they lie.

    Parameters
    ----------
    block : DeviceBlock
        Dense.
    weightings : Weightings
        All rows alone, or by atoms.
    gram_dtype : numpy.dtype or None
        Of the products of a tile; None: no Gram matrix.
    """
    host = block.host
    if host.y is None:
        raise DataError("the data have no target: expected y, got None")
    z = numeric_target(host.y)
    if host.offset is not None:
        z = z - host.offset
    weight = np.ones(len(z)) if host.sample_weight is None else host.sample_weight
    if len(weightings) == 1:
        return Groups(np.empty(0), {(ALL, None): _moments(block, None, z, weight, gram_dtype)})
    codes = weightings.codes(host)
    assert codes is not None
    codes = codes % (weightings.n_atoms + 1)  # -1, in no atom, is the last one
    moments: Parts = {}
    for atom in np.unique(codes).tolist():
        inside = np.flatnonzero(codes == atom)
        chosen = None if len(inside) == len(codes) else inside
        moments[atom, None] = _moments(block, chosen, z[inside], weight[inside], gram_dtype)
    return Groups(np.empty(0), moments)


def _moments(
    block: DeviceBlock,
    chosen: AnyArray | None,
    z: Float,
    weight: Float,
    gram_dtype: np.dtype[Any] | None,
) -> Moments:
    """Return the moments of some rows, None: all, with targets z and weights of their own.

    Columns are shifted to a point inside them, products are summed about it, and moved to the
    mean at the end.
    """
    total, p, q = float(weight.sum()), block.n_features, z.shape[1]
    xp: Any = block.xp
    send = block.send_beside
    z_mean = weight @ z / total if total else np.zeros(q)
    moved = z - z_mean
    root = np.sqrt(weight)
    right = np.concatenate([root[:, None], root[:, None] * moved], axis=1)
    z_m2 = np.square(right[:, 1:]).sum(axis=0)
    rows = np.flatnonzero(weight) if chosen is None else chosen[np.flatnonzero(weight)]
    counts = total, len(rows)
    if not len(rows):
        zeros = Moments(*counts, np.zeros(p), np.zeros(p), z_mean, z_m2, np.zeros((p, q)))
        gram = None if gram_dtype is None else np.zeros((p, p))
        return replace(zeros, gram=gram).mapped(lambda one: one if one is None else send(one))
    shift = _inner_point(xp, xp.take(block.X, send(rows[:FIRST_ROWS]), axis=0))
    first, squares, gram = _sums(block, chosen, shift, right, gram_dtype)
    apart = first[:, 0] / total
    m2 = squares - apart * first[:, 0]
    m2 = xp.where(m2 <= 0.0, 0.0, m2)  # what overflowed stays NaN, and is refused later
    if gram is not None:
        gram = gram - apart[:, None] * first[:, 0][None, :]
    # Targets are centred: there is nothing to take from their products.
    return Moments(*counts, shift + apart, m2, send(z_mean), send(z_m2), first[:, 1:], gram)


def _sums(
    block: DeviceBlock,
    chosen: AnyArray | None,
    shift: Any,
    right: Float,
    gram_dtype: np.dtype[Any] | None,
) -> tuple[Any, Any, Any]:
    """Return the sums of ``d = root (x - shift)`` with ``right``, (p, 1 + q), of d d, and d d'."""
    xp: Any = block.xp
    float64 = np.dtype(np.float64)
    targets = block.send_beside(right)
    index = None if chosen is None else block.send_beside(chosen)
    first, squares, gram = None, None, None
    # In float64, squared, and once more in the type of the products.
    n_rows = max(CARD_TILE_BYTES // (20 * block.n_features), 16)
    n_rows = n_rows // FLUSH_ROWS * FLUSH_ROWS or n_rows
    X: Any = block.X
    for start, stop in tile_borders(len(right), n_rows):
        tile = X[start:stop, :] if index is None else xp.take(X, index[start:stop], axis=0)
        own = targets[start:stop, :]
        d = widened(xp, tile, float64, shift)
        d *= own[:, :1]  # less the shift it is a copy
        first = _plus(first, xp.matmul(xp.matrix_transpose(d), own))
        squares = _plus(squares, xp.sum(d * d, axis=0))
        if gram_dtype is not None:
            gram = _add_gram(xp, gram, d, gram_dtype)
        del tile, d  # before the next ones are made
    return first, squares, None if gram is None else _whole(xp, gram)


def _add_gram(xp: Any, gram: Any, d: Any, dtype: np.dtype[Any]) -> Any:
    """Return one triangle of a Gram matrix in float64, with that of a tile added."""
    if dtype == np.float64:
        return _plus(gram, _gram(xp, d))
    d = xp.astype(d, getattr(xp, dtype.name))
    for start, stop in tile_borders(d.shape[0], FLUSH_ROWS):
        gram = _plus(gram, xp.astype(_gram(xp, d[start:stop, :]), xp.float64))
    return gram


def _plus(total: Any, part: Any) -> Any:
    return part if total is None else total + part


def _gram(xp: Any, d: Any) -> Any:
    """Return one triangle of ``d' d``, in full precision whatever is set; the other is zero."""
    if xp.__name__ != "cupy":
        return xp.triu(xp.matmul(xp.matrix_transpose(d), d))
    from cupy import cublas

    # Unlike products by matmul, this one never rounds to TF32.  In rows first order d is no copy.
    return cublas.syrk("T", d, out=xp.zeros((d.shape[1], d.shape[1]), dtype=d.dtype))


def _whole(xp: Any, gram: Any) -> Any:
    """Fill the triangle that is zero, whichever it is."""
    return xp.where(beside(gram, np.eye(gram.shape[0], dtype=bool)), gram, gram + gram.T)


def _inner_point(xp: Any, rows: Any) -> Any:
    """Return a point inside each column, (p,): a constant one's own number, to the last bit."""
    rows = xp.astype(rows, xp.float64)
    low, high = xp.min(rows, axis=0), xp.max(rows, axis=0)
    return xp.where(low == high, low, xp.mean(rows, axis=0))
