"""A fraction of the rows held out of training, and watched in the same passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._typing import Float
from daskreg.datafit import Datafit
from daskreg.exceptions import DataError
from daskreg.splits import Folds, RowKeys
from daskreg.splits.counters import draw, stream, uniform

#: Stream of random numbers of a validation set; part of what its seed means.
VALIDATION = 6
#: The training rows, and those held out, as folds of their own.
TRAINING, HELD_OUT = 0, 1


@dataclass(frozen=True)
class HoldOut(Folds):
    """Two complementary parts by a hash of the row's number: each trains what the other tests.

    Parameters
    ----------
    fraction : float
        Of the rows that fold 0 leaves out, above 0 and below 1.
    seed : int
    """

    fraction: float
    seed: int = 0

    @property
    def train(self) -> npt.NDArray[np.bool_]:
        return np.eye(2, dtype=bool)

    @property
    def test(self) -> npt.NDArray[np.bool_]:
        return ~np.eye(2, dtype=bool)

    def codes(self, rows: RowKeys) -> npt.NDArray[np.intp]:
        draws = uniform(draw(stream(self.seed, VALIDATION), rows.numbers))
        return np.where(draws < self.fraction, HELD_OUT, TRAINING)

    def check_rows(self, counts: npt.ArrayLike) -> None:
        for number, kept in enumerate(np.asarray(counts, dtype=np.float64)):
            if not kept > 0.0:
                what = "hold out" if number == HELD_OUT else "train on"
                raise DataError(
                    f"validation={self.fraction:g} leaves no row of positive weight to {what}: "
                    f"pass a {'larger' if number == HELD_OUT else 'smaller'} fraction, or "
                    "validation=(X, y)"
                )


class PairedDatafit(Datafit):
    """One problem, each point of which is evaluated on its held-out rows in the same pass."""

    both: Datafit
    _latest: tuple[Float, Float, Float] | None

    @classmethod
    def of(cls, both: Datafit) -> PairedDatafit:
        """The training half of a pair of problems."""
        paired = object.__new__(cls)
        paired.__dict__.update(both.take([TRAINING]).__dict__)
        paired.both, paired._latest = both, None
        return paired

    def take(self, columns: npt.ArrayLike) -> Datafit:
        """Return this problem, or copies of it without its held-out rows."""
        index = np.arange(1)[np.asarray(columns)]
        return self if index.shape == (1,) else super().take(index)

    def value_and_grad(
        self,
        coef: Float,
        intercept: Float,
        columns: npt.ArrayLike | None = None,
        *,
        precise: bool = False,
        bends: bool = False,
    ) -> Any:
        """Evaluate C columns, and their loss on the held-out rows: one pass."""
        n_columns = coef.shape[-1]
        there = np.full(n_columns, HELD_OUT)
        moved = self.both.take(there).to_solver(*self.to_original(coef, intercept))
        evaluation = self.both.value_and_grad(
            np.concatenate([coef, moved[0]], axis=-1),
            np.concatenate([intercept, moved[1]], axis=-1),
            np.concatenate([np.full(n_columns, TRAINING), there]),
            precise=precise,
            bends=bends,
        )
        self._latest = coef.copy(), intercept.copy(), evaluation.value[n_columns:]
        return evaluation.take(np.arange(n_columns))

    def held_out_loss(self, coef: Float, intercept: Float) -> float:
        """Mean loss on the held-out rows at a point of the latest pass; NaN for another one."""
        if self._latest is None:
            return float("nan")
        points, levels, values = self._latest
        same = (points == coef).all(axis=(0, 1)) & (levels == intercept).all(axis=0)
        return float(values[same][0]) if same.any() else float("nan")
