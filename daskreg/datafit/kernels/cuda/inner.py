"""Least squares in memory, on this process's card: which method, and whether it is worth asking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.design.device.at_hand import card_at_hand
from daskreg.design.device.card import Card
from daskreg.design.device.shelf import SHELF

from .batched import fista_on_gram
from .descent import descended

#: Products of one sweep over all problems, K p^2, from which a card is asked.  Never measured: by
#: arithmetic a processor's core does some 5e9 of them a second and a card's thousand blocks some
#: 1e11 together, and to move matrices and coefficients takes the time of 1e7 or so.
WORTH = 1e8
#: Features up to which the matrix stays in a card's cache (32 MiB of 50), where each problem reads
#: its own rows of it; beyond that products of all problems with all of it are cheaper.
LARGEST_DESCENT = 2048
#: Steps of FISTA at most: it finds where to start, and does not have to end there.
MOST_STEPS = 2000


@dataclass(frozen=True)
class Started:
    """Where a card has come to.

    Attributes
    ----------
    coef : ndarray, shape (p, K)
    n_sweeps : ndarray of int, shape (K,)
    """

    coef: Float
    n_sweeps: npt.NDArray[np.intp]


def solved_on_card(
    grams: Sequence[Float], which: AnyArray, c: Float, l1: Float, l2: Float, start: Float,
    positive: bool, tol: Float, n_max: int,
) -> Started | None:  # fmt: skip
    """Solve K problems at once, as far as ``tol``; None where processors are faster, or there is no
    card, or its memory is full.

    Parameters
    ----------
    grams : sequence of ndarray, shape (p, p)
    which : ndarray of int, shape (K,)
        The matrix of each problem.
    c, l1, l2, start : ndarray, shape (p, K)
    positive : bool
    tol : ndarray, shape (K,)
        Of each residual, divided by the root of its curvature.
    n_max : int
        Sweeps or steps at most.
    """
    p, n_problems = c.shape
    if n_problems * float(p) ** 2 < WORTH:
        return None
    card = card_at_hand()
    if card is None:
        return None
    # Matrices once more while they are put together, or powers of one; six arrays of problems, and
    # what is made of them.  What shards are going to keep is not there.
    need = 8 * (max(2 * len(grams), 4) * p * p + 20 * p * n_problems)
    if need > (card.free_bytes() - SHELF.to_come) // 2:
        return None
    by_descent = hasattr(card.xp, "RawModule") and p <= LARGEST_DESCENT
    solve = _descent if by_descent else _fista
    try:
        with card.computing():
            return solve(card, grams, which, (c, l1, l2, start), positive, tol, n_max)
    except Exception as error:
        if not card.is_out_of_memory(error):
            raise
    card.trim()
    return None


def _descent(
    card: Card, grams: Sequence[Float], which: AnyArray, arrays: Sequence[Float], positive: bool,
    tol: Float, n_max: int,
) -> Started:  # fmt: skip
    G = card.xp.stack([card.send(gram) for gram in grams])  # no copy of all on the host
    number = card.send(np.ascontiguousarray(which, dtype=np.int64))
    c, l1, l2, start = (card.send(np.ascontiguousarray(array.T)) for array in arrays)
    found = descended(card.xp, G, number, c, l1, l2, start, positive, card.send(tol), n_max)
    coef, sweeps = map(card.fetch, found)
    return Started(np.ascontiguousarray(coef.T), sweeps.astype(np.intp))


def _fista(
    card: Card, grams: Sequence[Float], which: AnyArray, arrays: Sequence[Float], positive: bool,
    tol: Float, n_max: int,
) -> Started:  # fmt: skip
    coef, sweeps = arrays[3].copy(), np.zeros(len(tol), dtype=np.intp)
    for number, gram in enumerate(grams):
        own = np.flatnonzero(which == number)
        c, l1, l2, start = (card.send(np.ascontiguousarray(array[:, own])) for array in arrays)
        aim, steps = card.send(tol[own]), min(n_max, MOST_STEPS)
        found, n = fista_on_gram(
            card.xp, card.send(gram), c, l1, l2, start, positive, aim, steps, card.fetch
        )
        coef[:, own], sweeps[own] = card.fetch(found), n
    return Started(coef, sweeps)
