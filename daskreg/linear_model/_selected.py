"""What stability selection counts, and the columns that it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float, Matrix
from daskreg.exceptions import DataError


@dataclass(frozen=True)
class Columns:
    """Some columns of a run of rows, as numbers."""

    chosen: npt.NDArray[np.intp]

    def __call__(self, X: Matrix) -> AnyArray:
        part: Any = X[:, self.chosen]
        part = part.toarray() if hasattr(part, "toarray") else part
        values = np.asarray(part, dtype=np.float64)
        # What is left out is checked too: it would be in a fit.
        entries = X.data if hasattr(X, "toarray") else X
        if not np.isfinite(entries).all():
            raise DataError("Input X contains NaN or infinity: drop or fill such rows")
        return values


@dataclass
class Counts:
    """What the halves have selected so far.

    Attributes
    ----------
    union : ndarray of bool, shape (n_features, n_halves)
        Selected anywhere on the path.
    single, both : list of ndarray, shape (n_features,)
        Shares of the halves, and of the pairs, of each alpha.
    """

    alphas: Float
    penalised: npt.NDArray[np.bool_]
    union: npt.NDArray[np.bool_]
    single: list[Float]
    both: list[Float]
    mean_selected: float = 0.0

    @classmethod
    def none(cls, alphas: Float, penalised: npt.NDArray[np.bool_], n_halves: int) -> Counts:
        return cls(alphas, penalised, np.zeros((len(penalised), n_halves), dtype=bool), [], [])

    @property
    def n_alphas(self) -> int:
        return len(self.single)

    def add(self, alpha: int, chosen: npt.NDArray[np.bool_], most: float) -> bool:
        """Count (n_features, n_halves) unless that is more than ``most``; say if it was counted.

        The first alpha always is: no path is empty.
        """
        union = self.union | chosen
        mean = float(union[self.penalised].sum(axis=0).mean())
        if alpha > 0 and mean > most:
            return False
        self.union, self.mean_selected = union, mean
        self.single.append(chosen.mean(axis=1))
        self.both.append((chosen[:, 0::2] & chosen[:, 1::2]).mean(axis=1))
        return True
