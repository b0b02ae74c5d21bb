"""What stability selection counts, and what it can promise of the count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float, Matrix
from daskreg.exceptions import DataError


def error_bounds(q: float, n_features: int, threshold: float, n_pairs: int) -> tuple[float, float]:
    r"""Return bounds of the expected number of wrong selections: any distribution, and unimodal.

    Parameters
    ----------
    q : float
        Features that a half selects on average.
    n_features : int
        To choose from.
    threshold : float
        Above 0.5.
    n_pairs : int

    Notes
    -----
    With :math:`\theta = q / p` and :math:`\tau` the threshold the first is
    :math:`\theta q / (2\tau - 1)` and the second :math:`C \theta q` with
    :math:`C = 1 / (2 (2\tau - 1 - 1/2B))` up to :math:`\tau = 3/4` and
    :math:`4 (1 - \tau + 1/2B) / (1 + 1/B)` above (Shah and Samworth 2013, theorem 2).

    Examples
    --------
    >>> error_bounds(q=5.0, n_features=100, threshold=0.75, n_pairs=50)
    (0.5, 0.255...)
    """
    if not n_features:
        return 0.0, 0.0
    theta, half = q / n_features, 0.5 / n_pairs
    plain = theta * q / (2.0 * threshold - 1.0)
    least = min(0.5 + theta**2, 0.5 + half + 0.75 * theta**2)
    if theta > 1.0 / np.sqrt(3.0) or threshold <= least:
        return plain, float("nan")
    if threshold <= 0.75:
        factor = 0.5 / (2.0 * threshold - 1.0 - half)
    else:
        factor = 4.0 * (1.0 - threshold + half) / (1.0 + 2.0 * half)
    return plain, float(factor * theta * q)


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
