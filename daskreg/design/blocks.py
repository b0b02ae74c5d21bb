"""A block: a run of rows of X with what lies beside them, and their row numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from daskreg._typing import AnyArray, Float, Matrix

#: What a row may have beside its values of X, in the order in which it is read.
BESIDE = ("y", "sample_weight", "offset", "groups")


@dataclass(frozen=True, slots=True)
class Block:
    """Rows ``start : start + n_rows`` of the data, as a kernel sees them.

    Attributes
    ----------
    X : ndarray or csr_array, shape (n_rows, n_features)
        C-contiguous, in its storage type (bool, int8 ... float64). Read-only by agreement:
        a pinned block is shared by every later pass.
    y : ndarray, shape (n_rows, n_outputs), or None
        As stored: float, integer, bool or string labels.
    sample_weight : ndarray of float64, shape (n_rows,), or None
        None means that every row weighs one.
    offset : ndarray of float64, shape (n_rows, n_outputs or 1), or None
        Added to the linear predictor, in its unit.
    start : int
        Number of the first row in the whole data.
    index : int
        Number of the block in the whole data.
    groups : ndarray, shape (n_rows,), or None
        Rows of one group belong together (a patient, a site, a day).  As stored: bool, number or
        string.
    """

    X: Matrix
    y: AnyArray | None
    sample_weight: Float | None
    offset: Float | None
    start: int
    index: int
    groups: AnyArray | None = None

    @property
    def n_rows(self) -> int:
        return int(self.X.shape[0])

    def beside(self) -> dict[str, AnyArray]:
        """What there is beside X, by name."""
        named = ((name, getattr(self, name)) for name in BESIDE)
        return {name: array for name, array in named if array is not None}

    def rows(self, start: int, stop: int, X: Matrix) -> Block:
        """The block of its rows ``start:stop``, with their X."""
        beside: dict[str, Any] = {name: array[start:stop] for name, array in self.beside().items()}
        return replace(self, X=X, start=self.start + start, **beside)
