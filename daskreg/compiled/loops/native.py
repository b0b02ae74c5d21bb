"""What compiled loops need and numba has no words for: BLAS without Python's lock, wide vectors.

BLAS routines are called by their address, see :func:`daskreg._blas.routine`; wrappers of scipy
hold the interpreter's lock while they multiply, so that threads would wait for each other.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types  # noqa: TID253 - as the compiler
from numba.extending import intrinsic  # noqa: TID253

_BYTE = ir.IntType(8)
_INT = ir.IntType(32)


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
    def typed(typing: Any, routine: Any, sizes: Any, A: Any, B: Any, C: Any, strides: Any):  # type: ignore[no-untyped-def]
        number = A.dtype
        for kind in (A, B, C):
            if kind.layout != "C":
                raise TypeError(f"expected rows that lie one after the other, got {kind}")

        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            address, sizes, *arrays, strides = given
            m, n, k = (
                _by_reference(builder, one, _INT) for one in cgutils.unpack_tuple(builder, sizes, 3)
            )
            lda, ldb, ldc = (
                _by_reference(builder, one, _INT)
                for one in cgutils.unpack_tuple(builder, strides, 3)
            )
            one = _by_reference(builder, context.get_constant(number, 1))
            # Products of what is transposed are set, others are added.
            more = _by_reference(builder, context.get_constant(number, int(transposed == "N")))
            a, b, c = (
                _pointer(context, builder, kind, array)
                for kind, array in zip((A, B, C), arrays, strict=True)
            )
            flags = _letter(builder, transposed), _letter(builder, "N")
            _call(builder, address, [*flags, m, n, k, one, a, lda, b, ldb, more, c, ldc])
            return context.get_dummy_value()

        three = types.UniTuple(types.intp, 3)  # type: ignore[attr-defined]
        return types.void(types.intp, three, A, B, C, three), generate

    return intrinsic(typed)


#: ``add_gemm(routine, (m, n, k), A, B, C, (lda, ldb, ldc))`` adds A B to C, (m, k), (k, n) and
#: (m, n) in the order of Fortran; ``set_gemm`` sets C to A' B, where A is (k, m).
add_gemm, set_gemm = _gemm("N"), _gemm("T")


@intrinsic
def widest_vectors(typing: Any):  # type: ignore[no-untyped-def]
    """Let the loops of this function have the widest vectors of the machine.

    Compilers take half of 512 bits for code that multiplies only now and then; here loops of
    arithmetic in cache have been measured to run 1.5 times as fast with all of them.
    """

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        known = builder.function.attributes
        if isinstance(known, set):  # its own method knows attributes without a value only
            set.add(known, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate


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
