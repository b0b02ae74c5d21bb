"""Products of a tile of rows with one column of coefficients, and with one of residuals.

Eight rows share each look at the coefficients, and each at the sums.  Loops of one line a row take
numba longer to compile than all else together: so these are written for the processor at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.core import cgutils, types  # noqa: TID253 - as the compiler
from numba.extending import intrinsic  # noqa: TID253

from .registers import Rows, added_up

#: Rows at a time.
EIGHT = 8


class _Eight:
    """As many rows from one on; the last one stands for those after it."""

    def __init__(self, builder: Any, x: Rows, first: Any, last: Any) -> None:
        size = first.type
        self._builder, self._x = builder, x
        own = [builder.add(first, size(r)) for r in range(EIGHT)]
        #: Whether it is a row, of each.
        self.inside = [builder.icmp_signed("<=", one, last) for one in own]
        self._places = [
            x.place(builder.select(inside, one, last), size(0))
            for one, inside in zip(own, self.inside, strict=True)
        ]

    def along(self, each: Callable[[Any, list[Any], Any], None]) -> None:
        """Write ``each(j, rows, mask)`` for the vectors from column j on, and for what is left.

        The mask of what is left has its columns; that of all others is None.
        """
        builder, x = self._builder, self._x
        length = x.n_columns.type(x.length)
        rest = builder.urem(x.n_columns, length)
        whole = builder.sub(x.n_columns, rest)
        steps = cgutils.for_range_slice(builder, rest.type(0), whole, length, inc=True)
        with steps as (j, _):
            each(j, self._rows(j, None), None)
        with builder.if_then(builder.icmp_unsigned(">", rest, rest.type(0))):
            mask = x.first(rest)
            each(whole, self._rows(whole, mask), mask)

    def _rows(self, j: Any, mask: Any) -> list[Any]:
        return [self._x.load(self._x.after(place, j), mask) for place in self._places]


@intrinsic
def set_one_column(typing: Any, X: Any, start: Any, m: Any, coef: Any, eta: Any):  # type: ignore[no-untyped-def]
    """Set ``eta`` to the products of m rows with ``coef``, and what follows them to anything.

    Parameters
    ----------
    X : ndarray, shape (start + m or more, p)
    start, m : int
    coef : ndarray, shape (1, p)
    eta : ndarray, shape (1, m or more)
        It has a multiple of eight numbers.
    """

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        rows, start, m, column, products = given
        x, out = Rows(context, builder, X, rows), Rows(context, builder, eta, products)
        c = Rows(context, builder, coef, column)
        none, last = m.type(0), builder.sub(builder.add(start, m), m.type(1))
        with cgutils.for_range_slice(builder, none, m, m.type(EIGHT), inc=True) as (e, _):
            sums = x.zeros(EIGHT)

            def add(j: Any, several: list[Any], mask: Any) -> None:
                coefficients = c.load(c.place(none, j), mask)
                for total, row in zip(sums, several, strict=True):
                    x.add_product(total, row, coefficients)

            _Eight(builder, x, builder.add(start, e), last).along(add)
            place = out.place(none, e)
            for total in added_up(builder, [builder.load(one) for one in sums]):
                out.store(place, total)
                place = out.after(place, total.type.count)
        return context.get_dummy_value()

    return types.void(X, types.intp, types.intp, coef, eta), generate


@intrinsic
def add_one_column(typing: Any, X: Any, start: Any, m: Any, r: Any, part: Any):  # type: ignore[no-untyped-def]
    """Add the products of ``r`` with m rows of X to ``part``.

    Parameters
    ----------
    X : ndarray, shape (start + m or more, p)
    start, m : int
    r : ndarray, shape (1, m or more)
        It has a multiple of eight numbers; what follows those of the m rows may be anything.
    part : ndarray, shape (1, p)
    """

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        rows, start, m, residuals, products = given
        x, out = Rows(context, builder, X, rows), Rows(context, builder, part, products)
        left = Rows(context, builder, r, residuals)
        none, last = m.type(0), builder.sub(builder.add(start, m), m.type(1))
        with cgutils.for_range_slice(builder, none, m, m.type(EIGHT), inc=True) as (e, _):
            eight = _Eight(builder, x, builder.add(start, e), last)
            begin = left.place(none, e)
            factors = [
                left.spread(left.after(begin, number), inside)
                for number, inside in enumerate(eight.inside)
            ]

            def add(j: Any, several: list[Any], mask: Any) -> None:
                place = out.place(none, j)
                first, second = (
                    x.product_sum(factors[half], several[half])
                    for half in (slice(0, EIGHT // 2), slice(EIGHT // 2, EIGHT))
                )
                more = builder.fadd(first, second)
                out.store(place, builder.fadd(out.load(place, mask), more), mask)

            eight.along(add)
        return context.get_dummy_value()

    return types.void(X, types.intp, types.intp, r, part), generate
