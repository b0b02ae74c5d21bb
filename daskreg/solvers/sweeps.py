"""Sweeps of coordinate descent on a Gram matrix: in numpy until they are many, then compiled.

To load the compiler and to compile takes a second, a small fit milliseconds.  So the first sweeps
of a process are numpy's.  Both ways round alike, so that a fit has the same bits whether or not
others ran before it.
"""

from __future__ import annotations

import numpy as np

from daskreg._typing import AnyArray, Float

#: Visits to coordinates by numpy in one process, of some microseconds each.
PLAIN_VISITS = 50_000
#: Columns up to which numpy is used: its visits to long ones are no quicker than to compile.
PLAIN_COLUMNS = 256

_visits = 0


def descend(
    G: Float,
    q: Float,
    b: Float,
    l1: Float,
    l2: Float,
    positive: bool,
    tol: float,
    n_max: int,
) -> int:
    """Sweep until every scaled KKT residual is below ``tol``; return the number of sweeps.

    ``b`` and its gradient ``q = G b - c`` (p,) are changed in place.  The residual of coordinate
    j is divided by the root of its curvature, so its square is twice the gain in objective.
    Sweeps visit the active set: nonzero coordinates and those whose residual was too large.
    """
    diagonal = G.diagonal()
    bends = diagonal > 0.0
    root = np.sqrt(np.where(bends, diagonal + l2, 1.0))
    n_sweeps = 0
    while n_sweeps < n_max:
        wrong = distances(q + l2 * b, b, l1, positive) > tol * root
        wrong &= bends
        if not wrong.any():
            break
        members = np.flatnonzero(wrong | (bends & (b != 0.0)))
        n_sweeps += _sweeps(G, q, b, l1, l2, members, positive, tol, n_max - n_sweeps)
    return n_sweeps


def _sweeps(
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
    global _visits
    if len(b) <= PLAIN_COLUMNS and _visits < PLAIN_VISITS:
        used = plain_sweeps(G, q, b, l1, l2, members, positive, tol, n_max)
        _visits += used * len(members)
        return used
    from .compiled_sweeps import sweeps

    return int(sweeps(G, q, b, l1, l2, members, positive, tol, n_max))


def plain_sweeps(
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
    """Visit ``members`` in turn until their scaled residuals are below ``tol``; return the sweeps.

    Parameters
    ----------
    G : ndarray, shape (p, p)
    q, b : ndarray, shape (p,)
        Changed in place.
    l1, l2 : ndarray, shape (p,)
    members : ndarray of int
        Columns with a positive diagonal.
    positive : bool
    tol : float
    n_max : int
    """
    own_l1, own_l2 = l1[members], l2[members]
    diagonal = G.diagonal()[members]
    root = np.sqrt(diagonal + own_l2)
    lists = (one.tolist() for one in (members, diagonal, own_l1, own_l2))
    visits = list(zip(*lists, strict=True))
    for number in range(n_max):
        for j, h, strength, ridge in visits:
            held = b.item(j)
            target = held * h - q.item(j)
            if target > strength:
                fresh = (target - strength) / (h + ridge)
            elif target < -strength and not positive:
                fresh = (target + strength) / (h + ridge)
            else:
                fresh = 0.0
            change = fresh - held
            if change != 0.0:
                b[j] = fresh
                q += change * G[j]
        now = b[members]
        away = distances(q[members] + own_l2 * now, now, own_l1, positive) / root
        if away.max(initial=0.0) <= tol:
            return number + 1
    return n_max


def distances(slope: Float, b: Float, l1: Float, positive: bool) -> Float:
    """Distance to optimality of each coordinate, (p,); ``slope`` is that of all smooth terms."""
    found = np.negative(slope) if positive else np.abs(slope)
    found -= l1
    np.maximum(found, 0.0, out=found)
    used = np.flatnonzero(b)
    found[used] = np.abs(slope[used] + np.copysign(l1[used], b[used]))
    return found
