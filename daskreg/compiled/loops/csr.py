"""Both products of compressed sparse rows with C columns, from the rows alone."""

from __future__ import annotations

from collections.abc import Iterator

from .arrays import Array
from .pointwise import residuals
from .values import Number, Whole
from .writing import Code, written


class _Entries:
    """Numbers and columns of rows.

    Parameters
    ----------
    code : Code
    data, indices, indptr : Array
    """

    def __init__(self, code: Code, data: Array, indices: Array, indptr: Array) -> None:
        self._code = code
        self.data, self.indices, self.indptr = data, indices, indptr

    def of(self, row: Whole) -> Iterator[tuple[Number, Whole]]:
        """Write a loop over the entries of a row."""
        for place in self._code.each(self.indptr[row], self.indptr[row + 1]):
            yield self.data.as_number(place), self.indices[place]


def _set_products(
    code: Code, entries: _Entries, start: Whole, m: Whole, coef: Array, each: Array, eta: Array
) -> None:
    """Set ``eta`` (C, m or more) to the products of rows ``start : start + m`` with ``coef``."""
    for i in code.each(m):
        with code.either(each.size.equals(1)) as (alone, several):
            with alone:
                one = code.variable(0.0)
                for value, j in entries.of(start + i):
                    one.now += value * coef[j, 0]
                eta[0, i] = one.now
            with several:
                for k in code.apart(each.size):
                    each[k] = 0.0
                for value, j in entries.of(start + i):
                    for k in code.apart(each.size):
                        each[k] += value * coef[j, k]
                for k in code.apart(each.size):
                    eta[k, i] = each[k]


def _add_products(
    code: Code, entries: _Entries, start: Whole, m: Whole, r: Array, each: Array, grad: Array
) -> None:
    """Add ``X' r`` of rows ``start : start + m`` to ``grad`` (p, C); r is (C, m or more)."""
    for i in code.each(m):
        with code.either(each.size.equals(1)) as (alone, several):
            with alone:
                one = r[0, i]
                for value, j in entries.of(start + i):
                    grad[j, 0] += value * one
            with several:
                for k in code.apart(each.size):
                    each[k] = r[k, i]
                for value, j in entries.of(start + i):
                    for k in code.apart(each.size):
                        grad[j, k] += value * each[k]


@written()
def sparse_rows(
    code: Code,
    data: Array,
    indices: Array,
    indptr: Array,
    coef: Array,
    intercept: Array,
    target: Array,
    y: Array,
    offset: Array,
    weight: Array,
    each: Array,
    room: Array,
    first: Whole,
    of_numbers: Array | None,
    of_labels: Array | None,
    grad: Array,
) -> None:
    """Add the sums of C columns of coefficients over as many rows as y has, from ``first`` on.

    Parameters
    ----------
    code : Code
    data, indices, indptr : Array
        All rows.
    intercept, target, y, offset, weight, of_numbers, of_labels
        See :func:`residuals`.
    coef, grad : Array, shape (p, C)
    each : Array, shape (C,)
    room : Array, shape (C, rows)
        Both of any content: for one row, and for the products of one tile.
    """
    entries = _Entries(code, data, indices, indptr)
    rows, n_rows = room.shape[1], y.shape[1]
    for start in code.each(0, n_rows, rows):
        m = (n_rows - start).at_most(rows)
        _set_products(code, entries, first + start, m, coef, each, room)
        residuals(code, room, m, intercept, target, y, offset, weight, start, of_numbers, of_labels)
        _add_products(code, entries, first + start, m, room, each, grad)


