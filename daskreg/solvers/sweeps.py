"""Sweeps of coordinate descent on a Gram matrix: in numpy until they are many, then compiled.

To load the compiler and to compile takes a tenth of a second, a small fit milliseconds.  So the
first sweeps of a process are numpy's.  Both ways round alike, so that a fit has the same bits
whether or not others ran before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from daskreg._array import places
from daskreg._typing import AnyArray, Float
from daskreg.compiled import sweeps

#: Visits to coordinates by numpy in one process, of some microseconds each: as long as it takes to
#: compile, and to load what is kept already.
PLAIN_VISITS, LOADED_VISITS = 20_000, 1_000
#: Columns that double a visit, and columns up to which numpy is used: with more of them it would
#: read as much in one sweep as it takes to compile.
LONG_VISIT, PLAIN_COLUMNS = 4_096, 2_048

_visits = 0.0


@contextmanager
def compiled_at_once() -> Iterator[None]:
    """Let compiled sweeps begin with the first one: to have them compiled is the purpose."""
    global _visits
    before, _visits = _visits, float(PLAIN_VISITS)
    try:
        yield
    finally:
        _visits = before


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
        members = places(wrong | (bends & (b != 0.0)))
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
    """As many sweeps of numpy as are left to it, and compiled ones after them."""
    global _visits
    each = len(members) * (1.0 + len(b) / LONG_VISIT)
    most = int((PLAIN_VISITS - _visits) / max(each, 1.0)) if len(b) <= PLAIN_COLUMNS else 0
    most, used = min(n_max, most), 0
    wanted = G, q, b, l1, l2, members, positive, tol
    if most > 0 and not (_visits >= LOADED_VISITS and sweeps.is_kept(*wanted, n_max)):
        used = plain_sweeps(*wanted, most)
        _visits += used * each
        if used < most or most == n_max or _worst(G, q, b, l1, l2, members, positive) <= tol:
            return used
    return used + int(sweeps(*wanted, n_max - used))


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
        if _worst(G, q, b, l1, l2, members, positive) <= tol:
            return number + 1
    return n_max


def _worst(
    G: Float, q: Float, b: Float, l1: Float, l2: Float, members: AnyArray, positive: bool
) -> float:
    """Return the largest scaled residual of the coordinates that are visited."""
    now, ridge = b[members], l2[members]
    away = distances(q[members] + ridge * now, now, l1[members], positive)
    return float((away / np.sqrt(G.diagonal()[members] + ridge)).max(initial=0.0))


def distances(slope: Float, b: Float, l1: Float, positive: bool) -> Float:
    """Distance to optimality of each coordinate, (p,); ``slope`` is that of all smooth terms."""
    found = np.negative(slope) if positive else np.abs(slope)
    found -= l1
    np.maximum(found, 0.0, out=found)
    used = places(b)
    found[used] = np.abs(slope[used] + np.copysign(l1[used], b[used]))
    return found
