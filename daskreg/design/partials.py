"""Partials: one block's share of several sums over rows, by name."""

from __future__ import annotations

import sys
from typing import Any


class Sums(dict[str, Any]):
    """Sums by name; ``+`` adds key by key and leaves both operands as they are.

    Values are float64 arrays, numbers or anything else with ``+``.  Both operands must have
    the same keys: a sum that one block leaves out would silently be wrong.
    """

    def __add__(self, other: Any) -> Sums:
        if not isinstance(other, Sums):
            return NotImplemented
        if self.keys() != other.keys():
            raise KeyError(f"cannot add {sorted(self)} and {sorted(other)}: the names differ")
        return Sums({name: value + other[name] for name, value in self.items()})

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return sum(int(getattr(v, "nbytes", 0) or sys.getsizeof(v)) for v in self.values())
