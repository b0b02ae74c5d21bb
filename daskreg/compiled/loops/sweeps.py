"""Sweeps of coordinate descent on a Gram matrix, compiled."""

from __future__ import annotations

from .arrays import Array
from .values import Number, Truth, Whole
from .writing import Code, written


@written(exact=True)
def sweeps(
    code: Code,
    G: Array,
    q: Array,
    b: Array,
    l1: Array,
    l2: Array,
    members: Array,
    positive: Truth,
    tol: Number,
    n_max: Whole,
) -> Whole:
    """Do the work of :func:`daskreg.solvers.sweeps.plain_sweeps`, with the same bits."""
    for number in code.each(n_max):
        for place in code.each(members.size):
            j = members[place]
            h, held = G[j, j], b[j]
            fresh = nearest(code, held * h - q[j], l1[j], h + l2[j], positive)
            change = fresh - held
            with code.when(change.differs(0.0)):
                b[j] = fresh
                for i in code.apart(b.size):
                    q[i] += change * G[j, i]
        n_wrong = code.variable(0)
        for place in code.each(members.size):
            j = members[place]
            away = distance(code, b[j], q[j] + l2[j] * b[j], l1[j], positive)
            # What is no number is wrong as well.
            n_wrong.now += (~(away / (G[j, j] + l2[j]).root() <= tol)).whole()
        with code.when(n_wrong.now.equals(0)):
            code.leave(number + 1)
    return n_max


def nearest(code: Code, target: Number, strength: Number, bend: Number, positive: Truth) -> Number:
    """Return what minimises ``bend u^2 / 2 - target u + strength |u|``."""
    none = code.number(0.0)
    above = (target > strength).choose((target - strength) / bend, none)
    below = (target < -strength) & ~positive
    return below.choose((target + strength) / bend, above)


def distance(code: Code, held: Number, slope: Number, strength: Number, positive: Truth) -> Number:
    """Return how far a slope is from those at which what is held is best."""
    at_zero = positive.choose(-slope - strength, abs(slope) - strength)
    below = (held < 0.0).choose(abs(slope - strength), at_zero)
    return (held > 0.0).choose(abs(slope + strength), below)
