"""Coordinate descent on Gram matrices for many problems at once, in CUDA C."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from .program import OPTIONS, text

#: Threads that share the slopes of one problem.
DESCENT_THREADS = 128


def descent_source() -> str:
    """Return the whole CUDA C."""
    return f"#define THREADS {DESCENT_THREADS}\n" + text("descent")


@cache
def _kernel(xp: Any) -> Any:
    return xp.RawModule(code=descent_source(), options=OPTIONS).get_function("descend")


def descended(
    xp: Any, G: Any, which: Any, c: Any, l1: Any, l2: Any, start: Any, positive: bool, tol: Any,
    n_max: int,
) -> tuple[Any, Any]:  # fmt: skip
    """Sweep over each problem until its residuals are below its ``tol``.

    The residual of a coordinate is its distance to optimality divided by the root of its curvature.
    Sweeps visit the coordinates that are nonzero or were wrong at the last look at all of them.

    Parameters
    ----------
    xp : module
        A namespace with ``RawModule``.
    G : device array, shape (n_grams, p, p)
    which : device array of int64, shape (K,)
        The matrix of each problem.
    c, l1, l2, start : device arrays, shape (K, p)
    positive : bool
    tol : device array, shape (K,)
    n_max : int
        Sweeps at most.

    Returns
    -------
    coef : device array, shape (K, p)
    n_sweeps : device array of int64, shape (K,)

    References
    ----------
    Friedman, Hastie and Tibshirani (2010), Regularization paths for generalized linear models via
    coordinate descent, section 2.2.
    """
    n_problems, p = c.shape
    coef = xp.asarray(start).copy()
    slope = xp.empty((n_problems, p), dtype=xp.float64)
    for number in range(G.shape[0]):
        own = xp.flatnonzero(which == number)
        slope[own, :] = xp.matmul(coef[own, :], G[number, :, :]) - c[own, :]
    diagonal = xp.stack([xp.diagonal(G[number]) for number in range(G.shape[0])])
    curvature = xp.take(diagonal, which, axis=0)
    moves = curvature > 0.0
    unit = xp.where(moves, xp.where(moves, curvature + l2, 1.0) ** -0.5, 0.0)
    active = xp.zeros((n_problems, p), dtype=xp.uint8)
    sweeps = xp.zeros(n_problems, dtype=xp.int64)
    arguments = (
        *(G, which, np.int64(p), l1, l2, unit, np.int64(positive), tol, np.int64(n_max)),
        *(coef, slope, active, sweeps),
    )
    _kernel(xp)((n_problems,), (DESCENT_THREADS,), arguments)
    return coef, sweeps
