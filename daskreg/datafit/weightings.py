"""Which rows count how often in which problems: a fold is left out, a resample is counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daskreg._tokens import fresh_token
from daskreg._typing import AnyArray, Float
from daskreg.design.blocks import Block
from daskreg.splits import Folds, RowKeys, RowWeights

from .groups import Groups

#: All rows, each once: the weighting that every batch has, first.
PLAIN = (-1, -1)


@dataclass(frozen=True, eq=False)
class Weightings:
    """Distinct weightings of the rows: pairs of the fold left out and the resample counted.

    Problems of equal weighting share means, scales, totals and Gram matrix.

    Attributes
    ----------
    pairs : tuple of (fold, bootstrap)
        -1 stands for none; the first pair is (-1, -1), all rows.
    folds : Folds or None
    resamples : RowWeights or None
    """

    pairs: tuple[tuple[int, int], ...] = (PLAIN,)
    folds: Folds | None = None
    resamples: RowWeights | None = None

    def __post_init__(self) -> None:
        # No field: it is not part of what a kernel means, by which passes are known again.
        self.__dict__["_token"] = fresh_token()

    @property
    def token(self) -> str:
        """Tells these folds and resamples from all others, also after a journey."""
        return str(self.__dict__["_token"])

    @classmethod
    def of(
        cls, problems: Any, folds: Folds | None, resamples: RowWeights | None
    ) -> tuple[Weightings, npt.NDArray[np.intp]]:
        """Return the weightings of the problems and the number of each problem's own, (K,).

        Raises
        ------
        ValueError
            A problem names a fold or a resample that is not given.
        """
        _require(problems.fold, "fold", folds)
        _require(problems.bootstrap, "bootstrap", resamples)
        own = list(zip(problems.fold.tolist(), problems.bootstrap.tolist(), strict=True))
        pairs = (PLAIN, *sorted(set(own) - {PLAIN}))
        number = {pair: place for place, pair in enumerate(pairs)}
        which = np.array([number[pair] for pair in own], dtype=np.intp)
        resampled = any(bootstrap >= 0 for _, bootstrap in pairs)
        return cls(pairs, folds, resamples if resampled else None), which

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def n_atoms(self) -> int:
        """Atoms of the folds; rows of no atom are one more."""
        return 0 if self.folds is None else int(self.folds.n_atoms)

    @property
    def by_atoms(self) -> bool:
        """Whether every weighting takes each atom whole or not at all."""
        return self.resamples is None

    def trained(self, columns: Iterable[int] | None = None) -> Float:
        """Return 1.0 where a weighting trains on an atom, shape (n_atoms + 1, n).

        The last row stands for rows of no atom.
        """
        chosen = range(len(self)) if columns is None else columns
        table = np.ones((self.n_atoms + 1, len(self)))
        for place, (fold, _) in enumerate(self.pairs):
            if fold >= 0 and self.folds is not None:
                table[:-1, place] = self.folds.train[:, fold]
                table[-1, place] = 0.0
        return table[:, list(chosen)]

    def check_rows(self, found: Groups) -> None:
        """Raise ``DataError`` where a training or test set of the folds has no row that counts.

        Parameters
        ----------
        found : Groups
            What the first pass has found; of resampled rows it does not know the atoms.
        """
        if self.folds is None or not self.by_atoms or len(self) == 1:
            return
        counts = np.zeros(self.n_atoms + 1)  # the last: rows of no fold
        for (part, _), moments in found.moments.items():
            if part >= 0:
                counts[part] += moments.n_rows
        if counts.any():  # of weights that are all zero there is another message
            self.folds.check_rows(counts[:-1])

    def codes(self, block: Block) -> npt.NDArray[np.intp] | None:
        """Return the atom of each row of a block, -1 for none; None without folds."""
        return None if self.folds is None else self.folds.codes(row_keys(block))


#: Every row counts as it is, in every problem.
ALL_ROWS = Weightings()


def _require(numbers: AnyArray, name: str, given: RowWeights | None) -> None:
    most = int(numbers.max(initial=-1))
    if most >= (0 if given is None else given.n):
        known = "none" if given is None else f"{given.n}"
        raise ValueError(f"a problem has {name} {most}, but the datafit was given {known}")


def row_keys(block: Block, start: int = 0, stop: int | None = None) -> RowKeys:
    """Return what tells the rows ``start : stop`` of a block apart: number, label, group."""
    stop = block.n_rows if stop is None else stop
    groups = getattr(block, "groups", None)
    return RowKeys(
        block.start + start,
        stop - start,
        None if block.y is None else block.y[start:stop, 0],
        None if groups is None else groups[start:stop],
    )


class ColumnWeights:
    """Multiplicities of the rows of one block in the weightings of C columns.

    Parameters
    ----------
    weightings : Weightings
    columns : ndarray of int, shape (C,)
        Weighting of each column.
    block : Block
    """

    def __init__(self, weightings: Weightings, columns: AnyArray, block: Block) -> None:
        self.block = block
        self.codes = weightings.codes(block)
        self.table = weightings.trained(columns.tolist())
        self.resamples = weightings.resamples
        bootstrap = np.array([weightings.pairs[place][1] for place in columns.tolist()])
        self.which = np.unique(bootstrap[bootstrap >= 0])
        self.resampled = np.flatnonzero(bootstrap >= 0)
        self.place = np.searchsorted(self.which, bootstrap[self.resampled])

    def rows(self, start: int, stop: int) -> Float:
        """Return the multiplicities of rows ``start : stop`` of the block, shape (rows, C)."""
        if self.codes is None:
            counts = np.repeat(self.table, stop - start, axis=0)
        else:
            counts = self.table[self.codes[start:stop]]
        if self.resamples is not None and self.which.size:
            drawn = self.resamples.factors(row_keys(self.block, start, stop), self.which)
            counts[:, self.resampled] *= drawn[:, self.place]
        return counts
