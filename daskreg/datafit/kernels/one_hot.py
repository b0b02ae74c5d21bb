"""Codes of labels, seen as targets that are one where a row has the label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float

#: Numbers of one tile of targets, where there are more than a few labels.
TILE_NUMBERS = 2**17
FEW = 16


@dataclass(frozen=True, eq=False)
class OneHot:
    """An array of shape (n_rows, n_labels) of which only the rows asked for are ever made.

    Attributes
    ----------
    codes : ndarray of int, shape (n_rows,)
    n_labels : int
    """

    codes: npt.NDArray[np.intp]
    n_labels: int

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.codes), self.n_labels

    def __getitem__(self, rows: Any) -> Float:
        codes = self.codes[rows]
        return np.asarray(np.arange(self.n_labels)[:, None] == codes, dtype=np.float64).T

    def tile_rows(self, most: int) -> int:
        """Return the rows of a tile, ``most`` unless their targets would take much memory."""
        if self.n_labels <= FEW:
            return most
        return min(most, max(256, TILE_NUMBERS // self.n_labels))
