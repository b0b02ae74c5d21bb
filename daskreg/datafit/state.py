"""From solver coordinates to what a gradient pass sends to every shard."""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Float

from .first import FirstPass

#: Columns are shifted in cache when a mean exceeds this many standard deviations: below it the
#: digits lost are few, and a tile that needs no cast is used where it lies.
FAR = {"float32": 16.0, "float64": 1e5}


def pass_state(
    first: FirstPass, coef: Float, intercept: Float, target: AnyArray, dtype: Any, sparse: bool
) -> dict[str, AnyArray]:
    """Return original coefficients, intercepts about the shift and, where needed, the shift.

    Parameters
    ----------
    first : FirstPass
    coef : ndarray, shape (p, 1, C)
    intercept : ndarray, shape (1, C)
    target : ndarray of int, shape (C,)
    dtype : numpy.dtype
        Type of the products.
    sparse : bool
        Sparse blocks are never shifted.
    """
    B = coef[:, 0] * first.inverse_scale[:, None]
    with np.errstate(over="ignore"):
        B = B.astype(dtype).astype(np.float64)
    shift = None if sparse else column_shift(first, np.dtype(dtype))
    moved = first.center - (0.0 if shift is None else shift)
    with np.errstate(invalid="ignore"):
        start = intercept[0] - moved @ B
    state: dict[str, AnyArray] = {"coef": B, "intercept": start, "target": target}
    return state if shift is None else {**state, "shift": shift}


def column_shift(first: FirstPass, dtype: np.dtype[Any]) -> AnyArray | None:
    """Return the column means where some column lies so far out that products lose digits."""
    far = np.abs(first.mean) > FAR[dtype.name] * first.sd
    if not np.any(far & (first.inverse_scale > 0.0) & (first.sd > 0.0)):
        return None
    return first.mean.astype(dtype)
