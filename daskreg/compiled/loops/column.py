"""Products of a tile of rows with one column of coefficients, and with one of residuals.

Eight rows share each look at the coefficients, and each at the sums.  Where asking pays, either
product asks for half of the rows of the next tile: memory is never idle then, and two tiles stay in
the first cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .arrays import Array
from .registers import Rows, added_up
from .values import Whole
from .writing import Code

#: Rows at a time, and both halves of them.
EIGHT = 8
HALVES = slice(0, EIGHT // 2), slice(EIGHT // 2, EIGHT)


class _Eight:
    """As many rows from one on; the last one stands for those after it.

    What lies ``ahead`` numbers after those of a half is fetched when they are looked at.
    """

    def __init__(
        self, code: Code, x: Rows, first: Whole, last: Whole, ahead: Whole | None, half: slice
    ) -> None:
        self._code, self._x, self._ahead, self._half = code, x, ahead, half
        own = [first + r for r in range(EIGHT)]
        #: Whether it is a row, of each.
        self.inside = [one <= last for one in own]
        self._places = [x.place(one.at_most(last), 0) for one in own]

    def along(self, each: Callable[[Whole, list[Any], Any], None]) -> None:
        """Write ``each(j, rows, mask)`` for the vectors from column j on, and for what is left.

        The mask of what is left has its columns; that of all others is None.
        """
        x = self._x
        rest = x.n_columns % x.length
        whole = x.n_columns - rest
        for j in self._code.each(0, whole, x.length):
            each(j, self._rows(j, None), None)
        with self._code.when(rest > 0):
            mask = x.first(rest)
            each(whole, self._rows(whole, mask), mask)

    def _rows(self, j: Whole, mask: Any) -> list[Any]:
        if self._ahead is not None:
            for place in self._places[self._half]:
                self._x.fetch(self._x.after(place, j + self._ahead))
        return [self._x.load(self._x.after(place, j), mask) for place in self._places]


def set_one_column(
    code: Code, X: Array, start: Whole, m: Whole, coef: Array, eta: Array, ahead: Whole | None
) -> None:
    """Set ``eta`` to the products of m rows with ``coef``, and what follows them to anything.

    Parameters
    ----------
    code : Code
    X : Array, shape (start + m or more, p)
    start, m : Whole
    coef : Array, shape (1, p)
    eta : Array, shape (1, m or more)
        It has a multiple of eight numbers.
    ahead : Whole or None
        How many numbers after those of a row the next tile has its own, which need not be there.
    """
    x, c, out = Rows(code, X), Rows(code, coef), Rows(code, eta)
    for e in code.each(0, m, EIGHT):
        sums = x.zeros(EIGHT)

        def add(j: Whole, several: list[Any], mask: Any, sums: list[Any] = sums) -> None:
            coefficients = c.load(c.place(0, j), mask)
            for total, row in zip(sums, several, strict=True):
                x.add_product(total, row, coefficients)

        _Eight(code, x, start + e, start + m - 1, ahead, HALVES[0]).along(add)
        place = out.place(0, e)
        for total in added_up(code, [code.load(one) for one in sums]):
            out.store(place, total)
            place = out.after(place, total.type.count)


def add_one_column(
    code: Code, X: Array, start: Whole, m: Whole, r: Array, part: Array, ahead: Whole | None
) -> None:
    """Add the products of ``r`` with m rows of X to ``part``.

    Parameters
    ----------
    code : Code
    X : Array, shape (start + m or more, p)
    start, m : Whole
    r : Array, shape (1, m or more)
        It has a multiple of eight numbers; what follows those of the m rows may be anything.
    part : Array, shape (1, p)
    ahead : Whole or None
        As in :func:`set_one_column`.
    """
    x, left, out = Rows(code, X), Rows(code, r), Rows(code, part)
    for e in code.each(0, m, EIGHT):
        eight = _Eight(code, x, start + e, start + m - 1, ahead, HALVES[1])
        begin = left.place(0, e)
        factors = [
            left.spread(left.after(begin, number), inside)
            for number, inside in enumerate(eight.inside)
        ]

        def add(j: Whole, several: list[Any], mask: Any, factors: list[Any] = factors) -> None:
            place = out.place(0, j)
            first, second = (x.product_sum(factors[half], several[half]) for half in HALVES)
            more = code.fadd(first, second)
            out.store(place, code.fadd(out.load(place, mask), more), mask)

        eight.along(add)