@written()
def add_moments(
    code: Code,
    data: Array,
    indices: Array,
    indptr: Array,
    rows: Array,
    shift: Array | None,
    right: Array,
    sums: Array,
) -> None:
    """Add the sums of ``d = root (x - shift)`` over the entries x of some rows.

    Parameters
    ----------
    code : Code
    data, indices, indptr : Array
    rows : Array of int, shape (m,)
    shift : Array, shape (p,), or None
    right : Array, shape (m, 1 + q)
        The first column is root, the square root of the weights.
    sums : Array, shape (p, 2 + q)
        Of d d, and of d with each column of ``right``.
    """
    entries = _Entries(code, data, indices, indptr)
    for i in code.each(rows.size):
        root = right[i, 0]
        for value, j in entries.of(rows[i]):
            d = root * (value if shift is None else value - shift[j])
            sums[j, 0] += d * d
            for k in code.each(right.shape[1]):
                sums[j, k + 1] += d * right[i, k]


@written()
def add_by_label(
    code: Code,
    data: Array,
    indices: Array,
    indptr: Array,
    rows: Array,
    codes: Array,
    weight: Array | None,
    table: Array,
) -> None:
    """Add the squares of the entries of some rows, and the entries of each label.

    Parameters
    ----------
    code : Code
    data, indices, indptr : Array
    rows : Array of int, shape (m,)
    codes : Array of int, shape (m,)
        Label of each of them.
    weight : Array, shape (m,), or None
    table : Array, shape (p, 1 + q)
    """
    entries = _Entries(code, data, indices, indptr)
    for i in code.each(rows.size):
        own = codes[i] + 1
        for value, j in entries.of(rows[i]):
            weighted = value if weight is None else weight[i] * value
            table[j, 0] += weighted * value
            table[j, own] += weighted


@written()
def add_gram(
    code: Code,
    data: Array,
    indices: Array,
    indptr: Array,
    rows: Array,
    shift: Array | None,
    right: Array,
    gram: Array,
) -> None:
    """Add the products of the columns of ``d`` with one another to the upper triangle of ``gram``.

    Parameters are those of :func:`add_moments`.  Columns of a row come in any order; one that is
    there twice counts with its sum.
    """

    def moved(place: Whole, j: Whole) -> Number:
        value = data.as_number(place)
        return value if shift is None else value - shift[j]

    for i in code.each(rows.size):
        weight = right[i, 0] * right[i, 0]
        stop = indptr[rows[i] + 1]
        for place in code.each(indptr[rows[i]], stop):
            j = indices[place]
            value = moved(place, j)
            weighted = weight * value
            gram[j, j] += weighted * value
            for other in code.each(place + 1, stop):
                k = indices[other]
                product = weighted * moved(other, k)
                first = k.at_most(j)
                last = first.equals(j).choose(k, j)
                gram[first, last] += j.equals(k).choose(2.0 * product, product)


@written()
def add_hessian(
    code: Code,
    data: Array,
    indices: Array,
    indptr: Array,
    start: Whole,
    place: Array,
    bend: Array,
    column: Array,
    value: Array,
    hessian: Array,
) -> None:
    """Add ``bend_i x_i x_i'`` of rows ``start : start + m`` over the chosen columns and a one.

    Parameters
    ----------
    code : Code
    data, indices, indptr : Array
        The columns of a row ascend.
    start : Whole
    place : Array of int, shape (p,)
        Ascending places of the chosen columns in ``hessian``; -1: not chosen.
    bend : Array, shape (m,)
    column, value : Array, shape (n_chosen + 1,)
        Room for a row.
    hessian : Array, shape (n_chosen + 1, n_chosen + 1)
        The last row and column are those of the one; only the upper triangle is changed.
    """
    entries = _Entries(code, data, indices, indptr)
    n = code.variable(0)
    for i in code.each(bend.size):
        n.now = code.size(0)
        for one, j in entries.of(start + i):
            # A place that is not chosen is written over by the next: no branch to guess wrong.
            own = place[j]
            column[n.now], value[n.now] = own, one
            n.now += (own >= 0).whole()
        column[n.now], value[n.now] = hessian.shape[0] - 1, 1.0
        for s in code.each(n.now + 1):
            scaled, j = bend[i] * value[s], column[s]
            for t in code.each(s, n.now + 1):
                hessian[j, column[t]] += scaled * value[t]
