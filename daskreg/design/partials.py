"""Partials: one block's share of several sums over rows, by name."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from daskreg._typing import AnyArray

#: Bytes of an array from which it is added to in place.
LARGE = 2**17


class Sums(dict[str, Any]):
    """Sums by name; ``+`` adds key by key and leaves both operands as they are.

    Values are float64 arrays, numbers or anything else with ``+``, and with ``absorb`` if it is
    to add in its own memory.  Both operands must have the same keys: a sum that one block leaves
    out would silently be wrong.
    """

    def __add__(self, other: Any) -> Sums:
        if not isinstance(other, Sums):
            return NotImplemented
        if self.keys() != other.keys():
            raise KeyError(f"cannot add {sorted(self)} and {sorted(other)}: the names differ")
        return Sums({name: value + other[name] for name, value in self.items()})

    def absorb(self, other: Any) -> Sums:
        """Add like ``+``, the large arrays in their own memory: of no use afterwards itself.

        Fresh memory for a large sum takes the system longer than the addition.
        """
        if not isinstance(other, Sums) or self.keys() != other.keys():
            return self + other
        for name, value in other.items():
            self[name] = _absorbed(self[name], value)
        return self

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return sum(int(getattr(v, "nbytes", 0) or sys.getsizeof(v)) for v in self.values())


def _absorbed(value: Any, other: Any) -> Any:
    if isinstance(value, np.ndarray) and value.nbytes >= LARGE and _fits(value, other):
        value += other
        return value
    absorb = getattr(value, "absorb", None)  # of those that hold large arrays
    return value + other if absorb is None else absorb(other)


def _fits(value: AnyArray, other: Any) -> bool:
    alike = isinstance(other, np.ndarray) and value.shape == other.shape
    return alike and value.dtype == other.dtype and value.flags.writeable


def absorbed(first: Any, second: Any) -> Any:
    """``first + second``, where nobody else knows ``first``."""
    return first.absorb(second) if isinstance(first, Sums) else first + second
