"""Sweep over what lies beside X, brought to the client: for splitters that want to see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from daskreg._typing import AnyArray, State
from daskreg.design.blocks import Block
from daskreg.design.partials import Sums
from daskreg.exceptions import DataError


@dataclass(frozen=True, eq=False)
class Runs:
    """Values of runs of rows; ``+`` puts them side by side.

    Attributes
    ----------
    parts : tuple of (int, ndarray)
        First row and values of each run.
    """

    parts: tuple[tuple[int, AnyArray], ...]

    def __add__(self, other: Any) -> Runs:
        if not isinstance(other, Runs):
            return NotImplemented
        return Runs(self.parts + other.parts)

    def joined(self) -> AnyArray:
        """Return the values of all rows in their order, shape (n_rows,)."""
        return np.concatenate([values for _, values in sorted(self.parts, key=lambda run: run[0])])

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return sum(int(values.nbytes) for _, values in self.parts)


@dataclass(frozen=True)
class BesideKernel:
    """Collect the first target, or the groups, of every row.

    Parameters
    ----------
    column : {'y', 'groups'}
    """

    name: ClassVar[str] = "beside"
    reads_X: ClassVar[bool] = False
    column: str = "y"

    def __call__(self, block: Block, state: State) -> Sums:
        values = block.y if self.column == "y" else block.groups
        if values is None:
            raise DataError(f"the data have no {self.column}")
        flat = values[:, 0] if values.ndim == 2 else values
        return Sums(values=Runs(((block.start, np.array(flat)),)))


def column_of_rows(design: Any, column: str) -> AnyArray:
    """Return y (its first column) or the groups of all rows, shape (n_rows,); X is not read."""
    found: Runs = design.sum_over_rows(BesideKernel(column))["values"]
    return found.joined()
