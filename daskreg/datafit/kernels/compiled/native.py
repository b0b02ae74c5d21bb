"""What compiled loops need and numba has no words for: BLAS without Python's lock, prefetching.

BLAS routines are called by their address, see :func:`daskreg._blas.routine`; wrappers of scipy
hold the interpreter's lock while they multiply, so that threads would wait for each other.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_BYTE = ir.IntType(8)
_INT = ir.IntType(32)
#: Cache that prefetched lines go to, as LLVM counts them: the second level.
_LEVEL_TWO = 2


def _pointer(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    return context.make_array(kind)(context, builder, array).data


def _by_reference(builder: Any, value: Any, kind: Any | None = None) -> Any:
    """Return the address of an argument: Fortran takes no values; integers have 32 bits there."""
    if kind is not None:
        value = builder.trunc(value, kind) if value.type.width > kind.width else value
    return cgutils.alloca_once_value(builder, value)


def _letter(builder: Any, letter: str) -> Any:
    return _by_reference(builder, _BYTE(ord(letter)))


def _call(builder: Any, address: Any, arguments: list[Any]) -> None:
    kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
    builder.call(builder.inttoptr(address, kind.as_pointer()), arguments)


def _gemm(transposed: str) -> Any:
    """Make ``C += op(A) B`` of matrices in the order of Fortran: (m, k), (k, n), (m, n)."""

    def typed(typing: Any, routine: Any, m: Any, n: Any, k: Any, A: Any, B: Any, beta: Any, C: Any):  # type: ignore[no-untyped-def]  # fmt: skip
        number = A.dtype

        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            address, *sizes, a, b, scale, c = given
            m, n, k = (_by_reference(builder, size, _INT) for size in sizes)
            one = _by_reference(builder, context.get_constant(number, 1))
            scale = _by_reference(builder, scale)
            a, b, c = (
                _pointer(context, builder, kind, array)
                for kind, array in zip((A, B, C), (a, b, c), strict=True)
            )
            flags = _letter(builder, transposed), _letter(builder, "N")
            rows = m if transposed == "N" else k
            _call(builder, address, [*flags, m, n, k, one, a, rows, b, k, scale, c, m])
            return context.get_dummy_value()

        sizes = types.intp, types.intp, types.intp
        return types.void(types.intp, *sizes, A, B, number, C), generate

    return intrinsic(typed)


#: ``gemm(routine, m, n, k, A, B, beta, C)``: C = A B + beta C, all in the order of Fortran.
gemm = _gemm("N")
#: The same with the transpose of A.
gemm_transposed = _gemm("T")


@intrinsic
def syrk(typing: Any, routine: Any, n: Any, k: Any, A: Any, C: Any):  # type: ignore[no-untyped-def]
    """Add ``A A'`` to the lower triangle of C (n, n), in the order of Fortran; A is (n, k)."""
    number = A.dtype

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        address, n, k, a, c = given
        n, k = (_by_reference(builder, size, _INT) for size in (n, k))
        one = _by_reference(builder, context.get_constant(number, 1))
        a, c = _pointer(context, builder, A, a), _pointer(context, builder, C, c)
        flags = _letter(builder, "L"), _letter(builder, "N")
        _call(builder, address, [*flags, n, k, one, a, n, one, c, n])
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, A, C), generate


@intrinsic
def prefetch(typing: Any, X: Any, i: Any, j: Any):  # type: ignore[no-untyped-def]
    """Ask for the cache line of ``X[i, j]``, to be read soon."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kind, *places = signature.args
        array = context.make_array(kind)(context, builder, given[0])
        places = [
            context.cast(builder, place, given_kind, types.intp)
            for place, given_kind in zip(given[1:], places, strict=True)
        ]
        address = cgutils.get_item_pointer(context, builder, kind, array, places, wraparound=False)
        address = builder.bitcast(address, _BYTE.as_pointer())
        signs = ir.FunctionType(ir.VoidType(), [address.type, _INT, _INT, _INT])
        ask = builder.module.declare_intrinsic("llvm.prefetch", [address.type], signs)
        builder.call(ask, [address, _INT(0), _INT(_LEVEL_TWO), _INT(1)])
        return context.get_dummy_value()

    return types.void(X, i, j), generate
