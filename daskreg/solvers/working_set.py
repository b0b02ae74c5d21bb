"""Which columns the next problems of a path may use, by the last gradient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float
from daskreg.penalties import ElasticNet

#: Share of the fall of alpha by which a gradient entry may rise; 1 is the strong rule.
RISE = 0.5
#: Share of alpha above which a column is wanted that a solution has left out without a certificate.
NEAR = 0.8


@dataclass(frozen=True)
class Paths:
    """Problems that differ by alpha alone form a path.

    Attributes
    ----------
    which : array of int, shape (K,)
        Path of each problem.
    n_paths : int
        Paths that there were at first; ended ones keep their number.
    representatives : array of int, shape (n_paths,)
        A problem of each path, at the beginning.
    """

    which: npt.NDArray[np.intp]
    n_paths: int
    representatives: npt.NDArray[np.intp]

    @classmethod
    def of(cls, datafit: Any, penalty: ElasticNet) -> Paths:
        """Group problems of equal l1_ratio, target and weighting of the rows."""
        keys = np.column_stack([penalty.l1_ratio, datafit.output, datafit.weighting])
        _, first, which = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        which = np.asarray(which, dtype=np.intp).reshape(-1)
        return cls(which, len(first), np.asarray(first, dtype=np.intp))

    def take(self, columns: AnyArray) -> Paths:
        return replace(self, which=self.which[columns])

    def largest(self, alpha: Float) -> Float:
        """Largest alpha of each path, shape (n_paths,); 0 where none is left."""
        largest = np.zeros(self.n_paths)
        np.maximum.at(largest, self.which, alpha)
        return largest

    def next_problems(self, alpha: Float, length: int) -> npt.NDArray[np.intp]:
        """The ``length`` largest alphas of every path that goes on, in ascending number."""
        chosen = []
        for path in np.unique(self.which):
            own = np.flatnonzero(self.which == path)
            chosen.append(own[np.argsort(-alpha[own], kind="stable")[:length]])
        return np.sort(np.concatenate(chosen))


def entry_alpha(penalty: ElasticNet, grad: Float) -> Float:
    """Alpha below which each column, now zero, violates its condition, shape (p, C).

    Infinite for unpenalised columns.  Several outputs: the largest of them.
    """
    slope = np.maximum(-grad, 0.0) if penalty.positive else np.abs(grad)
    unit = np.broadcast_to(penalty.l1 / penalty.alpha, grad.shape)
    entry = np.divide(slope, unit, out=np.full(grad.shape, np.inf), where=unit > 0.0)
    return np.asarray(entry.max(axis=1))


def wanted_columns(
    entry: Float,
    reached: Float,
    paths: Paths,
    alpha: Float,
    chosen: npt.NDArray[np.intp],
) -> Float:
    """How much each column is wanted for the chosen problems, shape (p,); 0: not at all.

    A column is wanted where its gradient may reach the smallest alpha of the round: where it lies
    above ``alpha - RISE (reached - alpha)``, by how much it does so relative to that alpha.
    """
    wanted = np.zeros(len(entry))
    for path in np.unique(paths.which[chosen]):
        smallest = alpha[chosen[paths.which[chosen] == path]].min()
        least = min(smallest - RISE * max(reached[path] - smallest, 0.0), NEAR * smallest)
        above = entry[:, path] > max(least, 0.0)
        wanted = np.maximum(wanted, np.where(above, entry[:, path] / smallest, 0.0))
    return wanted
