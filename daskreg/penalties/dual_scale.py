"""The best point on the ray of a dual point where a squared L2 part leaves its length free."""

from __future__ import annotations

from daskreg._array import is_on_host, namespace
from daskreg._typing import Float


def root_of_slope(
    scale: Float, linear: Float, quadratic: Float, size: Float, l1: Float, l2: Float
) -> Float:
    """Return where ``linear - s quadratic - sum size (s size - l1)_+ / l2`` is zero.

    The slope is concave, piecewise linear and decreasing, so that Newton's method from the right
    of its root ends after finitely many steps.

    Parameters
    ----------
    scale : array of shape (n_problems,)
        Where to begin, on the right of the root.
    linear, quadratic : array of shape (n_problems,)
    size : array of shape (n_features, n_outputs, n_problems)
        Lengths of the coordinates; only those with an L2 part count.
    l1, l2 : array, broadcasts against ``size``

    Returns
    -------
    array of shape (n_problems,)
    """
    xp = namespace(size)
    size = xp.where(l2 > 0, size, 0.0)
    per_l2 = xp.where(l2 > 0, size / xp.where(l2 > 0, l2, 1.0), 0.0)
    for _ in range(50):
        excess = xp.maximum(scale * size - l1, 0.0)
        slope = linear - scale * quadratic - xp.sum(excess * per_l2, axis=(0, 1))
        active = xp.where(excess > 0, size * per_l2, 0.0)
        bend = quadratic + xp.sum(active, axis=(0, 1))
        lower = xp.maximum(scale + slope / xp.where(bend > 0, bend, 1.0), 0.0)
        # From a device nothing is fetched: there the last steps change nothing.
        if is_on_host(lower) and (lower >= scale * (1 - 1e-15)).all():
            break
        scale = xp.minimum(lower, scale)
    return scale
