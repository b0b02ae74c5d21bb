"""Sweeps of coordinate descent on a Gram matrix, compiled."""

from __future__ import annotations

import math

from daskreg._typing import AnyArray, Float

from .compiler import compiled


@compiled()
def sweeps(
    G: Float,
    q: Float,
    b: Float,
    l1: Float,
    l2: Float,
    members: AnyArray,
    positive: bool,
    tol: float,
    n_max: int,
) -> int:
    """Do the work of :func:`daskreg.solvers.sweeps.plain_sweeps`, with the same bits.

    The distance to optimality is written out: what is compiled on its own takes as long again.
    """
    for number in range(n_max):
        for place in range(members.size):
            j = members[place]
            h = G[j, j]
            target = b[j] * h - q[j]
            if target > l1[j]:
                fresh = (target - l1[j]) / (h + l2[j])
            elif target < -l1[j] and not positive:
                fresh = (target + l1[j]) / (h + l2[j])
            else:
                fresh = 0.0
            change = fresh - b[j]
            if change != 0.0:
                b[j] = fresh
                for i in range(b.size):
                    q[i] += change * G[j, i]
        worst = 0.0
        for place in range(members.size):
            j = members[place]
            slope = q[j] + l2[j] * b[j]
            if b[j] > 0.0:
                away = abs(slope + l1[j])
            elif b[j] < 0.0:
                away = abs(slope - l1[j])
            elif positive:
                away = -slope - l1[j]
            else:
                away = abs(slope) - l1[j]
            away /= math.sqrt(G[j, j] + l2[j])
            if away > worst:
                worst = away
        if worst <= tol:
            return number + 1
    return n_max
