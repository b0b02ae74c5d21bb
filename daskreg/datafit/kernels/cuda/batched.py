"""FISTA on one Gram matrix for many problems at once, by array functions of any library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from daskreg._array import running_sum
from daskreg._typing import AnyArray

#: Squarings of the matrix that bound its largest eigenvalue: 64 of the power, and so at most
#: p^(1/64) too large.
SQUARINGS = 6
#: Steps between two looks at whether all problems are done, each of which waits for the card.
LOOK = 20


def fista_on_gram(
    xp: Any, G: Any, c: Any, l1: Any, l2: Any, start: Any, positive: bool, tol: Any, n_max: int,
    fetch: Callable[[Any], AnyArray],
) -> tuple[Any, int]:  # fmt: skip
    """Accelerated proximal gradient steps, restarted for each problem by itself.

    Ends when every scaled residual, as in ``descended``, is at most the ``tol`` of its problem.

    Parameters
    ----------
    xp : module
    G : device array, shape (p, p)
    c, l1, l2, start : device arrays, shape (p, K)
    positive : bool
    tol : device array, shape (K,)
    n_max : int
        Steps at most.
    fetch : callable
        Copies a device array to the host.

    Returns
    -------
    coef : device array, shape (p, K)
    n_steps : int

    References
    ----------
    Beck and Teboulle (2009), A fast iterative shrinkage-thresholding algorithm for linear inverse
    problems, section 4; O'Donoghue and Candes (2015), Adaptive restart for accelerated gradient
    schemes, section 3.2 (gradient scheme).
    """
    steepest = eigenvalue_bound(xp, G)
    curvature = _diagonal(xp, G)[:, None] + l2
    scale = xp.where(curvature > 0.0, curvature, 1.0) ** 0.5

    def step(at: Any) -> Any:
        moved = at - (xp.matmul(G, at) - c) / steepest
        least = 0.0 * moved
        up = _larger(xp, moved - l1 / steepest, least)
        down = least if positive else _larger(xp, -moved - l1 / steepest, least)
        return (up - down) / (1.0 + l2 / steepest)

    coef = point = start
    momentum = xp.ones_like(tol)
    for n_steps in range(n_max):
        if n_steps % LOOK == 0:
            wrong = _residual(xp, xp.matmul(G, coef) - c + l2 * coef, coef, l1, positive)
            if bool(fetch(xp.all(wrong / scale <= tol))):
                return coef, n_steps
        fresh = step(point)
        turned = xp.sum((point - fresh) * (fresh - coef), axis=0) > 0.0
        momentum = xp.where(turned, xp.ones_like(momentum), momentum)
        after = 0.5 + (0.25 + momentum**2) ** 0.5
        point = fresh + (momentum - 1.0) / after * (fresh - coef)
        coef, momentum = fresh, after
    return coef, n_max


def eigenvalue_bound(xp: Any, G: Any) -> Any:
    """Return a number, on the device, that no eigenvalue of a semidefinite G exceeds.

    The trace of a power is the sum of the powers of all eigenvalues.
    """
    bound, power, exponent = 1.0, G, 1
    for squaring in range(SQUARINGS + 1):
        trace = xp.sum(_diagonal(xp, power))
        trace = xp.where(trace > 0.0, trace, xp.ones_like(trace))
        # G^exponent is `power` times what it has been divided by.
        bound = bound * trace ** (1.0 / exponent)
        if squaring < SQUARINGS:
            power = power / trace
            power = xp.matmul(power, power)
            exponent *= 2
    return bound


def _residual(xp: Any, slope: Any, coef: Any, l1: Any, positive: bool) -> Any:
    """Return the distance of each coordinate to optimality."""
    inward = -slope - l1 if positive else xp.abs(slope) - l1
    at_zero = _larger(xp, inward, 0.0 * inward)
    signed = xp.where(coef > 0.0, slope + l1, slope - l1)
    return xp.where(coef == 0.0, at_zero, xp.abs(signed))


def _diagonal(xp: Any, G: Any) -> Any:
    """Return the diagonal of a matrix, (p,)."""
    place = running_sum(xp.ones_like(G[0, :]))
    return xp.sum(xp.where(place[:, None] == place[None, :], G, 0.0 * G), axis=0)


def _larger(xp: Any, one: Any, other: Any) -> Any:
    return xp.where(one > other, one, other)
