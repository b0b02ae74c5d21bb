"""How many wrong features stability selection may be expected to select."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from daskreg._typing import Float

#: Where the shift of an extreme distribution is looked for: next to a mass at zero, and uniform.
LEAST_SHIFT, MOST_SHIFT = 1e-12, 1e6
#: Pairs up to which the r-concave bound, whose cost is their square, is looked for.
MOST_PAIRS = 500


class ErrorBounds(NamedTuple):
    """Upper bounds of the expected number, by what is assumed of the selections."""

    plain: float
    unimodal: float
    r_concave: float


def error_bounds(q: float, n_features: int, threshold: float, n_pairs: int) -> ErrorBounds:
    r"""Return bounds of the expected number of wrong selections.

    Parameters
    ----------
    q : float
        Features that a half selects on average.
    n_features : int
        To choose from.
    threshold : float
        Above 0.5.
    n_pairs : int

    Notes
    -----
    With :math:`\theta = q / p` and :math:`\tau` the threshold the first is
    :math:`\theta q / (2\tau - 1)` and the second :math:`C \theta q` with
    :math:`C = 1 / (2 (2\tau - 1 - 1/2B))` up to :math:`\tau = 3/4` and
    :math:`4 (1 - \tau + 1/2B) / (1 + 1/B)` above, :math:`\tau` rounded up to a share of the 2B
    halves (Shah and Samworth 2013, theorem 2); NaN where its conditions do not hold.  The third
    is :math:`p \min\{D(\theta^2, 2\tau - 1, B, -1/2), D(\theta, \tau, 2B, -1/4)\}`, D as in
    ``concave_tail``, or the smaller of the others where that is less, or pairs are above 500.

    Examples
    --------
    >>> error_bounds(q=5.0, n_features=100, threshold=0.75, n_pairs=50)
    ErrorBounds(plain=0.5, unimodal=0.255..., r_concave=0.0647...)
    """
    if not n_features:
        return ErrorBounds(0.0, 0.0, 0.0)
    theta = q / n_features
    plain = theta * q / (2.0 * threshold - 1.0)
    # What reaches the threshold is a whole number of the halves.
    halves = int(np.ceil(np.round(2 * n_pairs * threshold, 9)))
    unimodal = _unimodal_factor(theta, halves / (2 * n_pairs), n_pairs) * theta * q
    if n_pairs > MOST_PAIRS:
        return ErrorBounds(plain, float(unimodal), float(np.fmin(plain, unimodal)))
    pairs = concave_tail(theta**2, halves - n_pairs, n_pairs, -0.5)
    singles = concave_tail(theta, halves, 2 * n_pairs, -0.25)
    # Such distributions are unimodal too.
    r_concave = np.fmin(n_features * min(pairs, singles), unimodal)
    return ErrorBounds(plain, float(unimodal), float(r_concave))


def _unimodal_factor(theta: float, threshold: float, n_pairs: int) -> float:
    half = 0.5 / n_pairs
    least = min(0.5 + theta**2, 0.5 + half + 0.75 * theta**2)
    if theta > 1.0 / np.sqrt(3.0) or threshold <= least or threshold < 0.5 + 1.5 * half:
        return float("nan")
    if threshold <= 0.75:
        return 0.5 / (2.0 * threshold - 1.0 - half)
    return 4.0 * (1.0 - threshold + half) / (1.0 + 2.0 * half)


def concave_tail(mean: float, at_least: int, n_steps: int, r: float) -> float:
    r"""Return the largest :math:`P(Z \ge t/n)` of r-concave Z on {0, 1/n, ..., 1} with that mean.

    A distribution f is r-concave, r < 0, where :math:`f^r` is convex.  The extreme ones are
    :math:`f(i) \propto (a + i)^{1/r}` for :math:`i \le k`, with what is left, at most its
    continuation, at k + 1; for each k the shift a is free in an interval.

    Parameters
    ----------
    mean : float
        Between 0 and 1.
    at_least : int
        t, above 0.
    n_steps : int
        n.
    r : float
        Below 0.

    References
    ----------
    Shah and Samworth (2013), Variable selection with error control: another look at stability
    selection, on r-concavity.
    """
    steps = mean * n_steps
    first = int(np.ceil(np.round(2.0 * steps, 9)))  # from here on the mean asks for a decrease
    if at_least <= first or steps == 0.0:
        return min(1.0, steps / at_least)  # Markov's inequality
    shift = MOST_SHIFT
    shifts = [shift := _shift_of_mean(steps, k, r, shift) for k in range(first, n_steps + 1)]
    best = 0.0
    for k, (upper, lower) in enumerate(pairwise(shifts), start=first):
        if k + 1 < at_least:
            continue
        found = minimize_scalar(
            lambda a, k=k: -_tail(a, at_least, k, steps, r),
            bounds=(lower, upper),
            method="bounded",
            options={"xatol": 1e-10 * upper},
        )
        ends = (_tail(a, at_least, k, steps, r) for a in (lower, upper))
        best = max(best, -float(found.fun), *ends)
    return best


def _weights(a: float, k: int, r: float) -> Float:
    return np.asarray((1.0 + np.arange(k + 1) / a) ** (1.0 / r))


def _shift_of_mean(steps: float, k: int, r: float, most: float) -> float:
    """Return the shift at which the distribution on 0, ..., k has its mean at ``steps``."""

    def excess(a: float) -> float:
        weights = _weights(a, k, r)
        return float(np.arange(k + 1) @ weights / weights.sum() - steps)

    if excess(most) <= 0.0:
        return most
    if excess(LEAST_SHIFT) >= 0.0:
        return LEAST_SHIFT
    return float(brentq(excess, LEAST_SHIFT, most, xtol=1e-14, rtol=1e-13))


def _tail(a: float, at_least: int, k: int, steps: float, r: float) -> float:
    """Return P(Z >= at_least) where k + 1 has what the mean leaves to it."""
    weights = _weights(a, k, r)
    factor = (k + 1 - steps) / ((k + 1 - np.arange(k + 1)) @ weights)
    return 1.0 - float(factor * weights[:at_least].sum())
