"""Loops over the rows of a tile that turn products into derivatives of a loss, and sum up.

See `formulas`: what a row is worth is a formula, and so are the loops around it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types  # noqa: TID253 - as the compiler
from numba.extending import intrinsic  # noqa: TID253

from .formulas import Number
from .registers import Rows

#: Of a product, an intercept, y, offset and weight: the derivative, and what is added to each sum.
RowFormula = Callable[[Number, Number, Number, Number, Number], tuple[Number, ...]]

#: Sums may be taken in any order, which makes vectors of them; not finite stays not finite.
ANY_ORDER = ("contract", "reassoc", "nsz")
_FLOAT = ir.DoubleType()


def over_rows(places: Sequence[int]) -> Callable[[RowFormula], Any]:
    """Let compiled code apply a formula to all rows of a tile.

    Parameters
    ----------
    places : sequence of int
        Where its sums belong in ``out``.

    Returns
    -------
    decorator
        Of what becomes ``function(eta, m, intercept, target, y, offset, weight, start, out)``.  It
        turns the products of m rows with C columns into derivatives and adds to ``out`` (C, sums);
        for the others see :func:`~.pointwise.residuals`.
    """

    def decorated(function: RowFormula) -> Any:
        def typed(  # type: ignore[no-untyped-def]
            typing: Any,
            eta: Any,
            m: Any,
            intercept: Any,
            target: Any,
            y: Any,
            offset: Any,
            weight: Any,
            start: Any,
            out: Any,
        ):
            def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
                parts = (
                    Rows(context, builder, kind, one) if isinstance(kind, types.Array) else one
                    for kind, one in zip(signature.args, given, strict=True)
                )
                _Tile(builder, *parts).write(function, places)
                return context.get_dummy_value()

            size = types.intp
            return types.void(eta, size, intercept, target, y, offset, weight, size, out), generate

        return intrinsic(typed)

    return decorated


@dataclass(frozen=True)
class _Tile:
    """What the loops of a tile go over."""

    builder: Any
    eta: Rows
    m: Any
    intercept: Rows
    target: Rows
    y: Rows
    offset: Rows
    weight: Rows
    start: Any
    out: Rows

    def write(self, function: RowFormula, places: Sequence[int]) -> None:
        """Write the loop over the columns."""
        builder, none = self.builder, self.m.type(0)
        with cgutils.for_range(builder, self.intercept.n_columns) as columns:
            k = columns.index
            t = builder.load(self.target.place(none, k))
            intercept = Number(builder, builder.load(self.intercept.place(none, k)))
            beside = (
                self.y.place(t, self.start),
                self._own(self.offset, t),
                self._own(self.weight, k),
            )
            totals = [cgutils.alloca_once_value(builder, _FLOAT(0)) for _ in places]
            self._rows(function, self.eta.place(k, none), intercept, beside, totals)
            for place, total in zip(places, totals, strict=True):
                self._add(builder.load(total), self.out.place(k, none.type(place)))

    def _own(self, numbers: Rows, row: Any) -> Any:
        """Return where those of a column begin: a single row, or tile, is that of all others."""
        builder, none = self.builder, self.m.type(0)
        several = builder.icmp_signed(">", numbers.n_rows, none.type(1))
        whole = builder.icmp_signed("==", numbers.n_columns, self.y.n_columns)
        return numbers.place(
            builder.select(several, row, none), builder.select(whole, self.start, none)
        )

    def _rows(
        self,
        function: RowFormula,
        products: Any,
        intercept: Number,
        beside: Sequence[Any],
        totals: Sequence[Any],
    ) -> None:
        """Write the loop over the rows of a column."""
        builder = self.builder
        with cgutils.for_range(builder, self.m) as rows:
            place = builder.gep(products, [rows.index])
            product = builder.load(place)
            own = (Number(builder, builder.load(builder.gep(one, [rows.index]))) for one in beside)
            derivative, *terms = function(Number(builder, product), intercept, *own)
            for total, term in zip(totals, terms, strict=True):
                self._add(term.value, total)
            value = derivative.value
            if product.type != _FLOAT:
                value = builder.fptrunc(value, product.type)
            builder.store(value, place)

    def _add(self, value: Any, place: Any) -> None:
        more = self.builder.fadd(self.builder.load(place), value, flags=ANY_ORDER)
        self.builder.store(more, place)
