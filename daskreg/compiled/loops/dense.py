"""Both products of a dense tile with columns of coefficients, while it is in cache.

A choice is an argument that is there or is None: it is made while the function is written.
"""

from __future__ import annotations

from daskreg.compiled.processor import wants_asking

from .arrays import Array
from .column import add_one_column, set_one_column
from .native import add_gemm, set_gemm, widest_vectors
from .pointwise import residuals
from .products import add_columns, set_columns
from .values import Truth, Whole
from .widening import widen
from .writing import Code, written


@written()
def dense_rows(
    code: Code,
    X: Array,
    half: Truth | None,
    one: Truth | None,
    few: Truth | None,
    routine: Whole | None,
    coef: Array,
    shift: Array | None,
    intercept: Array,
    target: Array,
    y: Array,
    offset: Array,
    weight: Array,
    flush: Whole,
    scratch: Array | None,
    room: Array,
    part: Array,
    of_numbers: Array | None,
    of_labels: Array | None,
    grad: Array,
) -> None:
    """Add the sums of C columns of coefficients over all rows of X, tile by tile.

    Parameters
    ----------
    code : Code
    X : Array, shape (m, p)
        If there is no ``scratch`` in C order, of the type of ``coef``, and p is n.
    half : Truth or None
        See :func:`~.widening.stored_number`.
    one, few, routine
        What makes the products: not None for one column, see `column`, for few, see `products`, or
        the address of gemm.
    coef : Array, shape (C, n)
        C and n as the products need them; zeros fill them up.
    shift : Array, shape (p,), or None
    intercept, target, y, offset, weight, of_numbers, of_labels
        See :func:`residuals`.
    flush : Whole
        Tiles whose products may be added up in the type of the products.
    scratch : Array, shape (rows, n), or None
        Where a tile of X is widened, shifted and laid out anew; zeros follow its columns.
    room : Array, shape (C, rows)
        Of any content, for the products of one tile; as long as these need it.
    part : Array, shape (C, n)
        Zeros, as it is left.
    grad : Array, shape (C, n)
    """
    widest_vectors(code)
    rows, n_rows = room.shape[1], y.shape[1]
    waiting = code.variable(0)
    for start in code.each(0, n_rows, rows):
        m = (n_rows - start).at_most(rows)
        # The next tile is on its way from memory while this one is in the first cache.
        ahead = rows * X.shape[1] if scratch is None and wants_asking() else None
        if scratch is None:
            tile, first = X, start
        else:
            widen(code, X.rows(start), m, half, shift, scratch)
            tile, first = scratch, code.size(0)
        if one is not None:
            set_one_column(code, tile, first, m, coef, room, ahead)
        elif few is not None:
            set_columns(code, tile, first, m, coef, room)
        elif routine is not None:
            C, n = coef.shape
            set_gemm(code, routine, (m, C, n), tile.rows(first), coef, room, (n, n, rows))
        residuals(code, room, m, intercept, target, y, offset, weight, start, of_numbers, of_labels)
        if one is not None:
            add_one_column(code, tile, first, m, room, part, ahead)
        elif few is not None:
            add_columns(code, tile, first, m, room, part)
        elif routine is not None:
            C, n = part.shape
            add_gemm(code, routine, (n, C, m), tile.rows(first), room, part, (n, rows, n))
        waiting.now += 1
        with code.when(waiting.now.equals(flush) | (start + rows >= n_rows)):
            for k in code.each(part.shape[0]):
                for j in code.apart(part.shape[1]):
                    grad[k, j] += part[k, j]
                    part[k, j] = 0.0
            waiting.now = code.size(0)
