"""Both products of compressed sparse rows with C columns, from the rows alone.

Places are unsigned: whether one counts from the end would be asked of every entry, which takes as
long as its work.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from daskreg._typing import AnyArray, Float

from .compiler import compiled
from .pointwise import SUMS, residuals


@compiled(inline="always")
def _row_products(
    data: AnyArray,
    indices: AnyArray,
    indptr: AnyArray,
    start: int,
    m: int,
    coef: Float,
    each: Float,
    eta: Float,
) -> None:
    """Set ``eta`` (C, m or more) to the products of rows ``start : start + m`` with ``coef``."""
    n_columns = each.size
    for i in range(m):
        if n_columns == 1:
            one = 0.0
            for place in range(np.uint64(indptr[start + i]), np.uint64(indptr[start + i + 1])):
                one += data[place] * coef[np.uint64(indices[place]), 0]
            eta[0, i] = one
            continue
        for k in range(n_columns):
            each[k] = 0.0
        for place in range(np.uint64(indptr[start + i]), np.uint64(indptr[start + i + 1])):
            value, j = np.float64(data[place]), np.uint64(indices[place])
            for k in range(np.uint64(n_columns)):
                each[k] += value * coef[j, k]
        for k in range(n_columns):
            eta[k, i] = each[k]


@compiled(inline="always")
def _add_rows(
    data: AnyArray,
    indices: AnyArray,
    indptr: AnyArray,
    start: int,
    m: int,
    r: Float,
    each: Float,
    grad: Float,
) -> None:
    """Add ``X' r`` of rows ``start : start + m`` to ``grad`` (p, C); r is (C, m or more)."""
    n_columns = each.size
    for i in range(m):
        if n_columns == 1:
            one = r[0, i]
            for place in range(np.uint64(indptr[start + i]), np.uint64(indptr[start + i + 1])):
                grad[np.uint64(indices[place]), 0] += data[place] * one
            continue
        for k in range(n_columns):
            each[k] = r[k, i]
        for place in range(np.uint64(indptr[start + i]), np.uint64(indptr[start + i + 1])):
            value, j = np.float64(data[place]), np.uint64(indices[place])
            for k in range(np.uint64(n_columns)):
                grad[j, k] += value * each[k]


@compiled(fastmath=SUMS)
def sparse_rows(
    data: AnyArray,
    indices: AnyArray,
    indptr: AnyArray,
    coef: Float,
    intercept: Float,
    target: AnyArray,
    y: Float,
    offset: Float,
    weight: Float,
    each: Float,
    room: Float,
    first: int,
    of_numbers: Any,
    of_labels: Any,
    grad: Float,
) -> None:
    """Add the sums of C columns of coefficients over as many rows as y has, from ``first`` on.

    Parameters
    ----------
    data, indices, indptr : ndarray
        All rows.
    intercept, target, y, offset, weight, of_numbers, of_labels
        See :func:`residuals`.
    coef, grad : ndarray, shape (p, C)
    each : ndarray, shape (C,)
    room : ndarray, shape (C, rows)
        Both of any content: for one row, and for the products of one tile.
    """
    rows = room.shape[1]
    for start in range(0, y.shape[1], rows):
        m = rows if rows < y.shape[1] - start else y.shape[1] - start
        _row_products(data, indices, indptr, first + start, m, coef, each, room)
        residuals(room, m, intercept, target, y, offset, weight, start, of_numbers, of_labels)
        _add_rows(data, indices, indptr, first + start, m, room, each, grad)


@compiled(fastmath={"contract"})
def add_moments(
    data: AnyArray,
    indices: AnyArray,
    indptr: AnyArray,
    rows: AnyArray,
    shift: Float,
    right: Float,
    sums: Float,
) -> None:
    """Add the sums of ``d = root (x - shift)`` over the entries x of some rows.

    Parameters
    ----------
    data, indices, indptr : ndarray
    rows : ndarray of int, shape (m,)
    shift : ndarray, shape (p,) or (0,)
        Empty: nothing is subtracted.
    right : ndarray, shape (m, 1 + q)
        The first column is root, the square root of the weights.
    sums : ndarray, shape (p, 2 + q)
        Of d d, and of d with each column of ``right``.
    """
    width = right.shape[1]
    for i in range(len(rows)):
        root = right[i, 0]
        for place in range(np.uint64(indptr[rows[i]]), np.uint64(indptr[rows[i] + 1])):
            j = np.uint64(indices[place])
            d = np.float64(data[place])
            if shift.size:
                d -= shift[j]
            d *= root
            sums[j, 0] += d * d
            for k in range(width):
                sums[j, 1 + k] += d * right[i, k]


