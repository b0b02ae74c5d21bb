"""Facts: what is known of a design's rows without reading any."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from .columns import Columns


class Facts(ABC):
    """Sizes and types of the columns of a design."""

    @property
    @abstractmethod
    def _columns(self) -> Columns:
        """The rows of X and of what lies beside."""

    @property
    def n_samples(self) -> int | None:
        return self._columns.X.n_rows

    @property
    def n_features(self) -> int:
        return self._columns.X.n_columns

    @property
    def n_targets(self) -> int:
        return self._columns.y.n_columns if self._columns.y is not None else 0

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._columns.X.dtype

    @property
    def sparse(self) -> bool:
        return self._columns.X.sparse

    @property
    def has_weights(self) -> bool:
        return self._columns.sample_weight is not None

    @property
    def has_offset(self) -> bool:
        return self._columns.offset is not None

    @property
    def has_groups(self) -> bool:
        return self._columns.groups is not None

    @property
    def row_chunks(self) -> tuple[int, ...] | None:
        """Lengths of the natural runs of rows of X."""
        return self._columns.X.row_chunks

    @property
    def beside_is_cheap(self) -> bool:
        """Whether what lies beside X can be read without computing a collection."""
        return not any(rows.computed for name, rows in self._columns.parts() if name != "X")

    @property
    def row_nbytes(self) -> float:
        """Bytes of a row of X in its storage type; of sparse X on average."""
        return float(self._columns.X.row_nbytes)

    @property
    def resident(self) -> bool:
        """Whether X lies in the memory of this process."""
        return self._columns.X.resident

    @property
    def takes_whole_rows(self) -> bool:
        """Whether these are selected columns, and whole rows are read for them."""
        return self._columns.X.takes_whole_rows
