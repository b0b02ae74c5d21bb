"""Blocks on a stand-in card."""

from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from daskreg.design.blocks import Block
from daskreg.design.device import Csr, DeviceBlock, Kept


def device_block(kind, block, keeps=True):
    """Return a block on the device of ``kind``; every array there is one of its."""
    X = block.X
    if sp.issparse(X):
        on_device = Csr(*map(kind.put, (X.data, X.indices, X.indptr)), X.shape)
    else:
        on_device = kind.put(X)
    kept = Kept((lambda nbytes: True) if keeps else None)
    return DeviceBlock(block, on_device, kept, kind.xp, kind.put, kind.fetch)


def blocks(X, y, weight=None, offset=None, borders=(), groups=None):
    """Return the blocks of some data between row numbers."""
    edges = [0, *borders, X.shape[0]]
    return [
        Block(
            X[a:b] if not sp.issparse(X) else X[a:b].tocsr(),
            y[a:b],
            None if weight is None else weight[a:b],
            None if offset is None else offset[a:b],
            a,
            number,
            None if groups is None else groups[a:b],
        )
        for number, (a, b) in enumerate(pairwise(edges))
    ]


def close(found, expected, rtol):
    """Check sums by name, each against its own size."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == np.float64, name
        assert found[name].shape == value.shape, name
        size = np.abs(value).max(initial=0.0) + 1e-300
        np.testing.assert_allclose(found[name], value, rtol=0, atol=rtol * size, err_msg=name)
