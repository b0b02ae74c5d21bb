"""A block: a run of rows of X with their y, weights, offset and row numbers."""

from __future__ import annotations

from dataclasses import dataclass

from daskreg._typing import AnyArray, Float, Matrix


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
    """

    X: Matrix
    y: AnyArray | None
    sample_weight: Float | None
    offset: Float | None
    start: int
    index: int

    @property
    def n_rows(self) -> int:
        return int(self.X.shape[0])
