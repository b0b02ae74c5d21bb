"""From solver coordinates to what a gradient pass sends to every shard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from daskreg._array import name_of
from daskreg._pages import scaled
from daskreg._typing import AnyArray, Float

from .coordinates import Coordinates
from .first import FirstPass

#: Columns are shifted in cache when a mean exceeds this many standard deviations: below it the
#: digits lost are few, and a tile that needs no cast is used where it lies.
FAR = {"float32": 16.0, "float64": 1e5}

#: Rounding of float32 products in units of the last place of eta times the root mean square of
#: its derivative; the bound, the most sensitive, was seen to err by up to 30 of them.
UNITS = 64.0
#: Products in float32 must not hide more than this share of P(null).
ROUGH = 1e-4


def rounding(
    first: FirstPass, state: dict[str, AnyArray], null_value: Float, dtype: np.dtype[Any]
) -> Float:
    r"""Return what float32 products may hide of a duality gap, shape (C,); zeros for float64.

    The linear predictor is off by some units :math:`\epsilon` of :math:`\sum_j |b_j| rms(x_j)`,
    and a dual point that is scaled onto the constraint of the columns in use by
    :math:`\epsilon\, rms(x_j)\, rms(r)` each, which moves the bound by as much times
    :math:`|b_j|`: both are :math:`\epsilon\, rms(r) \sum_j |b_j| rms(x_j)`, with rms(r) taken
    from P(null), shape (C,).
    """
    if dtype == np.float64:
        return np.zeros(len(null_value))
    unit = unsure_of(first, state)
    with np.errstate(over="ignore", invalid="ignore"):
        size = (unit @ np.abs(state["coef"])).reshape(-1, len(null_value)).sum(axis=0)
        return np.asarray(size * np.sqrt(2.0 * null_value))


def unsure_of(first: FirstPass, state: Mapping[str, AnyArray]) -> Float:
    r"""Return what float32 products may hide of the gradient by each column of X, shape (p,).

    :math:`\epsilon\, rms(x_j)`, for residuals whose mean square is one.  A bound moves by it times
    the coefficients that belong to its dual point, which may be larger than those of the model.
    """
    from_shift = first.mean - state.get("shift", 0.0)
    spread = np.sqrt(np.square(first.sd) + np.square(from_shift))
    return np.asarray(UNITS * 0.5 * float(np.finfo(np.float32).eps) * spread)


def pass_state(
    first: FirstPass,
    place: Coordinates,
    coef: Float,
    intercept: Float,
    dtype: Any,
    sparse: bool,
) -> dict[str, AnyArray]:
    """Return original coefficients (p, q C), intercepts (q C,) and, where needed, the shift.

    The intercepts are those of shifted columns.

    Parameters
    ----------
    first : FirstPass
        Of all rows.
    place : Coordinates
        Of the C columns.
    coef : ndarray, shape (p, q, C)
    intercept : ndarray, shape (q, C)
    dtype : numpy.dtype
        Type of the products.
    sparse : bool
        Sparse blocks are never shifted.
    """
    p, q, n_columns = coef.shape
    plain = (place.inverse_scale == 1.0).all()  # nobody changes what kernels are sent
    B = coef if plain else scaled(coef, place.inverse_scale[:, None])
    B = B.reshape(p, q * n_columns)
    if np.dtype(dtype) != np.float64:
        with np.errstate(over="ignore"):
            B = B.astype(dtype).astype(np.float64)
    shift = None if sparse else column_shift(first, np.dtype(dtype))
    moved = place.center - (0.0 if shift is None else shift[:, None])
    with np.errstate(invalid="ignore"):
        if moved.shape[1] == 1:
            about = moved[:, 0] @ B
        elif q == 1:
            about = np.einsum("pc,pc->c", moved, B)
        else:
            about = np.einsum("pc,pqc->qc", moved, B.reshape(p, q, n_columns)).ravel()
        start = intercept.ravel() - about
    state: dict[str, AnyArray] = {"coef": B, "intercept": start}
    return state if shift is None else {**state, "shift": shift}


def column_shift(first: FirstPass, dtype: np.dtype[Any]) -> AnyArray | None:
    """Return the column means where some column lies so far out that products lose digits."""
    far = np.abs(first.mean) > FAR[name_of(dtype)] * first.sd
    if not np.any(far & (first.inverse_scale > 0.0) & (first.sd > 0.0)):
        return None
    return first.mean.astype(dtype)
