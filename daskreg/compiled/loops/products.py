"""Products of a tile of rows with several columns of coefficients, and with their residuals."""

from __future__ import annotations

from daskreg.compiled.layout import FOURS, LEFT, RIGHT, VECTOR

from .arrays import Array
from .registers import Rows, add_products, added_up
from .values import Whole
from .writing import Code

#: Bytes of the part of a row that is multiplied at a time: eight of them stay in the first cache.
PANEL_BYTES = 2**11
#: Columns of coefficients that are multiplied with rows at a time.
THREE = 3


def set_columns(code: Code, X: Array, start: Whole, m: Whole, coef: Array, eta: Array) -> None:
    """Set ``eta`` to the products of m rows with ``coef``, and what follows them to anything.

    Parameters
    ----------
    code : Code
    X : Array, shape (start + m or more, n)
        n is a number of columns that is :func:`~daskreg.compiled.layout.padded`.
    start, m : Whole
    coef : Array, shape (C, n)
    eta : Array, shape (C, m or more)
        Its rows have a multiple of ``LEFT`` numbers.
    """
    C, n = coef.shape
    panel = PANEL_BYTES // X.dtype.itemsize
    for k in code.each(C):
        for e in code.apart(eta.shape[1]):
            eta[k, e] = 0.0
    for begin in code.each(0, n, panel):
        end = (begin + panel).at_most(n)
        for e in code.each(0, m, LEFT):
            rows = [(start + e + r).at_most(start + m - 1) for r in range(LEFT)]
            whole = C - C % THREE
            for k in code.each(0, whole, THREE):
                _add_dots(code, X, rows, coef, k, THREE, begin, end, eta, e)
            for count in range(1, THREE):
                with code.when((C % THREE).equals(count)):
                    _add_dots(code, X, rows, coef, whole, count, begin, end, eta, e)


def _add_dots(
    code: Code,
    X: Array,
    rows: list[Whole],
    coef: Array,
    k: Whole,
    n_coef: int,
    begin: Whole,
    end: Whole,
    eta: Array,
    e: Whole,
) -> None:
    """Add products of rows with columns ``k : k + n_coef`` of coefficients to ``eta[k, e]`` ....

    They go as far as columns ``begin : end`` of X.
    """
    x, c, out = Rows(code, X), Rows(code, coef), Rows(code, eta)
    sums = [x.zeros(LEFT) for _ in range(n_coef)]
    of_rows = [x.place(row, 0) for row in rows]
    of_coef = [c.place(k + q, 0) for q in range(n_coef)]
    for j in code.each(begin, end, x.length):
        several = [c.load(c.after(place, j)) for place in of_coef]
        for r, place in enumerate(of_rows):
            row = x.load(x.after(place, j))
            for q, coefficients in enumerate(several):
                x.add_product(sums[q][r], row, coefficients)
    for q, own in enumerate(sums):
        place = out.place(k + q, e)
        for total in added_up(code, [code.load(one) for one in own]):
            out.add(place, total)
            place = out.after(place, total.type.count)


def add_columns(code: Code, X: Array, start: Whole, m: Whole, r: Array, part: Array) -> None:
    """Add the products of ``r`` with m rows of X to ``part``.

    Parameters
    ----------
    code : Code
    X : Array, shape (start + m or more, n)
        See :func:`set_columns`.
    start, m : Whole
    r : Array, shape (C, m or more)
        C is a multiple of ``FOURS``.
    part : Array, shape (C, n)
    """
    C, n = part.shape
    length = VECTOR // X.dtype.itemsize
    wide = n - n % (RIGHT * length)
    for first, last, n_vectors in ((code.size(0), wide, RIGHT), (wide, n, 1)):
        for j in code.each(first, last, n_vectors * length):
            # Twice as many columns of residuals where there are registers for them.
            several = 2 * FOURS if LEFT > FOURS else FOURS
            whole = C - C % several
            for k in code.each(0, whole, several):
                _add_tile(code, r, k, several, m, X, start, j, n_vectors, part)
            with code.when(whole < C):
                _add_tile(code, r, whole, FOURS, m, X, start, j, n_vectors, part)


def _add_tile(
    code: Code,
    r: Array,
    k: Whole,
    n_left: int,
    m: Whole,
    X: Array,
    start: Whole,
    j: Whole,
    n_vectors: int,
    part: Array,
) -> None:
    """Add products of residuals ``k : k + n_left`` with vectors from column j of X on."""
    left, x, out = Rows(code, r), Rows(code, X), Rows(code, part)
    begins = [left.place(k + q, 0) for q in range(n_left)]
    add_products(
        code,
        m,
        lambda i: [left.after(begin, i) for begin in begins],
        lambda i: x.place(start + i, j),
        (left, x, out),
        n_vectors,
        [out.place(k + q, j) for q in range(n_left)],
    )
