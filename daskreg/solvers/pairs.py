"""What the last steps of each problem told about its curvature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float


@dataclass(frozen=True)
class Pairs:
    """The last steps of each problem and what the gradient did along them, oldest first.

    Coordinates are flattened, the intercepts last: n of them.

    Attributes
    ----------
    steps : array of shape (n_pairs, n, n_problems)
    turns : array of shape (n_pairs, n, n_problems)
        Changes of the gradient along the steps, less what the model of the curvature knew.
    level : array of shape (n_pairs, n_problems)
        Mean curvature of the loss along the step.
    count : array of int, shape (n_problems,)
        How many of them are filled.
    """

    steps: Float
    turns: Float
    level: Float
    count: npt.NDArray[np.intp]

    @classmethod
    def none(cls, memory: int, n_coordinates: int, n_problems: int) -> Pairs:
        """Room for ``memory`` pairs of each problem."""
        shape = (memory, n_coordinates, n_problems)
        level = np.ones((memory, n_problems))
        return cls(np.zeros(shape), np.zeros(shape), level, np.zeros(n_problems, dtype=np.intp))

    def take(self, columns: AnyArray) -> Pairs:
        return Pairs(
            self.steps[..., columns],
            self.turns[..., columns],
            self.level[..., columns],
            self.count[columns],
        )

    def of(self, problem: int) -> tuple[Float, Float, Float]:
        """Steps and turns of one problem, (n_filled, n) each, and levels (n_filled,)."""
        n = int(self.count[problem])
        arrays = self.steps, self.turns, self.level
        steps, turns, level = (array[:n, ..., problem] for array in arrays)
        return steps, turns, level

    def joined(self, steps: Float, turns: Float, level: Float) -> Pairs:
        """With one pair more for each problem, (n, n_problems) and (n_problems,).

        The oldest one makes room; pairs that are not finite, or no step at all, are left out.
        """
        usable = np.isfinite(turns).all(axis=0) & np.isfinite(steps).all(axis=0)
        usable &= steps.any(axis=0) & np.isfinite(level) & (level > 0.0)
        if not len(self.steps) or not usable.any():
            return self
        new = Pairs(self.steps.copy(), self.turns.copy(), self.level.copy(), self.count.copy())
        arrays = (new.steps, steps), (new.turns, turns), (new.level, level)
        for k in np.flatnonzero(usable):
            full = new.count[k] == len(new.steps)
            new.count[k] += not full
            for held, fresh in arrays:
                if full:
                    held[:-1, ..., k] = held[1:, ..., k]
                held[new.count[k] - 1, ..., k] = fresh[..., k]
        return new
