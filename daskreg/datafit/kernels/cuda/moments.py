"""The first pass over blocks on a card: moments of columns, of dense ones with a Gram matrix."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from daskreg._array import beside
from daskreg._typing import AnyArray, Float
from daskreg.datafit.kernels.one_hot import OneHot
from daskreg.datafit.kernels.tiles import tile_borders
from daskreg.datafit.label_sums import SPARSE_NOISE
from daskreg.datafit.moments import Moments
from daskreg.design.device import Csr, DeviceBlock

from .column_sums import column_sums
from .tiles import CARD_TILE_BYTES, widened

#: Rows whose mean is the shift of their columns.
FIRST_ROWS = 32
#: Rows whose products are added up in float32, at most.
FLUSH_ROWS = 4096


def device_moments(
    block: DeviceBlock,
    chosen: AnyArray | None,
    z: Float | OneHot,
    weight: Float | None,
    gram_dtype: np.dtype[Any] | None,
) -> Moments:
    """Return the moments of some rows on the card; nothing waits for it.

    Sums of weights and of targets are made on the host, where they lie.  Columns are shifted to a
    point inside them, products are summed about it, and moved to the mean at the end.

    Parameters
    ----------
    block : DeviceBlock
    chosen : ndarray of int, or None
        Numbers of the rows; None: all.
    z : ndarray or OneHot, shape (n_rows, n_targets)
    weight : ndarray, shape (n_rows,), or None
    gram_dtype : numpy.dtype or None
        Of the products of a tile; None: no Gram matrix, as always of sparse rows.
    """
    if chosen is not None:
        z, weight = z[chosen], None if weight is None else weight[chosen]
    weight = np.ones(len(z)) if weight is None else weight
    total, p, q = float(weight.sum()), block.n_features, z.shape[1]
    xp: Any = block.xp
    send = block.send_beside
    z_mean, z_m2 = _targets(z, weight, total)
    rows = np.flatnonzero(weight) if chosen is None else chosen[np.flatnonzero(weight)]
    counts = total, len(rows)
    if not len(rows) or (isinstance(block.X, Csr) and not block.X.data.shape[0]):
        zeros = Moments(*counts, np.zeros(p), np.zeros(p), z_mean, z_m2, np.zeros((p, q)))
        gram = None if gram_dtype is None else np.zeros((p, p))
        return replace(zeros, gram=gram).mapped(lambda one: one if one is None else send(one))
    if isinstance(block.X, Csr):
        assert gram_dtype is None, "processors make Gram matrices of sparse rows"
        shift, first, squares = column_sums(block, chosen, weight, z, z_mean)
        gram, noise = None, SPARSE_NOISE
    else:
        shift = _inner_point(xp, xp.take(block.X, send(rows[:FIRST_ROWS]), axis=0))
        sums = _sums(block, chosen, shift, (np.sqrt(weight), z, z_mean), gram_dtype)
        (first, squares, gram), noise = sums, 0.0
    apart = first[:, 0] / total
    m2 = squares - apart * first[:, 0]
    m2 = xp.where(m2 <= noise * squares, 0.0, m2)  # what overflowed is NaN, and refused later
    if gram is not None:
        gram = gram - apart[:, None] * first[:, 0][None, :]
    # Targets are centred: there is nothing to take from their products.
    return Moments(*counts, shift + apart, m2, send(z_mean), send(z_m2), first[:, 1:], gram)


def _targets(z: Float | OneHot, weight: Float, total: float) -> tuple[Float, Float]:
    """Return the mean of each target, and its squares about that."""
    if not total:
        return np.zeros(z.shape[1]), np.zeros(z.shape[1])
    if isinstance(z, OneHot):
        mean = np.bincount(z.codes, weight, z.n_labels) / total
        return mean, total * mean * (1.0 - mean)
    mean = weight @ z / total
    return mean, weight @ np.square(z - mean)


def _sums(
    block: DeviceBlock,
    chosen: AnyArray | None,
    shift: Any,
    beside: tuple[Float, Float | OneHot, Float],
    gram_dtype: np.dtype[Any] | None,
) -> tuple[Any, Any, Any]:
    """Return sums of ``d = root (x - shift)`` with root and with centred targets, (p, 1 + q), of
    d d, and d d'; ``beside`` are the roots of the weights, the targets and their means."""
    xp: Any = block.xp
    float64 = np.dtype(np.float64)
    root, z, z_mean = beside
    index = None if chosen is None else block.send_beside(chosen)
    first, squares, gram = None, None, None
    # In float64, squared, and once more in the type of the products; or the targets of many labels,
    # some four times on the host.
    width = max(20 * block.n_features, 32 * (1 + z.shape[1]))
    n_rows = max(CARD_TILE_BYTES // width, 16)
    n_rows = n_rows // FLUSH_ROWS * FLUSH_ROWS or n_rows
    X: Any = block.X
    for start, stop in tile_borders(len(root), n_rows):
        tile = X[start:stop, :] if index is None else xp.take(X, index[start:stop], axis=0)
        part = root[start:stop, None]
        own = np.concatenate([part, part * (z[start:stop] - z_mean)], axis=1)
        own = block.send_beside(own)
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
