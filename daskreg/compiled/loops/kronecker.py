"""A sweep of coordinate descent on a Kronecker product, compiled."""

from __future__ import annotations

from .arrays import Array
from .sweeps import distance, nearest
from .values import Number, Truth
from .writing import Code, written


@written(exact=True)
def sweep(
    code: Code,
    G: Array,
    W: Array,
    U: Array,
    towards: Array,
    diagonal: Array,
    image: Array,
    low: Array,
    x: Array,
    slope: Array,
    l1: Array,
    l2: Array,
    active: Array,
    positive: Truth,
    tol: Number,
    looks: Truth,
) -> Truth:
    """Visit the active coordinates once; return whether all residuals were below ``tol``.

    With ``looks`` nothing moves, and those stay active that are in use or whose residual is above.
    """
    m, q = x.shape
    n_wrong = code.variable(0)
    for j in code.each(m):
        for c in code.each(q):
            with code.when(active[j, c]):
                s = code.variable(slope[j, c])
                for d in code.each(q):
                    s.now += image[d, j] * W[d, c]
                row = j * q + c
                for i in code.each(low.size):
                    s.now += U[row, i] * low[i]
                held, strength, ridge = x[j, c], l1[j, c], l2[j, c]
                h = diagonal[j, c]
                away = distance(code, held, s.now + ridge * held, strength, positive)
                wrong = away > tol * (h + ridge).root()
                n_wrong.now += wrong.whole()
                with code.either(looks) as (only, moves):
                    with only:
                        active[j, c] = wrong | held.differs(0.0)
                    with moves:
                        target = h * held - s.now
                        fresh = nearest(code, target, strength, h + ridge, positive)
                        change = fresh - held
                        with code.when(change.differs(0.0)):
                            x[j, c] = fresh
                            for i in code.apart(m):
                                image[c, i] += change * G[j, i]
                            for i in code.apart(low.size):
                                low[i] += change * towards[row, i]
    return n_wrong.now.equals(0)
