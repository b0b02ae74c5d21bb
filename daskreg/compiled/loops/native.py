"""What arithmetic is done by others, and how wide: routines of BLAS, and vectors.

Routines are called by their address, see :func:`daskreg._blas.routine`; wrappers of scipy
hold the interpreter's lock while they multiply, so that threads would wait for each other.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from .arrays import Array
from .values import Whole
from .writing import Code

_BYTE = ir.IntType(8)
_INT = ir.IntType(32)
Sizes = tuple[Whole, Whole, Whole]


def set_gemm(
    code: Code, routine: Whole, sizes: Sizes, A: Array, B: Array, C: Array, strides: Sizes
) -> None:
    """Set C (m, n) to ``A' B``, where A is (k, m) and B (k, n), in the order of Fortran.

    ``sizes`` are m, n and k, ``strides`` the numbers from one column to the next of each matrix.
    """
    _gemm(code, "T", routine, sizes, (A, B, C), strides)


def add_gemm(
    code: Code, routine: Whole, sizes: Sizes, A: Array, B: Array, C: Array, strides: Sizes
) -> None:
    """Add ``A B`` to C (m, n), where A is (m, k) and B (k, n); see :func:`set_gemm`."""
    _gemm(code, "N", routine, sizes, (A, B, C), strides)


def syrk(code: Code, routine: Whole, n: Whole, k: Whole, A: Array, C: Array) -> None:
    """Add ``A A'`` to the lower triangle of C (n, n), in the order of Fortran; A is (n, k)."""
    flags = _letter(code, "L"), _letter(code, "N")
    n_rows, n_columns = _size(code, n), _size(code, k)
    one = _number(code, A, 1)
    _call(code, routine, [*flags, n_rows, n_columns, one, A.data, n_rows, one, C.data, n_rows])


def widest_vectors(code: Code) -> None:
    """Let the loops of this function have the widest vectors of the machine.

    Compilers take half of 512 bits for code that multiplies only now and then; here loops of
    arithmetic in cache have been measured to run 1.5 times as fast with all of them.
    """
    # Its own method knows attributes without a value only.
    set.add(code.function.attributes, '"prefer-vector-width"="512"')


def _gemm(
    code: Code,
    transposed: str,
    routine: Whole,
    sizes: Sizes,
    arrays: tuple[Array, Array, Array],
    strides: Sizes,
) -> None:
    for one in arrays:
        if one.kind.layout != "C":
            raise TypeError(f"expected rows that lie one after the other, got {one.kind}")
    m, n, k = (_size(code, one) for one in sizes)
    lda, ldb, ldc = (_size(code, one) for one in strides)
    A, B, C = arrays
    # Products of what is transposed are set, others are added.
    scales = _number(code, A, 1), _number(code, A, int(transposed == "N"))
    flags = _letter(code, transposed), _letter(code, "N")
    given = [*flags, m, n, k, scales[0], A.data, lda, B.data, ldb, scales[1], C.data, ldc]
    _call(code, routine, given)


def _stored(code: Code, value: Any) -> Any:
    """Return the address of an argument: Fortran takes no values."""
    place = code.room(value.type)
    code.store(value, place)
    return place


def _size(code: Code, one: Whole) -> Any:
    return _stored(code, code.trunc(one.value, _INT))


def _number(code: Code, like: Array, one: int) -> Any:
    return _stored(code, ir.Constant(like.number, one))


def _letter(code: Code, letter: str) -> Any:
    return _stored(code, _BYTE(ord(letter)))


def _call(code: Code, routine: Whole, given: list[Any]) -> None:
    kind = ir.FunctionType(ir.VoidType(), [one.type for one in given])
    code.call(code.inttoptr(routine.value, kind.as_pointer()), given)
