"""Products in TF32, for whoever asks for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from daskreg._device import tf32_is_wanted

_lock = threading.Lock()
_inside = 0
_before: Any = None


@contextmanager
def rough_products(xp: Any, dtype: np.dtype[Any]) -> Iterator[None]:
    """Let float32 products of matrices run in TF32 while this lasts, where that was asked for.

    CuPy has one setting for the whole process: the first of several threads sets it, the last one
    puts it back.  Only products of passes are made in here; the Gram matrix is no product of
    ``matmul``, and so never rounded, whatever other threads do.

    Parameters
    ----------
    xp : module
    dtype : numpy.dtype
        Of the products.
    """
    if dtype != np.float32 or not hasattr(xp, "RawModule") or not tf32_is_wanted():
        yield
        return
    from cupy._core import _routines_linalg as products

    _enter(products)
    try:
        yield
    finally:
        _leave(products)


def _enter(products: Any) -> None:
    global _inside, _before
    with _lock:
        if not _inside:
            _before = products.get_compute_type(np.float32)
            products.set_compute_type(np.float32, products.COMPUTE_TYPE_TF32)
        _inside += 1


def _leave(products: Any) -> None:
    global _inside
    with _lock:
        _inside -= 1
        if not _inside:
            products.set_compute_type(np.float32, _before)
