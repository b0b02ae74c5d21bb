"""Losses of the rows of a tile: values, residuals and the sums of a dual point in one loop.

Products ``X @ coef`` come in, the weighted derivatives of the loss by eta are left in their place.
All numbers between are float64, whatever the type of the products.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from daskreg.compiled.sums import (
    CURVATURE,
    ENTROPY,
    ENTROPY_SCALES,
    N_LOGISTIC,
    OFFSET,
    RESIDUAL,
    VALUE,
)

from .arrays import Array
from .elementary import exp_minus, halved, inverses, joined, log_near_one, split
from .values import Number, Whole
from .writing import Code

#: Of a product, an intercept, y, offset and weight: the derivative, and what is added to each sum.
RowFormula = Callable[[Number, Number, Number, Number, Number], tuple[Number, ...]]

#: Numbers of rows, one row of them, and the place of the first that belongs to the tile.
_Beside = tuple[Array, Whole, Whole]

#: Where the sums of a formula belong.
OF_NUMBERS = VALUE, RESIDUAL
OF_LABELS = VALUE, RESIDUAL, CURVATURE, OFFSET, *range(ENTROPY, N_LOGISTIC)

assert (len(ENTROPY_SCALES), ENTROPY_SCALES[-1]) == (5, 1.0)


def _squared(
    product: Number, intercept: Number, y: Number, offset: Number, weight: Number
) -> tuple[Number, ...]:
    """Return the residual of a row and what it adds to the sums, all times its weight."""
    r = product + intercept + offset - y
    weighted = weight * r
    return weighted, 0.5 * (weighted * r), weighted


def _entropy(
    scale: float, log_scale: float, miss: Number, missed: Number, log_rest: Number
) -> Number:
    """Return the entropy at one scale, less what it lacks of a weight."""
    return scale * (missed - log_scale * miss) - (1.0 - scale * miss) * log_rest


def _terms(wrong: Number) -> tuple[Number, ...]:
    """Return what one row adds to the sums, less its weight: loss, miss, curvature, entropies.

    ``wrong`` is the margin by which it lies on the wrong side, ``miss`` the distance of its mean
    from its label: see the logistic loss, which has the same numbers one array at a time.
    """
    far = abs(wrong)
    small = exp_minus(far)
    high, f = halved(small)
    inverse = 1.0 / (1.0 + small)
    other = small * inverse
    miss, hit = wrong.above(0.0, inverse, other), wrong.above(0.0, other, inverse)
    parts = [split(1.0 - scale * miss) for scale in ENTROPY_SCALES[:-1]]
    *shares, last = inverses(*(2.0 + rest for _, rest in parts), 2.0 + f)
    softplus = high + log_near_one(f, last)
    above = 0.5 * (wrong + far) + softplus
    missed = miss * (0.5 * (far - wrong) + softplus)
    entropies = [
        _entropy(scale, math.log(scale), miss, missed, joined(k, log_near_one(rest, share)))
        for scale, (k, rest), share in zip(ENTROPY_SCALES, parts, shares, strict=False)
    ]
    return above, miss, miss * hit, *entropies, missed + hit * above


def _logistic(
    product: Number, intercept: Number, y: Number, offset: Number, weight: Number
) -> tuple[Number, ...]:
    """Return the same of labels: y is 0 or 1."""
    side = 1.0 - 2.0 * y
    above, miss, curvature, *entropies = _terms(side * (product + intercept + offset))
    r = weight * side * miss
    sums = above, curvature, *entropies
    value, curved, *weighted = (weight * term for term in sums)
    return r, value, r, curved, offset * r, *weighted


def residuals(
    code: Code,
    eta: Array,
    m: Whole,
    intercept: Array,
    target: Array,
    y: Array,
    offset: Array,
    weight: Array,
    start: Whole,
    of_numbers: Array | None,
    of_labels: Array | None,
) -> None:
    """Turn the products of m rows with C columns into weighted residuals, and add to sums.

    Parameters
    ----------
    code : Code
    eta : Array, shape (C or more, m or more)
    m : Whole
    intercept, target : Array, shape (C,)
    y : Array, shape (n_targets, n)
    offset : Array, shape (n_targets or 1, n or 1 row of a tile)
        What has fewer columns than y is the same for every tile.
    weight : Array, shape (C or 1, n or 1 row of a tile)
    start : Whole
        Place of the first row of the tile among the n.
    of_numbers : Array, shape (C, 2), or None
        Sums of a squared loss.
    of_labels : Array, shape (C, 9), or None
        Sums of a logistic loss.
    """
    for k in code.each(intercept.size):
        t = target[k]
        beside = (y, t, start), _own(code, offset, t, y, start), _own(code, weight, k, y, start)
        for formula, places, out in (
            (_squared, OF_NUMBERS, of_numbers),
            (_logistic, OF_LABELS, of_labels),
        ):
            if out is not None:
                _over_rows(code, formula, eta, k, m, intercept[k], beside, out, places)


def _own(code: Code, numbers: Array, row: Whole, y: Array, start: Whole) -> _Beside:
    """Return the row of a column, and its first: a single row, or tile, is that of all others."""
    none = code.size(0)
    n_rows, n_columns = numbers.shape
    own = (n_rows > 1).choose(row, none)
    return numbers, own, n_columns.equals(y.shape[1]).choose(start, none)


def _over_rows(
    code: Code,
    formula: RowFormula,
    eta: Array,
    k: Whole,
    m: Whole,
    intercept: Number,
    beside: Sequence[_Beside],
    out: Array,
    places: Sequence[int],
) -> None:
    """Write the loop over the rows of a column: what a row is worth is a formula."""
    totals = [code.variable(0.0) for _ in places]
    for i in code.apart(m):
        own = (numbers[row, first + i] for numbers, row, first in beside)
        eta[k, i], *terms = formula(eta[k, i], intercept, *own)
        for total, term in zip(totals, terms, strict=True):
            total.add(term)
    for place, total in zip(places, totals, strict=True):
        out[k, place] += total.now
