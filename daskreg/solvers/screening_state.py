"""Where the rounds of screening stand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from daskreg._pages import taken
from daskreg._typing import AnyArray, Float

from .results import Candidates, Goal
from .working_set import Paths

#: Rounds in vain, one like the other, after which there is no use in more of them.
PATIENCE = 2


@dataclass(frozen=True)
class ScreeningState:
    """Where the rounds stand; problems last.

    Attributes
    ----------
    coef, intercept : arrays of shape (n_features, n_outputs, K) and (n_outputs, K)
        The latest solution of each problem on a working set, else where it starts.
    entry : array of shape (n_features, n_paths)
        By path the alpha at which each column would enter, seen from the path's last solution.
    reached : array of shape (n_paths,)
        Alpha of that solution.
    lag : array of shape (n_paths,)
        Share of its entry alpha at which a missing column was found to enter; see ``reach``.
    working : array of bool, shape (n_features,)
        Columns of the last round.
    pool : array of bool, shape (n_features,)
        Columns in memory that it was taken from.
    survivors : dict of array of int, by problem
        Columns of which it is proven that the solution uses no others, where these are few.
    paths : Paths
    length : int
        Alphas of each path in the next round.
    short_of_memory : array of bool, shape (K,)
        Problems whose columns fill the memory: the last candidates are what there is of them.
    idle : array of int, shape (K,)
        Rounds of each problem, the last ones, that left it where it was on the columns before.
    """

    coef: Float
    intercept: Float
    entry: Float
    reached: Float
    lag: Float
    working: npt.NDArray[np.bool_]
    pool: npt.NDArray[np.bool_]
    survivors: dict[int, npt.NDArray[np.intp]]
    paths: Paths
    length: int
    short_of_memory: npt.NDArray[np.bool_]
    idle: npt.NDArray[np.intp]
    n_iter: npt.NDArray[np.intp]
    goal: Goal
    candidates: Candidates

    @property
    def exhausted(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.idle >= PATIENCE)

    def take(self, columns: AnyArray) -> ScreeningState:
        coef = taken(self.coef, columns)
        same = self.candidates.coef is self.coef  # one copy of it is enough
        return replace(
            self,
            coef=coef,
            intercept=self.intercept[:, columns],
            survivors=self._survivors(columns),
            paths=self.paths.take(columns),
            short_of_memory=self.short_of_memory[columns],
            idle=self.idle[columns],
            n_iter=self.n_iter[columns],
            goal=replace(self.goal, null_value=self.goal.null_value[columns]),
            candidates=self.candidates.take(columns, coef if same else None),
        )

    def _survivors(self, columns: AnyArray) -> dict[int, npt.NDArray[np.intp]]:
        places = np.arange(self.n_iter.size)[columns].tolist()
        return {new: self.survivors[k] for new, k in enumerate(places) if k in self.survivors}
