"""Sums of the columns of a tile and of their squares and products with targets, in one look."""

from __future__ import annotations

from collections.abc import Sequence

from .arrays import Array
from .native import syrk, widest_vectors
from .pairs import add_pairs
from .values import Number, Truth, Whole
from .widening import stored_number
from .writing import Code, written

#: Rows that share each look at the sums.
FOUR = 4


@written()
def add_moments(
    code: Code,
    X: Array,
    half: Truth | None,
    shift: Array,
    root: Array,
    right: Array,
    first: Array,
    squares: Array,
    cross: Array,
    room: Array | None,
    routine: Whole | None,
    part: Array | None,
    gram: Array | None,
    waiting: Whole,
    flush: Whole,
) -> Whole:
    """Add the sums of ``d = root (X - shift)`` over all rows, and ``d' d``, if it is asked for.

    Rows are taken in pieces, which are multiplied while they are in cache.

    Parameters
    ----------
    code : Code
    X : Array, shape (n, p)
    half : Truth or None
        See :func:`~.widening.stored_number`.
    shift : Array, shape (p,)
    root : Array, shape (n,)
        Square roots of the weights.
    right : Array, shape (q, n)
        Targets, q at least 1.
    first, squares : Array, shape (p,)
        Sums of ``root d`` and of ``d d``.
    cross : Array, shape (q, p)
        Sums of ``right d``.
    room : Array, shape (rows, p or more), or None
        Where d of a piece is left, in the type of the products.
    routine : Whole or None
        Address of syrk, for the products; None: room and part are for :func:`add_pairs`.
    part, gram : Array, shape (p or more, p or more) and (p, p), or None
        Upper triangles that products are added to; ``part`` goes to ``gram`` every ``flush`` rows.
    waiting : Whole
        Rows that are in ``part``.

    Returns
    -------
    Whole
        Rows that are in ``part`` now.
    """
    widest_vectors(code)
    n, p = X.shape
    piece = _Piece(code, X, half, shift, root, right, first, squares, cross, room)
    now = code.variable(waiting)
    for start in code.each(0, n, n if room is None else room.shape[0]):
        m = n - start if room is None else (n - start).at_most(room.shape[0])
        piece.add(start, m)
        if room is not None and part is not None and gram is not None:
            if routine is None:
                add_pairs(code, room, m, part)
            else:
                # In the order of Fortran the lower triangle is the upper one here.
                syrk(code, routine, p, m, room, part)
            now.now += m
            with code.when(now.now >= flush):
                _add_upper(code, part, gram)
                now.now = code.size(0)
    return now.now


class _Piece:
    """What the sums of a few rows are made of; see :func:`add_moments`."""

    def __init__(
        self,
        code: Code,
        X: Array,
        half: Truth | None,
        shift: Array,
        root: Array,
        right: Array,
        first: Array,
        squares: Array,
        cross: Array,
        out: Array | None,
    ) -> None:
        self._code, self._X, self._half, self._shift = code, X, half, shift
        self._root, self._right = root, right
        self._first, self._squares, self._cross, self._out = first, squares, cross, out

    def add(self, start: Whole, m: Whole) -> None:
        """Add the sums of m rows; keep their ``d`` in the first rows of ``out``."""
        fours = m - m % FOUR
        for k in self._code.each(0, fours, FOUR):
            self._add(start, [k + r for r in range(FOUR)])
        for k in self._code.each(fours, m):
            self._add(start, [k])
        code, X = self._code, self._X
        for t in code.each(1, self._right.shape[0]):
            for i in code.each(start, start + m):
                z = self._right[t, i] * self._root[i]
                for j in code.apart(X.shape[1]):
                    d = stored_number(X, i, j, self._half) - self._shift[j]
                    self._cross[t, j] += z * d

    def _add(self, start: Whole, rows: Sequence[Whole]) -> None:
        """Add those of some rows, in one look at the sums."""
        own = [start + k for k in rows]
        roots, targets = [self._root[i] for i in own], [self._right[0, i] for i in own]
        for j in self._code.apart(self._X.shape[1]):
            s = self._shift[j]
            several = [
                root * (stored_number(self._X, i, j, self._half) - s)
                for i, root in zip(own, roots, strict=True)
            ]
            for sums, factors in ((self._first, roots), (self._squares, several)):
                sums[j] += _dot(factors, several)
            self._cross[0, j] += _dot(targets, several)
            if self._out is not None:
                for k, d in zip(rows, several, strict=True):
                    self._out[k, j] = d


def _dot(left: Sequence[Number], right: Sequence[Number]) -> Number:
    """Return the sum of the products of pairs, added up two by two."""
    sums = [one * other for one, other in zip(left, right, strict=True)]
    while len(sums) > 1:
        sums = [sum(sums[at + 1 : at + 2], sums[at]) for at in range(0, len(sums), 2)]
    return sums[0]


def _add_upper(code: Code, part: Array, gram: Array) -> None:
    """Move the upper triangle of ``part`` to ``gram``."""
    p = gram.shape[0]
    for i in code.each(p):
        for d in code.apart(p - i):
            gram[i, i + d] += part[i, i + d]
            part[i, i + d] = 0.0