@compiled(fastmath={"contract"})
def add_by_label(
    data: AnyArray,
    indices: AnyArray,
    indptr: AnyArray,
    rows: AnyArray,
    codes: AnyArray,
    weight: Any,
    table: Float,
) -> None:
    """Add the squares of the entries of some rows, and the entries of each label.

    Parameters
    ----------
    data, indices, indptr : ndarray
    rows : ndarray of int, shape (m,)
    codes : ndarray of int, shape (m,)
        Label of each of them.
    weight : ndarray, shape (m,), or None
    table : ndarray, shape (p, 1 + q)
    """
    for i in range(len(rows)):
        one = 1.0 if weight is None else weight[i]
        own = np.uint64(1 + codes[i])
        for place in range(np.uint64(indptr[rows[i]]), np.uint64(indptr[rows[i] + 1])):
            j = np.uint64(indices[place])
            value = np.float64(data[place])
            weighted = one * value
            table[j, 0] += weighted * value
            table[j, own] += weighted


@compiled(fastmath={"contract"})
def add_gram(
    data: AnyArray,
    indices: AnyArray,
    indptr: AnyArray,
    rows: AnyArray,
    shift: Float,
    right: Float,
    gram: Float,
) -> None:
    """Add the products of the columns of ``d`` with one another to the upper triangle of ``gram``.

    Parameters are those of :func:`add_moments`.  Columns of a row come in any order; one that is
    there twice counts with its sum.
    """
    for i in range(len(rows)):
        weight = right[i, 0] * right[i, 0]
        stop = np.uint64(indptr[rows[i] + 1])
        for place in range(np.uint64(indptr[rows[i]]), stop):
            value, j = np.float64(data[place]), np.uint64(indices[place])
            if shift.size:
                value -= shift[j]
            weighted = weight * value
            gram[j, j] += weighted * value
            for other in range(place + np.uint64(1), stop):
                k = np.uint64(indices[other])
                product = np.float64(data[other])
                if shift.size:
                    product -= shift[k]
                product *= weighted
                if j < k:
                    gram[j, k] += product
                elif k < j:
                    gram[k, j] += product
                else:
                    gram[j, j] += 2.0 * product


@compiled(fastmath={"contract"})
def add_hessian(
    data: AnyArray,
    indices: AnyArray,
    indptr: AnyArray,
    start: int,
    place: AnyArray,
    bend: Float,
    column: AnyArray,
    value: Float,
    hessian: Float,
) -> None:
    """Add ``bend_i x_i x_i'`` of rows ``start : start + m`` over the chosen columns and a one.

    Parameters
    ----------
    data, indices, indptr : ndarray
        The columns of a row ascend.
    start : int
    place : ndarray of int, shape (p,)
        Ascending places of the chosen columns in ``hessian``; -1: not chosen.
    bend : ndarray, shape (m,)
    column, value : ndarray, shape (n_chosen + 1,)
        Room for a row.
    hessian : ndarray, shape (n_chosen + 1, n_chosen + 1)
        The last row and column are those of the one; only the upper triangle is changed.
    """
    last = len(hessian) - 1
    for i in range(len(bend)):
        n = 0
        for entry in range(np.uint64(indptr[start + i]), np.uint64(indptr[start + i + 1])):
            # A place that is not chosen is written over by the next: no branch to guess wrong.
            j = place[np.uint64(indices[entry])]
            column[n], value[n] = j, data[entry]
            n += j >= 0
        column[n], value[n] = last, 1.0
        for s in range(n + 1):
            scaled, j = bend[i] * value[s], np.uint64(column[s])
            for t in range(s, n + 1):
                hessian[j, np.uint64(column[t])] += scaled * value[t]
