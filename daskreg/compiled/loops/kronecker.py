"""A sweep of coordinate descent on a Kronecker product, compiled."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float

from .compiler import compiled


@compiled()
def sweep(
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
    active: npt.NDArray[np.bool_],
    positive: bool,
    tol: float,
    looks: bool,
) -> bool:
    """Visit the active coordinates once; return whether all residuals were below ``tol``.

    With ``looks`` nothing moves, and those stay active that are in use or whose residual is above.
    """
    m, q = x.shape
    settled = True
    for j in range(m):
        for c in range(q):
            if not active[j, c]:
                continue
            s = slope[j, c]
            for d in range(q):
                s += image[d, j] * W[d, c]
            row = j * q + c
            for i in range(low.size):
                s += U[row, i] * low[i]
            h = diagonal[j, c]
            held, strength, ridge = x[j, c], l1[j, c], l2[j, c]
            whole = s + ridge * held
            if held > 0.0:
                away = abs(whole + strength)
            elif held < 0.0:
                away = abs(whole - strength)
            elif positive:
                away = -whole - strength
            else:
                away = abs(whole) - strength
            wrong = away > tol * math.sqrt(h + ridge)
            settled = settled and not wrong
            if looks:
                active[j, c] = wrong or held != 0.0
                continue
            target = h * held - s
            fresh = 0.0
            if target > strength:
                fresh = (target - strength) / (h + ridge)
            elif target < -strength and not positive:
                fresh = (target + strength) / (h + ridge)
            change = fresh - held
            if change != 0.0:
                x[j, c] = fresh
                for i in range(m):
                    image[c, i] += change * G[j, i]
                for i in range(low.size):
                    low[i] += change * towards[row, i]
    return settled
