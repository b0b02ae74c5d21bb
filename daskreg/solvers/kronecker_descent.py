"""Coordinate descent on a Kronecker product."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float
from daskreg.compiled import kronecker_sweep


def descend(
    G: Float,
    W: Float,
    U: Float,
    towards: Float,
    diagonal: Float,
    image: Float,
    low: Float,
    x: Float,
    slope: Float,
    l1: Float,
    l2: Float,
    free: npt.NDArray[np.bool_],
    positive: bool,
    tol: float,
    n_max: int,
) -> int:
    """Sweep until every scaled residual is below ``tol``; return the number of sweeps.

    The quadratic is ``slope'(x - b) + (x - b)'(G kron W + U M U')(x - b) / 2``.  What changes with
    x is changed in place: x itself (m, q), ``image = (G (x - b))'`` (q, m) and
    ``low = M U'(x - b)`` (r,).  ``towards`` is ``U M``.  Sweeps visit the active set as in
    ``sweeps.descend``; one costs m + r + q multiplications per coordinate.
    """
    data = G, W, U, towards, diagonal, image, low, x, slope, l1, l2
    n_sweeps = 0
    while n_sweeps < n_max:
        active = free.copy()
        if kronecker_sweep(*data, active, positive, tol, True):
            break
        settled = False
        while n_sweeps < n_max and not settled:
            n_sweeps += 1
            settled = kronecker_sweep(*data, active, positive, tol, False)
    return n_sweeps
