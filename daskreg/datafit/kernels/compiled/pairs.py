"""Products of all pairs of columns of a few rows, added up in the registers of the processor.

BLAS arranges the rows of a matrix anew before it multiplies them, which takes as long as the
products where there are some hundred columns.  Here rows are few enough to stay in the first
cache, and are read where they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types  # noqa: TID253 - this package is loaded only for large data
from numba.core.registry import cpu_target  # noqa: TID253
from numba.extending import intrinsic  # noqa: TID253

from daskreg._compiler import compiled
from daskreg._typing import AnyArray

from .native import widest_vectors

#: What numba compiles for, and keeps code by: the rows that are made here are laid out for it.
_FEATURES = cpu_target.target_context.codegen().magic_tuple()[2].split(",")
#: Bytes of a vector: those of AVX-512, of AVX, and of what every processor has.
VECTOR = 64 if "+avx512f" in _FEATURES else 32 if "+avx" in _FEATURES else 16
#: Left columns of a tile of products, and vectors of right ones: all their sums, one left number
#: and the right ones fill the registers, of which there are 32 or 16.
LEFT = 8 if "+avx512f" in _FEATURES or "+neon" in _FEATURES else 4
RIGHT = 3


def padded(n_columns: int, dtype: np.dtype[Any]) -> int:
    """Return the columns that rows and their products need in memory, with those that are zeros."""
    unit = max(LEFT, VECTOR // dtype.itemsize)
    return -(-n_columns // unit) * unit


def _tile(n_vectors: int) -> Any:
    """Return a function for tiles of so many vectors of right columns."""

    def typed(typing: Any, A: Any, m: Any, i: Any, j: Any, C: Any):  # type: ignore[no-untyped-def]
        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            rows, m, i, j, products = given
            a, c = (
                context.make_array(kind)(context, builder, array)
                for kind, array in ((A, rows), (C, products))
            )
            number = context.get_value_type(A.dtype)
            itemsize = A.dtype.bitwidth // 8
            length = VECTOR // itemsize
            vector = ir.VectorType(number, length)
            nothing = ir.Constant(vector, ir.Undefined)
            first = ir.Constant(ir.VectorType(ir.IntType(32), length), [0] * length)
            width = cgutils.unpack_tuple(builder, a.shape, 2)[1]

            def moved(pointer: Any, by: Any) -> Any:
                return builder.gep(pointer, [by if isinstance(by, ir.Value) else i.type(by)])

            def several(pointer: Any) -> Any:
                return builder.bitcast(pointer, vector.as_pointer())

            def load(pointer: Any) -> Any:
                return builder.load(several(pointer), align=itemsize)

            # Sums of a piece alone: added on to those before, they would be chains of thousands.
            places, totals = [], []
            for r in range(LEFT):
                begin = builder.add(builder.mul(builder.add(i, i.type(r)), width), j)
                own = moved(c.data, begin)
                for v in range(n_vectors):
                    places.append(moved(own, v * length))
                    totals.append(cgutils.alloca_once(builder, vector))
                    builder.store(ir.Constant(vector, None), totals[-1])
            with cgutils.for_range(builder, m) as loop:
                of_row = moved(a.data, builder.mul(loop.index, width))
                left, right = moved(of_row, i), moved(of_row, j)
                others = [load(moved(right, v * length)) for v in range(n_vectors)]
                for r in range(LEFT):
                    one = builder.insert_element(
                        nothing, builder.load(moved(left, r)), ir.IntType(32)(0)
                    )
                    same = builder.shuffle_vector(one, nothing, first)
                    for total, other in zip(totals[r * n_vectors :], others, strict=False):
                        product = builder.fmul(same, other, flags=("contract",))
                        more = builder.fadd(builder.load(total), product, flags=("contract",))
                        builder.store(more, total)
            for place, total in zip(places, totals, strict=True):
                more = builder.fadd(load(place), builder.load(total))
                builder.store(more, several(place), align=itemsize)
            return context.get_dummy_value()

        return types.void(A, types.intp, types.intp, types.intp, C), generate

    return intrinsic(typed)


#: ``tile(A, m, i, j, C)`` adds the products of columns i ... of A, (m or more, n), with columns
#: j ... to C, (n, n).
_one, _two, _three = _tile(1), _tile(2), _tile(3)
assert RIGHT == 3


@compiled()
def add_pairs(A: AnyArray, m: int, C: AnyArray) -> None:
    """Add ``A' A`` of m rows to the upper triangle of C; below it anything may change.

    Parameters
    ----------
    A : ndarray, shape (m or more, n)
        n is a number of columns that is :func:`padded`.
    m : int
    C : ndarray, shape (n, n)
        In the type of A.
    """
    widest_vectors()
    n, length = len(C), VECTOR // C.itemsize
    for i in range(0, n, LEFT):
        for j in range(i // length * length, n, RIGHT * length):
            left = n - j
            if left >= 3 * length:
                _three(A, m, i, j, C)
            elif left >= 2 * length:
                _two(A, m, i, j, C)
            else:
                _one(A, m, i, j, C)
