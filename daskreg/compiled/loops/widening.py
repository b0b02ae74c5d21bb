"""Rows in a type that takes less room, or that are to be shifted, on their way into cache."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import overload  # noqa: TID253 - as the compiler

from daskreg._typing import AnyArray

from .compiler import compiled

#: Moves the exponent of a half precision number to where float32 has it.
HALF_SCALE = np.float32(2.0**112)


@compiled(forceinline=True)
def widen_half(bits: int) -> np.float32:
    """Return the float32 of the bits of a float16."""
    raw = np.uint32(np.uint32(bits & 0x7FFF) << np.uint32(13))
    finite = np.float32(raw.view(np.float32) * HALF_SCALE).view(np.uint32)
    size = finite if raw < np.uint32(0x0F800000) else np.uint32(raw | np.uint32(0x7F800000))
    sign = np.uint32(np.uint32(bits & 0x8000) << np.uint32(16))
    return np.uint32(size | sign).view(np.float32)


@compiled(forceinline=True)
def widen_brain(bits: int) -> np.float32:
    """Return the float32 of the bits of a bfloat16: its upper ones."""
    return np.uint32(np.uint32(bits & 0xFFFF) << np.uint32(16)).view(np.float32)


def widen_bits(bits: Any) -> np.float32:
    """Return the float32 of the bits of a float16, unsigned, or of a bfloat16, signed."""
    raise NotImplementedError("compiled loops call this")


@overload(widen_bits, strict=False)
def _widen_bits(bits: Any) -> Any:
    if bits.signed:
        return lambda bits: widen_brain(bits)
    return lambda bits: widen_half(bits)


@compiled(inline="always")
def widen(X: AnyArray, half: Any, shift: Any, out: AnyArray) -> None:
    """Copy rows of X, less ``shift`` (p,) if there is one, to the first rows of ``out``.

    ``half`` is None unless X holds the bits of short floats.
    """
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            u = out.dtype.type(X[i, j]) if half is None else widen_bits(X[i, j])
            out[i, j] = u if shift is None else u - shift[j]
